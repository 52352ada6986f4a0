// The agent's verbs on the key-value verbs: what a change of the term record compares and writes.
import type { TermChange } from '../core/action.ts'
import type { LeaderStore, TermResult } from '../ports/leader-store.ts'
import type { Compare, KeyValue, TransactionResult, Write } from '../ports/store.ts'
import {
  type ClusterKeys,
  configWrite,
  decodeConflict,
  failoverWrite,
  historyWrite,
  type LeaderCondition,
  type LeaderWrite,
  memberWrite,
  plainTransaction,
  readCluster,
  termTransaction,
  type Understood,
} from './cluster-store.ts'

export function createLeaderStore(kv: KeyValue, keys: ClusterKeys): LeaderStore {
  const understood: Understood = new Map()
  return {
    read: signal => readCluster(kv, keys, signal, understood),
    async change(change, owner, signal) {
      const leaderWrite = leaderWriteOf(change, owner)
      if (!leaderWrite) return { kind: 'failed', reason: 'no lease for the leader key yet' }
      const transaction = termTransaction(keys, {
        expectedRevision: change.expected,
        record: change.record,
        leader: leaderCondition(change),
        leaderWrite,
        compare: sideCompares(keys, change),
        writes: sideWrites(keys, change),
      })
      return termResult(keys, await kv.transact(transaction, signal))
    },
    publish: (member, lease, signal) =>
      kv.transact(plainTransaction([memberWrite(keys, member, lease)]), signal),
    replaceFailover: (value, seen, signal) =>
      kv.transact(
        plainTransaction([failoverWrite(keys, value)], [{ key: keys.failover, modRevision: seen }]),
        signal,
      ),
    grantLease: (ttlMs, signal) => kv.grantLease(ttlMs, signal),
    keepAlive: (lease, signal) => kv.keepAlive(lease, signal),
    watch: changed => kv.watch(keys.prefix, changed),
    close: () => kv.close(),
  }
}

function leaderCondition(change: TermChange): LeaderCondition {
  const { leaderIs } = change
  if ('absent' in leaderIs) return { is: 'absent' }
  if (leaderIs.modRevision !== null) return { is: 'unchanged', modRevision: leaderIs.modRevision }
  return { is: 'named', name: leaderIs.value }
}

function leaderWriteOf(
  change: TermChange,
  owner: { readonly name: string; readonly lease: string | null },
): LeaderWrite | null {
  if (change.leaderKey !== 'put') return { kind: change.leaderKey }
  return owner.lease === null ? null : { kind: 'put', name: owner.name, lease: owner.lease }
}

function sideCompares(keys: ClusterKeys, { writes }: TermChange): readonly Compare[] {
  return [
    ...(writes.initialize?.ifAbsent ? [{ key: keys.initialize, absent: true } as const] : []),
    ...(writes.failover ? [{ key: keys.failover, modRevision: writes.failover.modRevision }] : []),
    ...(writes.sync ? [asSeen(keys.sync, writes.sync.modRevision)] : []),
  ]
}

function asSeen(key: string, modRevision: bigint | null): Compare {
  return modRevision === null ? { key, absent: true } : { key, modRevision }
}

function sideWrites(keys: ClusterKeys, { writes }: TermChange): readonly Write[] {
  return [
    ...(writes.initialize ? [{ put: keys.initialize, value: writes.initialize.value }] : []),
    ...(writes.status !== undefined ? [{ put: keys.status, value: writes.status }] : []),
    ...(writes.failsafe !== undefined ? [{ put: keys.failsafe, value: writes.failsafe }] : []),
    ...(writes.sync ? [{ put: keys.sync, value: writes.sync.value }] : []),
    ...(writes.history ? [historyWrite(keys, writes.history)] : []),
    ...(writes.config ? [configWrite(keys, writes.config)] : []),
    ...(writes.failover ? [failoverWrite(keys, writes.failover.value)] : []),
  ]
}

function termResult(keys: ClusterKeys, result: TransactionResult): TermResult {
  if (result.kind === 'applied') return { kind: 'applied', revision: result.revision }
  if (result.kind !== 'conflict') return result
  const { term } = decodeConflict(keys, result)
  return { kind: 'conflict', record: term?.value ?? null, revision: term?.modRevision ?? null }
}
