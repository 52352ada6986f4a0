// How an instance of PostgreSQL comes up: recovery of its own WAL, standby, and promotion.

import { newCommitQueue } from './commits.ts'
import { type Directory, nextFreeTimeline, unusedReservations } from './data-directory.ts'
import { createProcess } from './process.ts'
import { closeReceiver, follow } from './streaming.ts'
import { append, forkBranch, tipOf } from './wal.ts'
import { pumpSenders } from './walsenders.ts'
import type { Instance, Postgres, World } from './world.ts'

interface Birth {
  readonly name: string
  readonly pid: number
  readonly frozen: () => boolean
  readonly directory: Directory
}

export function newInstance(world: World, { name, pid, frozen, directory }: Birth): Instance {
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
export function recover(world: World, postgres: Postgres, instance: Instance): void {
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
    // A query on it may have kept replay far behind what had come.
    const far = random.chance(0.15)
    const behind = Math.min(count, random.integer(0, far ? 40 : 3))
    if (behind > 0 && random.chance(0.5)) instance.replayBehind = { branch, count: count - behind }
    instance.children.later(random.between(5, far ? 4000 : 400), () => {
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

export function promote(world: World, postgres: Postgres, instance: Instance): void {
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
