// A file that text is appended to in the background. A slow or full disk costs lines, never time or memory.
import { constants, type PathLike } from 'node:fs'
import { open, rename, stat } from 'node:fs/promises'

const WAITING_BYTES_MAX = 256 * 1024

export interface BoundedLog {
  append(text: string): void
}

/** Keeps at most two files of `bytesMax`: the current one and `.1`. */
export function openBoundedLog(path: string, bytesMax: number): BoundedLog {
  let waiting = ''
  let dropped = 0
  let writing = false

  async function drain(): Promise<void> {
    writing = true
    while (waiting !== '' || dropped > 0) {
      const text = dropped > 0 ? `${waiting}[${dropped} bytes not written: the disk was too slow]\n` : waiting
      waiting = ''
      dropped = 0
      await appendTo(path, text, bytesMax).catch(() => {
        // There is nowhere left to say it; what was read stays in the exit report's buffer.
      })
    }
    writing = false
  }

  return {
    append(text) {
      if (waiting.length + text.length > WAITING_BYTES_MAX) dropped += text.length
      else waiting += text
      if (!writing) void drain()
    },
  }
}

async function appendTo(path: PathLike, text: string, bytesMax: number): Promise<void> {
  const size = await stat(path).then(
    found => found.size,
    () => 0,
  )
  if (size + text.length > bytesMax && size > 0) await rename(path, `${path}.1`)
  // Never through a link that somebody put in our place.
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
  const file = await open(path, flags, 0o600)
  try {
    await file.appendFile(text)
  } finally {
    await file.close()
  }
}
