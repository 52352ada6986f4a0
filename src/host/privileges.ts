// Started as root, the agent becomes the owner of the data directory before it does anything: PostgreSQL refuses
// root, and whatever the agent writes belongs to the right user by itself.
import { chown, mkdir, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { VigilError } from '../kernel/errors.ts'

/** Missing in the type definitions, not in Node. */
const { initgroups } = process as { initgroups?: (user: number, extraGroup: number) => void }

interface User {
  readonly uid: number
  readonly gid: number
}

/** Makes the state directory, and gives up root. @throws VigilError DATA_DIRECTORY */
export async function becomeOwner(dataDirectory: string, stateDirectory: string): Promise<void> {
  if (process.getuid?.() !== 0) {
    await makeStateDirectory(stateDirectory)
    return
  }
  const user = (await ownerOf(dataDirectory)) ?? (await postgresUser())
  if (!user)
    throw new VigilError('DATA_DIRECTORY', {
      directory: dataDirectory,
      reason:
        'no user to run PostgreSQL as: the directory does not exist or belongs to root, and there is no user "postgres"',
    })
  await makeStateDirectory(stateDirectory)
  await chown(stateDirectory, user.uid, user.gid)
  initgroups?.(user.uid, user.gid)
  process.setgid?.(user.gid)
  process.setuid?.(user.uid)
}

async function makeStateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = `the state directory can't be made (${code}). Make it for the user that runs vigild, or set vigil.state_dir`
    throw new VigilError('DATA_DIRECTORY', { directory, reason }, { cause: error })
  }
}

/** Of the directory itself or, if it is still to be made, of the first one above it that does not belong to root. */
async function ownerOf(directory: string): Promise<User | null> {
  for (let path = directory; ; path = dirname(path)) {
    try {
      const { uid, gid } = await stat(path)
      return uid === 0 ? null : { uid, gid }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    if (path === dirname(path)) return null
  }
}

async function postgresUser(): Promise<User | null> {
  const users = await readFile('/etc/passwd', 'utf8')
  const line = users.split('\n').find(text => text.startsWith('postgres:'))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : null
}
