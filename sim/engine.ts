// The engine port over a simulated PostgreSQL: what SQL, pg_controldata and the files would say.
import type { InstanceStatus, ReplicationConnection, SlotStatus } from '../src/core/instance.ts'
import type { Engine } from '../src/ports/engine.ts'
import { type Answers, createAnswers, NEVER } from './engine-answers.ts'
import { engineFiles, engineLongWork } from './engine-files.ts'
import type { Process } from './process.ts'
import { closeReceiver, terminateSenders } from './streaming.ts'
import { ancestorOf, endOf, historyLines, lsnOf, positionOf } from './wal.ts'
import type { Host, Instance, Postgres, World } from './world.ts'

const SERVER_VERSION = 150020

export function openEngine(world: World, host: Host, agent: Process): Engine {
  const answers = createAnswers(world, host, agent)
  return {
    ...engineFiles(host, answers),
    ...engineLongWork(world, host, agent, answers),
    ...engineSessions(world, host.postgres, answers),
    historyOf: (source, timeline, signal) => {
      const other = world.postgresAt(source.host)
      const up = other?.instance?.postmaster.running() && world.network.connected(host.name, other.name)
      return answers.answer(up ? answers.quick() * 3 : NEVER, () => historyOfOther(other, timeline), signal)
    },
    close: () => {},
  }
}

type Sessions = Omit<
  Engine,
  keyof ReturnType<typeof engineFiles> | keyof ReturnType<typeof engineLongWork> | 'historyOf' | 'close'
>

/** What a running instance is asked. */
function engineSessions(world: World, postgres: Postgres, { answer, quick, session }: Answers): Sessions {
  return {
    status: signal => answer(session(), () => statusOf(postgres), signal),
    accepts: signal => {
      const { instance } = postgres
      const hangs = instance?.postmaster.alive() && !instance.postmaster.running()
      return answer(hangs ? NEVER : quick(), () => postgres.instance?.postmaster.alive() === true, signal)
    },
    reload: () => answer(quick(), () => postgres.reload()),
    stopReceiving: signal => answer(session() * 3, () => stopReceiving(postgres), signal),
    prepareCluster: signal => answer(session() * 5, () => requirePrimary(postgres), signal),
    checkpoint: signal =>
      answer(
        session() === NEVER ? NEVER : world.random.between(20, 400),
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
    endsWithShutdownCheckpoint: signal =>
      answer(
        session(),
        () => {
          const copy = postgres.directory?.copy
          return copy !== undefined && copy.branch.records[copy.count - 1]?.kind === 'shutdown'
        },
        signal,
      ),
  }
}

/** The files name no upstream any more, and the receiver is gone. */
function stopReceiving({ instance, directory }: Postgres): void {
  if (!instance?.postmaster.running() || !directory) throw new Error('no instance runs')
  directory.configuration = { ...directory.configuration, upstream: null }
  instance.configuration = directory.configuration
  closeReceiver(instance)
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
    receiving: instance.receiver !== null,
    heardMs: null,
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
