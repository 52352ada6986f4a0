// A text file that takes lines until it is full, and then says so.
import { open } from 'node:fs/promises'
import { failureOf } from './wal-files.ts'

export interface LimitedFile {
  /** False when it takes no more. */
  add(line: string): Promise<boolean>
  readonly bytes: () => number
  /** Lines that it did not take. */
  readonly refused: () => number
  /** Why it took no more; null: it took everything. */
  readonly stopped: () => string | null
  close(): Promise<void>
}

const BUFFERED = 64 * 1024

export async function openLimitedFile(path: string, limit: number): Promise<LimitedFile> {
  const file = await open(path, 'w', 0o600)
  let waiting: string[] = []
  let waitingBytes = 0
  let bytes = 0
  let refused = 0
  let stopped: string | null = null
  const flush = async () => {
    const text = waiting.join('')
    waiting = []
    waitingBytes = 0
    if (text === '') return
    try {
      await file.writeFile(text)
    } catch (error) {
      stopped ??= failureOf(error)
    }
  }
  return {
    async add(line) {
      const size = Buffer.byteLength(line) + 1
      if (stopped === null && bytes + size > limit) stopped = 'it was longer than there is room for'
      if (stopped !== null) {
        refused += 1
        return false
      }
      waiting.push(`${line}\n`)
      waitingBytes += size
      bytes += size
      if (waitingBytes >= BUFFERED) await flush()
      return true
    },
    bytes: () => bytes,
    refused: () => refused,
    stopped: () => stopped,
    async close() {
      await flush()
      try {
        await file.sync()
      } catch (error) {
        stopped ??= failureOf(error)
      } finally {
        await file.close()
      }
    },
  }
}
