// A cgroup (v2) of the instance's own, which the kernel kills as one, forks under way included (Linux 5.14).
// Its files are held open from the start: a kill needs no path, no disk and no memory.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../kernel/errors.ts'

const NAME_BYTES_MAX = 255
const EVENTS_BYTES = 256

export interface InstanceCgroup {
  /** Why it is not in force; null: it is. */
  obstacle(): string | null
  /** Makes it if it is not there; the file to which a process writes "0" to enter, or null where there is no right. */
  prepare(): string | null
  /** Whether the postmaster got in, a moment after it was executed. */
  confirm(postmaster: number): void
  /** SIGKILL for everything in it, at once. */
  kill(): void
  /** Who has not left it yet, whether or not it can still act. */
  processes(): readonly number[]
  /** Removes it if it is empty. */
  close(): void
}

interface Held {
  readonly killFile: number
  readonly eventsFile: number
}

export function openInstanceCgroup(dataDirectory: string): InstanceCgroup {
  const place = locateCgroup(dataDirectory)
  const events = Buffer.alloc(EVENTS_BYTES)
  let held: Held | null = null
  let obstacle: string | null = 'path' in place ? 'not made yet' : place.obstacle

  function release(): void {
    if (!held) return
    closeSync(held.killFile)
    closeSync(held.eventsFile)
    held = null
  }

  function prepare(): string | null {
    if (!('path' in place)) return null
    try {
      // Somebody may have removed it while nothing ran in it; what is held open is then of no use.
      if (!held || !existsSync(place.path)) {
        release()
        held = hold(place.path)
        obstacle = null
      }
      return join(place.path, 'cgroup.procs')
    } catch (error) {
      obstacle = obstacleOf(error, place.path)
      return null
    }
  }

  function populated(): boolean {
    if (!held) return false
    try {
      const length = readSync(held.eventsFile, events, 0, events.length, 0)
      return !events.toString('latin1', 0, length).includes('populated 0')
    } catch {
      return false
    }
  }

  return {
    obstacle: () => obstacle,
    prepare,
    confirm(postmaster) {
      if (!held || !('path' in place)) return
      const inside = readCgroup(postmaster)
      if (inside !== null) obstacle = inside === place.name ? null : 'PostgreSQL could not be moved into it'
    },
    kill() {
      try {
        if (held) writeSync(held.killFile, '1')
      } catch {
        // It is gone, and with it everything that was in it; the kill goes on without it in any case.
      }
    },
    processes() {
      if (!('path' in place) || !populated()) return []
      try {
        return readFileSync(join(place.path, 'cgroup.procs'), 'latin1')
          .split('\n')
          .filter(Boolean)
          .map(Number)
      } catch {
        return []
      }
    },
    close() {
      release()
      try {
        if ('path' in place) rmdirSync(place.path)
      } catch {
        // Not empty, or not there: the next guard of this data directory uses it again.
      }
    },
  }
}

/** Where this process is; null: there is no cgroup v2, or it is not visible here. */
export function ownCgroup(): string | null {
  const own = readCgroup('self')
  const mount = unifiedMount()
  return own === null || mount === null ? null : pathOf(own, mount)
}

/** For the agent, when its guard does not answer: by path, where the guard of the same cgroup would have made it. */
export function killInstanceCgroup(dataDirectory: string): void {
  const place = locateCgroup(dataDirectory)
  try {
    if ('path' in place) writeFileSync(join(place.path, 'cgroup.kill'), '1')
  } catch {
    // It has none: the kill by signals does it alone.
  }
}

function hold(path: string): Held {
  if (!existsSync(path)) mkdirSync(path)
  // The right to make it is not yet the right to move somebody into it.
  accessSync(join(path, '..', 'cgroup.procs'), constants.W_OK)
  const killFile = openSync(join(path, 'cgroup.kill'), 'w')
  try {
    return { killFile, eventsFile: openSync(join(path, 'cgroup.events'), 'r') }
  } catch (error) {
    closeSync(killFile)
    throw error
  }
}

type Place =
  /** `name`: the same, as /proc/<pid>/cgroup has it. */
  { readonly path: string; readonly name: string } | { readonly obstacle: string }

function locateCgroup(dataDirectory: string): Place {
  const own = readCgroup('self')
  const mount = unifiedMount()
  if (own === null || mount === null) return { obstacle: 'cgroup v2 is not mounted here' }
  const folder = `vigil-${encodeURIComponent(dataDirectory)}`
  const at = pathOf(own, mount)
  if (at === null) return { obstacle: 'the own cgroup lies outside of what is mounted here' }
  if (folder.length > NAME_BYTES_MAX)
    return { obstacle: 'the path of the data directory is too long for a name' }
  return { path: join(at, folder), name: join(own, folder) }
}

function pathOf(own: string, mount: Mount): string | null {
  const root = mount.root === '/' ? '' : mount.root
  const outside = own.startsWith('/..') || !`${own}/`.startsWith(`${root}/`)
  return outside ? null : join(mount.at, own.slice(root.length))
}

function readCgroup(pid: number | 'self'): string | null {
  try {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')
    return lines.find(line => line.startsWith('0::'))?.slice('0::'.length) ?? null
  } catch {
    return null
  }
}

interface Mount {
  readonly root: string
  readonly at: string
}

/** Alone, or beside the older hierarchies. */
function unifiedMount(): Mount | null {
  try {
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      const [about, type] = line.split(' - ')
      const fields = about!.split(' ')
      if (type?.startsWith('cgroup2 ')) return { root: fields[3]!, at: fields[4]! }
    }
  } catch {
    // No /proc: nothing else works either.
  }
  return null
}

function obstacleOf(error: unknown, path: string): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `no right to make and use a cgroup in ${join(path, '..')}`
  if (code === 'ENOENT') return 'the kernel has no cgroup.kill (Linux 5.14)'
  return reasonOf(error)
}
