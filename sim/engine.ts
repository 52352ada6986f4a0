// The engine port over a simulated PostgreSQL: what SQL, pg_controldata and the files would say.
import type { InstanceStatus, ReplicationConnection, SlotStatus } from '../src/core/instance.ts'
import type { Engine } from '../src/ports/engine.ts'
import { controlOf, readDirectory, unusedReservations } from './data-directory.ts'
import type { Host } from './host.ts'
import { copyFrom, initialiseDirectory, rewindTo } from './long-work.ts'
import type { Instance, Postgres } from './postgres.ts'
import type { Process } from './process.ts'
import { terminateSenders } from './streaming.ts'
import { ancestorOf, endOf, historyLines, lsnOf, positionOf } from './wal.ts'
import type { World } from './world.ts'

export const MAJOR_VERSION = 15
const SERVER_VERSION = 150020

export function openEngine(world: World, host: Host, agent: Process): Engine {
  const { postgres } = host
  const { random } = world

  /** The answer of something that needs this long, unless the caller gives up before. */
  const answer = <T>(ms: number, work: () => T, signal?: AbortSignal): Promise<T> =>
    new Promise((resolve, reject) => {
      const gaveUp = () => reject(new Error('aborted'))
      if (signal?.aborted) return gaveUp()
      signal?.addEventListener('abort', gaveUp, { once: true })
      if (ms === Number.POSITIVE_INFINITY) return
      agent.later(ms, () => {
        signal?.removeEventListener('abort', gaveUp)
        try {
          resolve(work())
        } catch (error) {
          reject(error)
        }
      })
    })
  const quick = () => random.between(0.3, 2)
  const disk = () => quick() + host.diskDelayMs()
  /** Until a session answers: never, while the processes stand still. */
  const session = () => {
    const { instance } = postgres
    if (instance?.children.alive() && !instance.children.running()) return Number.POSITIVE_INFINITY
    return quick()
  }
  return {
    dataDirectory: signal => answer(disk(), () => readDirectory(postgres.directory), signal),
    status: signal => answer(session(), () => statusOf(postgres), signal),
    accepts: signal => {
      const { instance } = postgres
      const hangs = instance?.postmaster.alive() && !instance.postmaster.running()
      const ms = hangs ? Number.POSITIVE_INFINITY : quick()
      return answer(ms, () => postgres.instance?.postmaster.alive() === true, signal)
    },
    startCommand: () =>
      answer(disk(), () => {
        const { directory } = postgres
        if (directory)
          for (const timeline of unusedReservations(directory)) directory.reserved.delete(timeline)
        return { program: 'postgres', arguments: [], environment: {} }
      }),
    writeConfiguration: (settings, upstream, slot, role) =>
      answer(disk(), () => {
        const { directory } = postgres
        if (!directory) throw new Error('no data directory')
        const next = { upstream, slot, parameters: settings.parameters, role }
        const same = JSON.stringify(directory.configuration) === JSON.stringify(next)
        directory.configuration = next
        return !same
      }),
    reload: () => answer(quick(), () => postgres.reload()),
    initialise: signal => initialiseDirectory(world, host, agent, signal),
    prepareCluster: signal => answer(session() * 5, () => requirePrimary(postgres), signal),
    markServed: () =>
      answer(disk(), () => {
        if (postgres.directory) postgres.directory.marker = null
      }),
    removeUnfinished: () =>
      answer(disk(), () => {
        const { directory } = postgres
        if (directory?.marker !== 'bootstrap') throw new Error('not an unfinished bootstrap')
        postgres.directory = null
        world.observe.directoryRemoved(host, directory)
      }),
    clone: (source, expected, progress, signal) =>
      copyFrom(world, host, { agent, source, expected, progress, signal }),
    rewind: (source, expected, signal) => rewindTo(world, host, { agent, source, expected, signal }),
    discardReplaced: () =>
      answer(disk(), () => {
        for (const directory of postgres.replaced.splice(0)) world.observe.directoryRemoved(host, directory)
      }),
    history: timeline =>
      answer(disk(), () => {
        const branch = postgres.directory && ancestorOf(postgres.directory.copy, timeline)
        return branch ? historyLines(branch) : null
      }),
    historyOf: (source, timeline, signal) => {
      const other = world.postgresAt(source.host)
      const reachable =
        other?.instance?.postmaster.running() && world.network.connected(host.name, other.name)
      if (!reachable) return answer(Number.POSITIVE_INFINITY, () => null, signal)
      return answer(quick() * 3, () => historyOfOther(other, timeline), signal)
    },
    reserveTimelines: (from, timeline) =>
      answer(disk(), () => {
        for (let number = from + 1; number < timeline; number++) postgres.directory?.reserved.add(number)
      }),
    ensureStandbySignal: () =>
      answer(disk(), () => {
        if (postgres.directory) postgres.directory.standbySignal = true
      }),
    checkpoint: signal =>
      answer(
        session() === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : random.between(20, 400),
        () => {
          requirePrimary(postgres)
          postgres.write('checkpoint')
          postgres.directory!.checkpoint = positionOf(postgres.directory!.copy)
        },
        signal,
      ),
    ensureSlots: (_wanted, _drop, signal) => answer(session(), () => {}, signal),
    terminateWalSenders: (applications, signal) =>
      answer(
        session(),
        () => {
          const { instance } = postgres
          if (instance) terminateSenders(world, instance, name => applications.includes(name))
        },
        signal,
      ),
    controlData: signal =>
      answer(
        disk(),
        () => {
          if (!postgres.directory) throw new Error('no data directory')
          return controlOf(postgres.directory)
        },
        signal,
      ),
    endsWithShutdownCheckpoint: signal =>
      answer(
        disk(),
        () => {
          const copy = postgres.directory?.copy
          return copy !== undefined && copy.branch.records[copy.count - 1]?.kind === 'shutdown'
        },
        signal,
      ),
    seat: () => answer(disk(), () => postgres.directory?.seat ?? null),
    setSeat: seat =>
      answer(disk(), () => {
        if (postgres.directory) postgres.directory.seat = seat
      }),
    close: () => {},
  }
}

