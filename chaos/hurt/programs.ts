// Which of the programs are here that some faults need; without one its faults are left out, and the report says so.
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

export const PROGRAMS = ['fsfreeze', 'mkfs.ext4', 'mount', 'strace', 'gcc', 'nft'] as const
export type Program = (typeof PROGRAMS)[number]

export function missingPrograms(): ReadonlySet<Program> {
  return new Set(PROGRAMS.filter(name => !onPath(name)))
}

function onPath(name: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return directories.filter(Boolean).some(directory => {
    try {
      accessSync(join(directory, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
