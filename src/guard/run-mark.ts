// A file that stays behind when a guard dies: whatever runs beside it then has lost its guard and its deadline.
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export async function setRunMark(stateDirectory: string): Promise<void> {
  // A new file: the old one may be another user's, or a link that somebody put there.
  await clearRunMark(stateDirectory)
  await writeFile(path(stateDirectory), `${process.pid}\n`, { mode: 0o600, flag: 'wx' })
}

export async function clearRunMark(stateDirectory: string): Promise<void> {
  await rm(path(stateDirectory), { force: true })
}

export async function hasRunMark(stateDirectory: string): Promise<boolean> {
  return stat(path(stateDirectory)).then(
    () => true,
    () => false,
  )
}

function path(stateDirectory: string): string {
  return join(stateDirectory, 'guard.run')
}
