// A cgroup (v2) that belongs to the database user, as a service manager delegates one (Delegate=yes).
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type DatabaseUser, isRoot } from './database-user.ts'
import { isAlive } from './processes.ts'

export interface DelegatedCgroup {
  readonly path: string
  /** The prefix that starts a program in it; what it then becomes stays in it. */
  readonly enter: readonly string[]
  /** Every process in it or below. */
  processes(): readonly number[]
  close(): void
}

const PREFIX = 'vigil-lab-'
let counter = 0

/** @throws a sentence where it can't be made: nothing is tested in silence. */
export function delegateCgroup(user: DatabaseUser): DelegatedCgroup {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find(line => line.includes(' - cgroup2 '))
  const at = mount?.split(' ')[4]
  if (!isRoot() || !at) throw new Error('this test needs root and a cgroup v2 tree that root can write')
  removeAbandoned(at)
  const path = join(at, `${PREFIX}${process.pid}-${++counter}`)
  mkdirSync(path)
  for (const file of ['.', 'cgroup.procs']) chownSync(join(path, file), user.uid, user.gid)
  return {
    path,
    enter: ['/bin/sh', '-c', 'echo 0 > "$0" && exec "$@"', join(path, 'cgroup.procs')],
    processes: () => below(path).flatMap(processesOf),
    close: () => killAndRemove(path),
  }
}

function killAndRemove(path: string): void {
  for (const folder of below(path)) writeFileSync(join(folder, 'cgroup.kill'), '1')
  for (const folder of below(path).toReversed()) remove(folder)
}

/** Of a run that was killed and could not clean up. */
function removeAbandoned(at: string): void {
  for (const name of readdirSync(at)) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
    if (owner === undefined || isAlive(Number(owner))) continue
    try {
      killAndRemove(join(at, name))
    } catch {
      // Being removed by somebody else at this moment.
    }
  }
}

function below(path: string): readonly string[] {
  if (!existsSync(path)) return []
  const folders = readdirSync(path, { withFileTypes: true }).filter(entry => entry.isDirectory())
  return [path, ...folders.flatMap(folder => below(join(path, folder.name)))]
}

function processesOf(folder: string): readonly number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number)
}

/** What was killed needs a moment to leave. */
function remove(folder: string): void {
  for (let attempt = 0; processesOf(folder).length > 0 && attempt < 500; attempt++)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  rmdirSync(folder)
}
