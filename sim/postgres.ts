// One member's PostgreSQL: it starts, recovers, promotes, stops, hangs and dies, each taking its time. Two groups of
// processes: the postmaster, and its children, which may outlive it.

import { checkpointerReloads } from './commits.ts'
import { newInstance, promote, recover } from './startup.ts'
import { closeReceiver, closeSenders, startupReloads } from './streaming.ts'
import { append, positionOf } from './wal.ts'
import { behind, pumpSenders, signalSenders } from './walsenders.ts'
import type { Instance, Postgres, World } from './world.ts'

export const NORMAL_PACE = { stopMs: 150, recoveryMs: 150, promotionMs: 100, lagMs: 4 }

/** Orphans notice that the postmaster is gone when they next wait; a busy one needs longer. */
const ORPHAN_MS = 400
const LONG_STATEMENT_MS = 6000
const SIGKILL_CHILDREN_AFTER_MS = 5000
const CHILD_READS_WITHIN_MS = 25

export function createPostgres(world: World, name: string, frozen: () => boolean): Postgres {
  let exitCallback: (code: number | null, signal: string | null) => void = () => {}
  let nextPid = 1000
  const postgres: Postgres = {
    name,
    directory: null,
    replaced: [],
    instance: null,
    pace: { ...NORMAL_PACE },
    alive: () => {
      const instance = postgres.instance
      return instance !== null && (instance.postmaster.alive() || instance.children.alive())
    },
    start: () => {
      const directory = postgres.directory
      const half = directory?.marker === 'bootstrap' && directory.torn
      if (directory === null || half || postgres.alive()) return null
      const instance = newInstance(world, { name, pid: nextPid++, frozen, directory })
      postgres.instance = instance
      recover(world, postgres, instance)
      return instance.pid
    },
    promoteIfAsked: () => {
      const { directory, instance } = postgres
      if (!directory?.promoteFile || !instance) return
      instance.postmaster.deliver(() => promote(world, postgres, instance))
    },
    reload: () => {
      const { instance } = postgres
      if (!instance?.postmaster.alive()) return
      instance.postmaster.later(world.random.between(1, 20), () => readSettings(world, postgres, instance))
    },
    write: kind => {
      const { directory } = postgres
      const branch = directory!.copy.branch
      directory!.copy = append(branch, kind)
      pumpSenders(world, postgres)
      return branch.records[branch.records.length - 1]!
    },
    onExit: callback => {
      exitCallback = callback
    },
    ...endings(
      world,
      () => postgres,
      (code, signal) => exitCallback(code, signal),
    ),
  }
  return postgres
}

type Endings = Pick<
  Postgres,
  'fastStop' | 'immediateStop' | 'killEverything' | 'killPostmaster' | 'panic' | 'powerOff'
>

/** Every way in which it ends. */
function endings(
  world: World,
  postgres: () => Postgres,
  exit: (code: number | null, signal: string | null) => void,
): Endings {
  const { scheduler, random } = world
  const running = () => {
    const { instance } = postgres()
    return instance?.postmaster.alive() ? instance : null
  }
  const exited = (instance: Instance, code: number | null, signal: string | null) => {
    if (!instance.postmaster.alive()) return
    instance.postmaster.kill()
    exit(code, signal)
  }
  const endChildren = (instance: Instance, silently = false) => {
    if (!instance.children.alive()) return
    closeReceiver(world, instance, silently)
    closeSenders(world, instance)
    instance.children.kill()
    instance.sessions = false
    instance.commits.waiting = []
    world.observe.stoppedServing(postgres().name)
  }
  return {
    fastStop: () => {
      const instance = running()
      if (!instance || instance.phase === 'stopping') return
      const end = () => {
        endChildren(instance)
        exited(instance, 0, null)
      }
      instance.postmaster.deliver(() => shutDown(world, postgres(), instance, end))
    },
    immediateStop: () => {
      const instance = running()
      instance?.postmaster.deliver(() => {
        instance.phase = 'stopping'
        const lingers = random.chance(0.15)
        const ms = lingers ? random.between(50, SIGKILL_CHILDREN_AFTER_MS) : random.between(3, 40)
        scheduler.after(Math.min(ms, world.lingerLimitMs(postgres().name)), () => {
          endChildren(instance)
          exited(instance, 2, null)
        })
      })
    },
    killEverything: withinMs => {
      const { instance } = postgres()
      if (!instance) return
      scheduler.after(random.next() * withinMs, () => exited(instance, null, 'SIGKILL'))
      scheduler.after(random.next() * withinMs, () => endChildren(instance))
    },
    killPostmaster: () => {
      const instance = running()
      if (!instance) return
      exited(instance, null, 'SIGKILL')
      const busy = random.chance(0.3)
      const ms = busy ? random.between(ORPHAN_MS, LONG_STATEMENT_MS) : random.next() * ORPHAN_MS
      instance.children.later(ms, () => endChildren(instance))
    },
    panic: () => {
      const instance = running()
      if (!instance) return
      endChildren(instance)
      exited(instance, 1, null)
    },
    powerOff: () => {
      const { instance } = postgres()
      if (!instance) return
      endChildren(instance, true)
      instance.postmaster.kill()
    },
  }
}

/** The postmaster first, which tells its children: each of them reads the file when it comes to it. */
function readSettings(world: World, postgres: Postgres, instance: Instance): void {
  const { directory } = postgres
  if (!directory) return
  const { random } = world
  instance.configuration = directory.configuration
  signalSenders(world, instance)
  instance.children.later(random.next() * CHILD_READS_WITHIN_MS, () => {
    checkpointerReloads(instance, directory.configuration.names)
    world.observe.namesInForce(postgres, instance)
  })
  instance.children.later(random.next() * CHILD_READS_WITHIN_MS, () =>
    startupReloads(world, postgres, instance),
  )
}

/** Fast: sessions end first, then the shutdown checkpoint, then it waits until every walsender has sent it. */
function shutDown(world: World, postgres: Postgres, instance: Instance, end: () => void): void {
  const { random } = world
  const wasPrimary = instance.phase === 'primary'
  const directory = postgres.directory!
  instance.phase = 'stopping'
  closeReceiver(world, instance)
  const stop = (): void => {
    instance.sessions = false
    instance.commits.waiting = []
    if (!instance.children.alive()) return
    if (world.host(postgres.name)?.disk === 'stalled') instance.postmaster.later(50, stop)
    else if (wasPrimary)
      instance.postmaster.later(random.between(0.3, 1.5) * postgres.pace.stopMs, lastRecord)
    else instance.postmaster.later(random.between(10, 60), standbyEnds)
  }
  const standbyEnds = () => {
    directory.controlState = 'shut down in recovery'
    directory.checkpoint = positionOf(directory.copy)
    end()
  }
  const lastRecord = () => {
    if (!instance.children.alive()) return
    postgres.write('shutdown')
    directory.controlState = 'shut down'
    directory.checkpoint = positionOf(directory.copy)
    directory.cleanEnd = true
    waitForSenders(postgres, instance, end)
  }
  instance.postmaster.later(random.between(2, 25), stop)
}

function waitForSenders(postgres: Postgres, instance: Instance, end: () => void): void {
  const target = postgres.directory!.copy
  if (!instance.children.alive()) return
  const waits = [...instance.senders].some(sender => behind(sender, target))
  if (waits) instance.postmaster.later(20, () => waitForSenders(postgres, instance, end))
  else instance.postmaster.later(5, end)
}
