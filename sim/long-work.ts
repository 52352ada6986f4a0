// Work on a data directory that takes seconds and can end in the middle: initdb, base backup, rewind.
import type { CloneProgress, Upstream } from '../src/core/instance.ts'
import { VigilError } from '../src/kernel/errors.ts'
import { adopt, NOTHING_CONFIGURED, newDirectory } from './data-directory.ts'
import type { Process } from './process.ts'
import { ancestorOf, append, type Copy, contains, firstBranch, positionOf } from './wal.ts'
import type { Host, Postgres, World } from './world.ts'

interface FromElsewhere {
  readonly agent: Process
  readonly source: Upstream
  readonly expected: string
  readonly signal: AbortSignal
}

const INITDB_MS = 400
const COPY_MS = 900
const REWIND_MS = 500
const LOOKS = 4

export async function initialiseDirectory(
  world: World,
  host: Host,
  agent: Process,
  signal: AbortSignal,
): Promise<void> {
  if (host.postgres.directory)
    throw new VigilError('DATA_DIRECTORY', { directory: 'data', reason: 'not empty' })
  const identifier = `7${world.random.integer(100_000_000, 999_999_999)}${world.random.integer(100_000_000, 999_999_999)}`
  const directory = newDirectory(
    append(firstBranch(world.nextBranchId(), identifier, host.name), 'shutdown'),
    'bootstrap',
  )
  directory.torn = true
  host.postgres.directory = directory
  await pause(agent, signal, world.random.between(0.5, 1.5) * INITDB_MS)
  directory.torn = false
}

/** Into a new directory, which replaces the old one when it is complete. */
export async function copyFrom(
  world: World,
  host: Host,
  order: FromElsewhere & { readonly progress: (progress: CloneProgress) => void },
): Promise<void> {
  const { postgres } = host
  const failed = (reason: string) => new VigilError('CLONE_FAILED', { source: order.source.name, reason })
  const total = 1000
  for (let look = 0; look < LOOKS; look++) {
    await pause(order.agent, order.signal, (world.random.between(0.5, 1.5) * COPY_MS) / LOOKS)
    sourceOf(world, host, order, failed)
    order.progress({ bytesDone: (total * (look + 1)) / LOOKS, bytesTotal: total })
  }
  if (postgres.alive()) throw failed('the instance runs')
  const source = sourceOf(world, host, order, failed)
  const copy = source.directory!.copy
  const before = postgres.directory
  postgres.directory = {
    ...newDirectory(copy, null),
    controlState: 'in production',
    cleanEnd: false,
    checkpoint: source.directory!.checkpoint,
    // A base backup has what lay beside the primary's data.
    standbySignal: source.directory!.standbySignal,
    configuration: before?.configuration ?? NOTHING_CONFIGURED,
  }
  if (before) postgres.replaced.push(before)
  world.observe.copyReplaced(host)
}

/** Until it ends, the files are neither one history nor the other. */
export async function rewindTo(world: World, host: Host, order: FromElsewhere): Promise<void> {
  const { postgres } = host
  const failed = (reason: string) => new VigilError('REWIND_FAILED', { source: order.source.name, reason })
  const directory = postgres.directory
  if (!directory || postgres.alive()) throw failed('no stopped instance')
  const before = sourceOf(world, host, order, failed)
  // It believes the source's control file: the same timeline there means that nothing is to do.
  const sameTimeline = before.directory!.checkpoint.timeline === positionOf(directory.copy).timeline
  if (sameTimeline || contains(before.directory!.copy, directory.copy)) return
  // Two promotions from one point have one history file: it compares those, and takes the other's WAL for its own.
  if (mistaken(before.directory!.copy, directory.copy))
    world.observe.report(
      'I7',
      `${host.name} is rewound although its timeline has a namesake in the source's history`,
    )
  directory.marker = 'rewind'
  directory.torn = true
  world.observe.rewound(host, directory)
  for (let look = 0; look < LOOKS; look++) {
    await pause(order.agent, order.signal, (world.random.between(0.5, 1.5) * REWIND_MS) / LOOKS)
    sourceOf(world, host, order, failed)
    if (world.random.chance(host.rewindFailure / LOOKS)) {
      // By its control file it may look like the source already, or still like itself.
      if (world.random.chance(0.5)) adopt(directory, before.directory!.copy)
      throw failed('a file vanished')
    }
  }
  const source = sourceOf(world, host, order, failed).directory!
  adopt(directory, source.copy)
  directory.controlState = 'in archive recovery'
  directory.cleanEnd = false
  directory.checkpoint = source.checkpoint
  directory.marker = null
  directory.torn = false
  world.observe.copyReplaced(host)
}

function mistaken(source: Copy, target: Copy): boolean {
  for (let at: Copy | null = target; at !== null; at = at.branch.fork) {
    const { timeline, start } = at.branch
    const namesake = ancestorOf(source, timeline)
    if (namesake && namesake !== at.branch && namesake.start === start) return true
  }
  return false
}

function sourceOf(
  world: World,
  host: Host,
  order: FromElsewhere,
  failed: (reason: string) => Error,
): Postgres {
  const source = world.postgresAt(order.source.host)
  const { instance, directory } = source ?? {}
  if (!source || !instance?.children.running() || !instance.postmaster.running() || !directory)
    throw failed('no connection')
  if (!world.network.connected(host.name, source.name)) throw failed('no route')
  if (instance.phase !== 'primary' && instance.phase !== 'standby') throw failed('not ready')
  if (directory.systemIdentifier !== order.expected) throw failed('another cluster')
  return source
}

/** While the agent lives: a child dies with it. */
function pause(agent: Process, signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('aborted'))
    const gaveUp = () => reject(new Error('aborted'))
    signal.addEventListener('abort', gaveUp, { once: true })
    agent.later(ms, () => {
      signal.removeEventListener('abort', gaveUp)
      resolve()
    })
  })
}
