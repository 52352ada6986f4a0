// One member's PostgreSQL: it starts, recovers, promotes, stops, hangs and dies, each taking its time. Two groups of
// processes: the postmaster, and its children, which may outlive it.

import { checkpointerReloads, newCommitQueue } from './commits.ts'
import { type Directory, nextFreeTimeline, unusedReservations } from './data-directory.ts'
import { createProcess } from './process.ts'
import { closeReceiver, closeSenders, follow, startupReloads } from './streaming.ts'
import { append, forkBranch, positionOf, tipOf } from './wal.ts'
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

interface Birth {
  readonly name: string
  readonly pid: number
  readonly frozen: () => boolean
  readonly directory: Directory
}

function newInstance(world: World, { name, pid, frozen, directory }: Birth): Instance {
  const { scheduler } = world
  return {
    pid,
    postmaster: createProcess(`postmaster of ${name}`, { scheduler, frozen }),
    children: createProcess(`backends of ${name}`, { scheduler, frozen }),
    phase: 'starting',
    role: 'standby',
    configuration: directory.configuration,
    startedAt: new Date(Date.UTC(2030, 0, 1) + Math.round(scheduler.now())).toISOString(),
    replayBehind: null,
    received: false,
    receiver: null,
    senders: new Set(),
    commits: newCommitQueue(directory.configuration.names),
    replayStuck: false,
    nextChild: pid * 1000,
    unflushed: false,
    sessions: false,
  }
}

/** With standby.signal it ends as a standby; without, as what it was: nobody but us may have taken the file away. */
function recover(world: World, postgres: Postgres, instance: Instance): void {
  const { random } = world
  const directory = postgres.directory!
  const crashed = directory.controlState === 'in production'
  const ms = random.between(30, 90) + (crashed ? random.between(0.3, 1.5) * postgres.pace.recoveryMs : 0)
  // The postmaster removes a promote file that somebody left behind.
  directory.promoteFile = false
  instance.postmaster.later(ms, () => {
    if (instance.phase !== 'starting' || !instance.children.alive()) return
    if (!directory.standbySignal) return openWithoutPromotion(world, postgres, instance)
    if (unusedReservations(directory).length > 0) return
    directory.controlState = 'in archive recovery'
    const { branch, count } = directory.copy
    const behind = Math.min(count, random.integer(0, 3))
    if (behind > 0 && random.chance(0.5)) instance.replayBehind = { branch, count: count - behind }
    instance.children.later(random.between(5, 400), () => {
      if (!instance.replayStuck) instance.replayBehind = null
    })
    instance.phase = 'standby'
    follow(world, postgres, instance)
  })
}

/** A second writer of the same timeline is possible: then it is another history with the same number. */
function openWithoutPromotion(world: World, postgres: Postgres, instance: Instance): void {
  const directory = postgres.directory!
  const { copy } = directory
  const own = copy.branch.writer === postgres.name && tipOf(copy.branch).count === copy.count
  if (!own) {
    const branch = forkBranch(world.nextBranchId(), copy, copy.branch.timeline, postgres.name)
    directory.copy = append(branch, 'checkpoint')
  }
  serve(world, postgres, instance)
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

function serve(world: World, postgres: Postgres, instance: Instance): void {
  const directory = postgres.directory!
  instance.phase = 'primary'
  instance.role = 'primary'
  directory.controlState = 'in production'
  directory.cleanEnd = false
  closeReceiver(world, instance)
  world.observe.servesWrites(postgres)
  world.clients(postgres, instance)
}

function promote(world: World, postgres: Postgres, instance: Instance): void {
  const directory = postgres.directory!
  if (instance.phase !== 'standby' || !directory.promoteFile) return
  instance.phase = 'promoting'
  directory.promoteFile = false
  closeReceiver(world, instance)
  const end = () => {
    if (instance.phase !== 'promoting' || !instance.children.alive()) return
    // Everything that is there is replayed first.
    const disk = world.host(postgres.name)?.disk
    if (instance.replayStuck || disk === 'stalled') return instance.postmaster.later(50, end)
    if (disk === 'full') return postgres.panic()
    instance.replayBehind = null
    const from = directory.copy
    const branch = forkBranch(world.nextBranchId(), from, nextFreeTimeline(directory), postgres.name)
    directory.copy = append(branch, 'recovery-end')
    directory.historyFiles.add(branch.timeline)
    directory.standbySignal = false
    world.observe.promoted(postgres, from)
    serve(world, postgres, instance)
    pumpSenders(world, postgres)
  }
  instance.postmaster.later(world.random.between(0.4, 1.6) * postgres.pace.promotionMs, end)
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
