// The few files that the guard touches: two in the data directory, one of its own. All in the background.
import { constants } from 'node:fs'
import { type FileHandle, open, readFile, realpath, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '../kernel/errors.ts'

/** Whom PostgreSQL runs as, when the guard is root. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** null: done. Else why not. */
type Failure = string | null

/** `standby.signal` is there and will be after a crash: whatever is started on it never writes. */
export async function ensureStandbySignal(dataDirectory: string): Promise<Failure> {
  return attempt(async () => {
    const owner = await stat(dataDirectory)
    await using file = await openInside(dataDirectory, 'standby.signal')
    if (process.getuid?.() === 0) await file.chown(owner.uid, owner.gid)
    await file.sync()
    await syncFolder(dataDirectory)
  })
}

export async function standbySignalPresent(dataDirectory: string): Promise<boolean | null> {
  try {
    await stat(join(dataDirectory, 'standby.signal'))
    return true
  } catch (error) {
    // Only a certain absence counts: a permission or input error proves nothing about a promotion.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? false : null
  }
}

/** The postmaster looks for it when it gets SIGUSR1, and removes what is left of it when it starts. */
export async function writePromoteFile(dataDirectory: string): Promise<Failure> {
  const failure = await attempt(async () => {
    const owner = await stat(dataDirectory)
    await using file = await openInside(dataDirectory, 'promote')
    if (process.getuid?.() === 0) await file.chown(owner.uid, owner.gid)
  })
  if (failure !== null) await attempt(() => rm(join(dataDirectory, 'promote'), { force: true }))
  return failure
}

/** What a postmaster left in `postmaster.pid`; says nothing about whether it lives. */
export interface LockFile {
  readonly pid: number
  /** The lock beside its first Unix socket; null: it has none. */
  readonly socketLock: string | null
}

/** null: there is none that could be read. */
export async function readLockFile(dataDirectory: string): Promise<LockFile | null> {
  const text = await readText(join(dataDirectory, 'postmaster.pid'))
  // Lines: pid, data directory, start time, port, socket directory.
  const [first, , , port, sockets] = text?.split('\n') ?? []
  const pid = Number.parseInt(first ?? '', 10)
  if (!Number.isInteger(pid) || pid === 0) return null
  const socketLock = port && sockets ? join(sockets.trim(), `.s.PGSQL.${port.trim()}.lock`) : null
  // A single-user server writes its pid negated.
  return { pid: Math.abs(pid), socketLock }
}

/** Only when it is certain that this pid is no postmaster of the directory any more. */
export async function removeLockFiles(dataDirectory: string, { pid, socketLock }: LockFile): Promise<void> {
  const sameHolder = socketLock !== null && Number.parseInt((await readText(socketLock)) ?? '', 10) === pid
  if (sameHolder) await rm(socketLock, { force: true })
  await rm(join(dataDirectory, 'postmaster.pid'), { force: true })
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'latin1').catch(() => null)
}

/** As the kernel names it in the processes' working directory; the path itself if it is not there yet. */
export async function resolveDirectory(path: string): Promise<string> {
  return realpath(path).catch(() => path)
}

export async function ownerOf(path: string): Promise<Owner> {
  const { uid, gid } = await stat(path)
  return { uid, gid }
}

function openInside(folder: string, name: string): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW
  return open(join(folder, name), flags, 0o600)
}

export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

async function attempt(work: () => Promise<void>): Promise<Failure> {
  try {
    await work()
    return null
  } catch (error) {
    return reasonOf(error)
  }
}
