// postmaster.pid: which process runs on the data directory, and where it listens.
import { readFile, readlink, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing, readIfPresent } from './durable.ts'

export interface PostmasterFile {
  readonly pid: number
  /** Directory of the Unix socket, or a host when there is no socket. */
  readonly host: string
  readonly port: number
}

/** null: no such file, or one that is not complete yet. */
export async function readPostmasterFile(dataDirectory: string): Promise<PostmasterFile | null> {
  const text = await readIfPresent(join(dataDirectory, 'postmaster.pid'))
  return text === null ? null : parsePostmasterFile(text)
}

/**
 * Reads again only what has changed. A later postmaster makes a file of its own; within a file everything that is
 * read here is appended, so that its size tells even of what happens within one tick of the file system's clock.
 */
export function postmasterFileReader(dataDirectory: string): () => Promise<PostmasterFile | null> {
  const path = join(dataDirectory, 'postmaster.pid')
  let known: { readonly mark: string; readonly file: PostmasterFile | null } | null = null
  return async () => {
    const mark = await markOf(path)
    if (known !== null && known.mark === mark) return known.file
    known = mark === null ? null : { mark, file: await readPostmasterFile(dataDirectory) }
    return known?.file ?? null
  }
}

/** null: no such file. */
async function markOf(path: string): Promise<string | null> {
  try {
    const { dev, ino, size, ctimeNs } = await stat(path, { bigint: true })
    return `${dev} ${ino} ${size} ${ctimeNs}`
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

export function parsePostmasterFile(text: string): PostmasterFile | null {
  const [pid, , , port, socketDirectory, listenAddress] = text.split('\n').map(line => line.trim())
  const host = socketDirectory || (listenAddress === '*' ? 'localhost' : listenAddress)
  const numbers = { pid: Number(pid), port: Number(port) }
  if (!Number.isSafeInteger(numbers.pid) || numbers.pid <= 1 || !numbers.port || !host) return null
  return { ...numbers, host }
}

/** A number in a left-over file may belong to another process by now; a postmaster works in its data directory. */
export async function runsOn(pid: number, dataDirectory: string): Promise<boolean> {
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(dataDirectory))
  } catch {
    return false
  }
}

/** By a signal: it does nothing until somebody lets it go on. */
export async function isStopped(pid: number | null): Promise<boolean> {
  const text = pid === null ? '' : await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  // The name stands in parentheses and may hold anything.
  return text.slice(text.lastIndexOf(')') + 2).startsWith('T')
}
