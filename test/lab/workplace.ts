// The directory of one laboratory and what a crashed one left behind. Names carry the owner's pid, so that only what
// has no owner any more is removed.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { isRoot } from './database-user.ts'
import { isAlive, killAll, processesIn, processesInNamespace } from './processes.ts'

const PREFIX = 'vigil-lab-'
export const NAMESPACE_DIRECTORY = '/run/netns'
let opened = 0

export interface Workplace {
  /** Unique on this machine, short enough for an interface's name: `<pid>` or `<pid>x<n>`. */
  readonly id: string
  readonly directory: string
}

export function openWorkplace(): Workplace {
  removeAbandoned()
  opened += 1
  const id = opened === 1 ? String(process.pid) : `${process.pid}x${opened}`
  const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${id}-`))
  // Members run as another user and must get through.
  chmodSync(directory, 0o755)
  return { id, directory }
}

export function namespaceName(id: string, host: string): string {
  return `${PREFIX}${id}-${host}`
}

/** Copies what explains a failure (logs, records, configurations) out of a laboratory that is about to be removed. */
function keepLogs(workplace: Workplace): string {
  // Each user has a folder of its own: what root kept is not for others to write into.
  const target = join(tmpdir(), `vigil-lab-kept-${process.getuid!()}`, workplace.id)
  mkdirSync(target, { recursive: true })
  const wanted = /(\.log|\.ndjson|\.jsonl(\.1)?|\.yml|\.json)$|\/log\/[^/]+$/
  const data = /\/(base|global|pg_[a-z]+)\//
  for (const entry of readdirSync(workplace.directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !wanted.test(path) || data.test(path)) continue
    cpSync(path, join(target, relative(workplace.directory, path)))
  }
  return target
}

/** Removes a laboratory, and first keeps its logs if asked to; returns where. It is removed even if that fails. */
export function closeWorkplace(workplace: Workplace, keep: boolean): string | null {
  try {
    return keep ? keepLogs(workplace) : null
  } finally {
    removeWorkplace(workplace)
  }
}

/** Ends every process of a laboratory and removes its namespaces and its directory. Safe to repeat. */
function removeWorkplace({ id, directory }: Workplace): void {
  const namespaces = namespacesOf(name => name.startsWith(`${PREFIX}${id}-`))
  const mounts = mountsBelow(directory)
  // Who writes to a frozen file system does not even die.
  for (const mount of mounts) spawnSync('fsfreeze', ['--unfreeze', mount], { stdio: 'ignore' })
  for (const name of namespaces) killAll(() => processesInNamespace(join(NAMESPACE_DIRECTORY, name)))
  killAll(() => processesIn(directory))
  for (const mount of mounts) execFileSync('umount', ['--lazy', mount], { stdio: 'ignore' })
  for (const name of namespaces) execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}

/** File systems of its own that a laboratory has mounted. */
function mountsBelow(directory: string): readonly string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return lines.map(line => line.split(' ')[1] ?? '').filter(mount => mount.startsWith(`${directory}/`))
}

/** Removes laboratories whose owner is gone: a run that was killed could not clean up. */
function removeAbandoned(): void {
  const names = [...namespacesOf(() => true), ...readdirSync(tmpdir())]
  const ids = new Set(names.flatMap(name => new RegExp(`^${PREFIX}(\\d+(?:x\\d+)?)-`).exec(name)?.[1] ?? []))
  for (const id of ids) {
    if (isAlive(Number.parseInt(id, 10))) continue
    const directories = readdirSync(tmpdir()).filter(name => name.startsWith(`${PREFIX}${id}-`))
    for (const name of directories.length > 0 ? directories : ['']) {
      try {
        removeWorkplace({ id, directory: name === '' ? `/nonexistent/${PREFIX}${id}` : join(tmpdir(), name) })
      } catch {
        // Another user's, or being removed by somebody else at this moment.
      }
    }
  }
}

function namespacesOf(wanted: (name: string) => boolean): readonly string[] {
  if (!isRoot() || !existsSync(NAMESPACE_DIRECTORY)) return []
  return readdirSync(NAMESPACE_DIRECTORY).filter(name => name.startsWith(PREFIX) && wanted(name))
}
