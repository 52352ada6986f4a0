// A secret in a private file for as long as one program needs it: never on a command line or in an environment.
import { randomBytes } from 'node:crypto'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ensurePrivateDirectory } from './durable.ts'

const PREFIX = '.secret-'
/** Longer than any program that uses one may run. */
const LEFT_OVER_MS = 24 * 3600 * 1000

/** Calls `use` with the file's path, or with null when there is no secret. */
export async function withSecretFile<T>(
  directory: string,
  secret: string | null,
  use: (path: string | null) => Promise<T>,
): Promise<T> {
  if (secret === null) return use(null)
  await ensurePrivateDirectory(directory)
  await removeLeftOvers(directory)
  const path = join(directory, `${PREFIX}${randomBytes(8).toString('hex')}`)
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(`${secret}\n`)
    await file.close()
    return await use(path)
  } finally {
    await rm(path, { force: true })
  }
}

/** Of an agent that was killed in between. */
async function removeLeftOvers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PREFIX)) continue
    const path = join(directory, name)
    const age = Date.now() - (await stat(path)).mtimeMs
    if (age > LEFT_OVER_MS) await rm(path, { force: true })
  }
}
