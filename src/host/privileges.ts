// Started as root, the agent becomes the owner of the data directory before it does anything: PostgreSQL refuses
// root, and whatever the agent writes belongs to the right user by itself.
import { chown, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { VigilError } from '../kernel/errors.ts'
import { type User, userNamed } from './accounts.ts'

/** Missing in the type definitions, not in Node. */
const { initgroups } = process as { initgroups?: (user: number, extraGroup: number) => void }

/** Whom root is to become; null: this is not root. @throws VigilError DATA_DIRECTORY */
export async function futureUser(dataDirectory: string): Promise<User | null> {
  if (process.getuid?.() !== 0) return null
  const user = (await ownerOf(dataDirectory)) ?? (await userNamed('postgres'))
  if (user) return user
  throw new VigilError('DATA_DIRECTORY', {
    directory: dataDirectory,
    reason:
      'no user to run PostgreSQL as: the directory does not exist or belongs to root, and there is no user "postgres"',
  })
}

/** Gives up root, for good. */
export function become({ uid, gid }: User): void {
  initgroups?.(uid, gid)
  process.setgid?.(gid)
  process.setuid?.(uid)
}

/**
 * While still root. What lies below a missing part of the data directory's own path is left to that user: a file
 * system that is not mounted looks just so, and must not be filled in by root.
 */
export async function makeStateDirectoryAsRoot(
  directory: string,
  dataDirectory: string,
  user: User,
): Promise<void> {
  const missing = await missingParts(directory)
  const [topmost] = missing
  if (topmost !== undefined && `${dataDirectory}/`.startsWith(`${topmost}/`)) return
  await makeStateDirectory(directory)
  for (const path of [...missing, directory]) await chown(path, user.uid, user.gid)
}

/** @throws VigilError STATE_DIRECTORY */
export async function makeStateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = `it can't be made (${code}). Make it for the user that runs vigild, or set vigil.state_dir`
    throw new VigilError('STATE_DIRECTORY', { directory, reason }, { cause: error })
  }
}

/** Directories to be made, the topmost first. */
async function missingParts(directory: string): Promise<readonly string[]> {
  const missing: string[] = []
  for (let path = directory; path !== dirname(path); path = dirname(path)) {
    const there = await stat(path).then(
      () => true,
      () => false,
    )
    if (there) break
    missing.unshift(path)
  }
  return missing
}

/** Of the directory itself or, if it is still to be made, of the first one above it that does not belong to root. */
async function ownerOf(directory: string): Promise<User | null> {
  for (let path = directory; ; path = dirname(path)) {
    try {
      const { uid, gid } = await stat(path)
      return uid === 0 ? null : { uid, gid }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // A file in the middle of the path: the check of the directory says so.
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    }
    if (path === dirname(path)) return null
  }
}