function requirePrimary(postgres: Postgres): void {
  const { instance } = postgres
  if (instance?.phase !== 'primary' || !instance.children.alive()) throw new Error('not a running primary')
}

function historyOfOther(other: Postgres | undefined, timeline: number) {
  const branch = other?.directory && ancestorOf(other.directory.copy, timeline)
  return branch ? historyLines(branch) : null
}

function statusOf(postgres: Postgres): InstanceStatus {
  const { instance, directory } = postgres
  if (!instance || !directory || !instance.children.alive()) throw new Error('connection refused')
  if (!instance.postmaster.alive())
    throw new Error('terminating connection due to unexpected postmaster exit')
  const common = {
    systemIdentifier: directory.systemIdentifier,
    serverVersion: SERVER_VERSION,
    postmasterStartedAt: instance.startedAt,
    pendingRestart: {},
  }
  if (instance.phase === 'starting') return { kind: 'starting', reason: 'the database system is starting up' }
  if (instance.phase === 'stopping')
    return { kind: 'starting', reason: 'the database system is shutting down' }
  if (instance.phase === 'primary') {
    const position = positionOf(directory.copy)
    return { ...common, kind: 'primary', position, replication: sendersOf(instance), slots: NO_SLOTS }
  }
  const flushed = directory.copy
  const replayed = instance.replayBehind ?? flushed
  const shown = instance.received ? flushed : replayed
  return {
    ...common,
    kind: 'standby',
    position: positionOf(shown),
    replayed: lsnOf(endOf(replayed)),
    received: instance.received ? lsnOf(endOf(flushed)) : null,
    localWalReplayed: instance.replayBehind === null,
    replicationState: instance.receiver ? 'streaming' : null,
    upstream: upstreamOf(instance),
    replayPaused: false,
    replayedAt: null,
    slots: NO_SLOTS,
  }
}

const NO_SLOTS: readonly SlotStatus[] = []

function upstreamOf(instance: Instance): { host: string; port: number } | null {
  const { upstream } = instance.configuration
  return upstream && { host: upstream.host, port: upstream.port }
}

function sendersOf(instance: Instance): readonly ReplicationConnection[] {
  return [...instance.senders].map(({ postgres }) => ({
    user: 'replicator',
    applicationName: postgres.name,
    clientAddress: postgres.name,
    state: 'streaming',
    syncState: 'async',
    syncPriority: 0,
    flushed: postgres.directory ? lsnOf(endOf(postgres.directory.copy)) : null,
  }))
}
