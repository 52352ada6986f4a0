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

/** The postmaster's pid by its lock file; null when there is none. Says nothing about whether it lives. */
export async function readLockFile(dataDirectory: string): Promise<number | null> {
  try {
    const pid = Number.parseInt(await readFile(join(dataDirectory, 'postmaster.pid'), 'latin1'), 10)
    // A single-user server writes its pid negated.
    return Number.isInteger(pid) && pid !== 0 ? Math.abs(pid) : null
  } catch {
    return null
  }
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
