// Clients that write to whatever takes writes, on every member, old primaries and cut-off ones included.
import { cancelWait, waitForStandbys } from './commits.ts'
import { type Copy, tipOf, type WalRecord } from './wal.ts'
import type { Acknowledged, Instance, Postgres, World } from './world.ts'

const CONNECT_MS = 150
/** Sessions that wait at once: more would only make more WAL. */
const WAITING_MAX = 6
const CANCELLED_SHARE = 0.01
const DISK_POLL_MS = 50

export interface Habits {
  readonly everyMs: number
  /** Of the commits, in sessions with synchronous_commit = local. */
  readonly weakShare: number
}

/** Keeps writing to this instance for as long as it lives and serves. */
export function startClients(world: World, postgres: Postgres, instance: Instance, habits: Habits): void {
  const { random } = world
  const connect = () => {
    if (instance.phase !== 'primary') return
    // Before the roles are made nobody can log in.
    const { closed } = instance.configuration
    const open = instance.postmaster.running() && postgres.directory?.marker === null && !closed
    if (!open) {
      instance.children.later(random.between(0.5, 1) * CONNECT_MS, connect)
      return
    }
    instance.sessions = true
    write()
  }
  const write = () => {
    if (!instance.sessions || instance.phase !== 'primary') return
    const disk = world.host(postgres.name)?.disk
    // Nobody is acknowledged before the disk has it.
    if (disk === 'stalled') {
      instance.unflushed = true
      return instance.children.later(DISK_POLL_MS, write)
    }
    if (disk === 'full') return postgres.panic()
    instance.unflushed = false
    const weak = habits.weakShare > 0 && random.chance(habits.weakShare)
    if (weak || instance.commits.waiting.length < WAITING_MAX) commit(world, postgres, instance, weak)
    instance.children.later(random.between(0.5, 1.5) * habits.everyMs, write)
  }
  instance.children.later(random.between(5, CONNECT_MS), connect)
}

/** Written and flushed here. The acknowledgement leaves a moment after nobody is waited for any more, or never. */
function commit(world: World, postgres: Postgres, instance: Instance, weak: boolean): void {
  const { random } = world
  const record = postgres.write('commit')!
  const copy = tipOf(postgres.directory!.copy.branch)
  const leaves = (by: Acknowledged['by']) => {
    if (by === 'nobody') world.observe.releasedAlone(postgres, instance)
    instance.children.later(random.between(0.2, 12), () =>
      acknowledge(world, postgres, instance, { record, copy, by }),
    )
  }
  if (weak) leaves('local')
  else waitForStandbys(instance, { record, release: leaves })
  if (!weak && random.chance(CANCELLED_SHARE))
    instance.children.later(random.between(20, 2000), () => cancelWait(instance, record))
}

interface Leaving {
  readonly record: WalRecord
  readonly copy: Copy
  readonly by: Acknowledged['by']
}

function acknowledge(world: World, postgres: Postgres, instance: Instance, commit: Leaving): void {
  if (!instance.sessions) return
  commit.record.acknowledgedAt = world.scheduler.now()
  world.observe.acknowledged(postgres, instance, commit)
}
