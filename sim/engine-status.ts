// What one query over SQL says of a running instance.
import type { InstanceStatus, ReplicationConnection, SlotStatus } from '../src/core/instance.ts'
import { lsn } from '../src/kernel/lsn.ts'
import { endOf, lsnOf, positionOf } from './wal.ts'
import type { Instance, Postgres } from './world.ts'

const SERVER_VERSION = 150020

/** @throws while it lets nobody in. */
export function statusOf(postgres: Postgres, now: number): InstanceStatus {
  const { instance, directory } = postgres
  if (!instance || !directory || !instance.children.alive()) throw new Error('connection refused')
  if (!instance.postmaster.alive())
    throw new Error('terminating connection due to unexpected postmaster exit')
  if (instance.phase === 'starting') return { kind: 'starting', reason: 'the database system is starting up' }
  if (instance.phase === 'stopping')
    return { kind: 'starting', reason: 'the database system is shutting down' }
  const common = {
    systemIdentifier: directory.systemIdentifier,
    serverVersion: SERVER_VERSION,
    postmasterStartedAt: instance.startedAt,
    checksumFailures: 0,
    pendingRestart: {},
    synchronousNames: instance.configuration.names,
    slots: NO_SLOTS,
  }
  if (instance.phase === 'primary') {
    const position = positionOf(directory.copy)
    return {
      ...common,
      kind: 'primary',
      position,
      inserted: instance.unflushed ? lsn(position.lsn + 100n) : position.lsn,
      replication: sendersOf(instance),
      weakCommits: [],
    }
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
    heardMs: instance.receiver ? now - instance.receiver.heardAt : null,
    replicationState: instance.receiver ? 'streaming' : null,
    upstream: upstreamOf(instance),
    replayPaused: false,
    applyDelayed: false,
    replayedAt: null,
  }
}

const NO_SLOTS: readonly SlotStatus[] = []

function upstreamOf(instance: Instance): { host: string; port: number } | null {
  const { upstream } = instance.configuration
  return upstream && { host: upstream.host, port: upstream.port }
}

function sendersOf(instance: Instance): readonly ReplicationConnection[] {
  return [...instance.senders].map(({ pid, name, slot, priority, flushed, names }) => ({
    pid,
    slot,
    user: 'replicator',
    applicationName: name,
    clientAddress: name,
    state: 'streaming',
    syncState: priority === 0 ? 'async' : names?.method === 'any' ? 'quorum' : 'sync',
    syncPriority: priority,
    flushed: flushed === 0 ? null : lsnOf(flushed),
  }))
}
