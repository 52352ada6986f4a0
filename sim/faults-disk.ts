// Faults of the disk under PostgreSQL.
import type { DiskState } from './disk.ts'
import type { Fault } from './faults.ts'
import { recordedRules, wantedPromises } from './health.ts'
import type { Host, World } from './world.ts'

/** Beyond the ttl: to see it, to confirm the end, and to be promoted. */
const BEYOND_TTL_MS = 5000

export const diskStalls = diskFault('the disk stands still', 'stalled')
export const diskFull = diskFault('the disk is full', 'full')

function diskFault(name: string, state: DiskState): Fault {
  return {
    name,
    begin: (_world, host) => {
      if (host.disk !== 'fine' || !host.agent?.process.running()) return null
      host.disk = state
      return () => {
        host.disk = 'fine'
      }
    },
  }
}

/** The same on a leader with healthy standbys, and nothing else: somebody healthy writes soon (I18). */
export function handsOver(fault: Fault, ttlMs: number): Fault {
  return {
    name: `${fault.name} under a leader that others could replace`,
    begin: (world, host, random) => {
      const replaceable =
        host.postgres.instance?.sessions && others(world, host).every(follows) && enoughRemain(world, host)
      const undo = replaceable ? fault.begin(world, host, random) : null
      if (!undo) return null
      world.scheduler.after(ttlMs + BEYOND_TTL_MS, () => {
        if (host.disk === 'fine' || others(world, host).some(other => other.postgres.instance?.sessions))
          return
        world.observe.report(
          'I18',
          `${ttlMs + BEYOND_TTL_MS} ms after "${fault.name}" on ${host.name} nobody else takes writes`,
        )
      })
      return undo
    },
  }
}

function others(world: World, host: Host): readonly Host[] {
  return world.hosts.filter(other => other !== host)
}

/**
 * Commits that only the leader has bar everybody else. Strict: a leader with too few standbys is shown to nobody, since
 * nothing of it could be acknowledged.
 */
function enoughRemain(world: World, host: Host): boolean {
  if (recordedRules(world)?.at(-1)?.k === 0) return false
  const { mode, strict, nodeCount } = wantedPromises(world)
  return mode === 'off' || !strict || others(world, host).length - 1 >= nodeCount
}

function follows(host: Host): boolean {
  const { instance } = host.postgres
  return (
    instance?.phase === 'standby' &&
    instance.receiver?.open === true &&
    host.agent?.process.running() === true
  )
}
