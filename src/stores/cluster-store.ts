// One cluster's records on the key-value verbs: reading them together, and building transactions on the term
// record. It decides nothing: what to write, and when, is the agent's (protocol A6).
import type { ClusterState, FailoverRequest, HistoryRow, Keyed, MemberRecord } from '../core/cluster.ts'
import type { TermRecord } from '../core/term.ts'
import { assert } from '../kernel/assert.ts'
import type { Compare, KeyValue, KeyValueEntry, Snapshot, Transaction, Write } from '../ports/store.ts'
import * as codec from './codec.ts'
import type { Parsed } from './json.ts'
import { type ClusterKeys, memberOf } from './keys.ts'

export { type ClusterKeys, clusterKeys } from './keys.ts'

/** What the last look understood, by key: a text that has not changed means what it meant. */
export type Understood = Map<string, { readonly text: string; readonly parsed: Parsed<unknown> }>

/** @throws VigilError STORE_UNREACHABLE or STORE_REFUSED, never for what the keys hold. */
export async function readCluster(
  kv: KeyValue,
  keys: ClusterKeys,
  signal: AbortSignal,
  understood: Understood = new Map(),
): Promise<ClusterState> {
  const snapshot = await kv.list(keys.prefix, signal)
  const present = new Set(snapshot.entries.map(({ key }) => key))
  for (const key of understood.keys()) if (!present.has(key)) understood.delete(key)
  return decodeCluster(keys, snapshot, understood)
}

/** Never throws: what cannot be understood is absent from its field and listed in `damaged`. */
export function decodeCluster(
  keys: ClusterKeys,
  snapshot: Snapshot,
  understood: Understood = new Map(),
): ClusterState {
  const damaged: { key: string; reason: string }[] = []
  const entries = new Map(snapshot.entries.map(entry => [entry.key, entry]))

  const keyed = <T>(entry: KeyValueEntry, decode: (text: string) => Parsed<T>): Keyed<T> | null => {
    const before = understood.get(entry.key)
    // Every key has one decoder, so what is kept for it has its type.
    const parsed = before?.text === entry.value ? (before.parsed as Parsed<T>) : decode(entry.value)
    understood.set(entry.key, { text: entry.value, parsed })
    if (parsed.ok) return { value: parsed.value, modRevision: entry.modRevision }
    damaged.push({ key: entry.key, reason: parsed.reason })
    return null
  }
  const record = <T>(key: string, decode: (text: string) => Parsed<T>): Keyed<T> | null => {
    const entry = entries.get(key)
    return entry ? keyed(entry, decode) : null
  }
  const member = (entry: KeyValueEntry): readonly Keyed<MemberRecord>[] => {
    const name = memberOf(keys, entry.key)
    const found = name === null ? null : keyed(entry, text => codec.decodeMember(name, text))
    return found ? [found] : []
  }

  const failover = record(keys.failover, codec.decodeFailover)
  return {
    revision: snapshot.revision,
    clusterId: snapshot.clusterId,
    term: record(keys.term, codec.decodeTerm),
    leader: record(keys.leader, codec.decodeName),
    initialize: record(keys.initialize, codec.decodeInitialize),
    config: record(keys.config, codec.decodeConfig),
    members: snapshot.entries.flatMap(member),
    failover: failover?.value ? { value: failover.value, modRevision: failover.modRevision } : null,
    sync: record(keys.sync, codec.decodeText),
    status: record(keys.status, codec.decodeText),
    history: record(keys.history, codec.decodeHistory),
    failsafe: record(keys.failsafe, codec.decodeText),
    damaged,
  }
}

/** What a lost comparison shows: the three keys that every term transaction reads back. */
export type TermConflict = Pick<
  ClusterState,
  'revision' | 'clusterId' | 'term' | 'leader' | 'sync' | 'damaged'
>

/** Decodes the entries of a `conflict`. */
export function decodeConflict(keys: ClusterKeys, conflict: Snapshot): TermConflict {
  const { revision, clusterId, term, leader, sync, damaged } = decodeCluster(keys, conflict)
  return { revision, clusterId, term, leader, sync, damaged }
}

/** What must be true of the leader key for a term transaction to apply. */
export type LeaderCondition =
  | { readonly is: 'absent' }
  /** It holds this name (T1, T2, T4-T7). */
  | { readonly is: 'named'; readonly name: string }
  /** Nobody has touched it since it was seen at this revision (T3 over an old holder's key). */
  | { readonly is: 'unchanged'; readonly modRevision: bigint }

/** What a term transaction does to the leader key. */
export type LeaderWrite =
  | { readonly kind: 'keep' }
  | { readonly kind: 'put'; readonly name: string; readonly lease: string }
  | { readonly kind: 'delete' }

export interface TermChange {
  /** Revision of the term record that this change was decided on; null: there must be none (T8). */
  readonly expectedRevision: bigint | null
  readonly record: TermRecord
  readonly leader: LeaderCondition
  /** Default: keep. */
  readonly leaderWrite?: LeaderWrite
  /** Further conditions, for example `initialize` absent (T8) or `/sync` unchanged (T2). */
  readonly compare?: readonly Compare[]
  /** Further keys that change with it, for example `initialize`, `status`, `history`. */
  readonly writes?: readonly Write[]
}

/** The only way to write the term record: always bound to the exact revision it was decided on. */
export function termTransaction(keys: ClusterKeys, change: TermChange): Transaction {
  const { expectedRevision } = change
  // No key has revision 0, and stores take a comparison with it for "absent".
  assert(
    expectedRevision === null || expectedRevision > 0n,
    'a term change names the revision it was decided on',
  )
  const extra = change.writes ?? []
  const ours = extra.some(write => keyOf(write) === keys.term || keyOf(write) === keys.leader)
  assert(!ours, 'the term record and the leader key are written by their own fields')
  return {
    compare: [
      expectedRevision === null
        ? { key: keys.term, absent: true }
        : { key: keys.term, modRevision: expectedRevision },
      leaderCompare(keys, change.leader),
      ...(change.compare ?? []),
    ],
    writes: [
      { put: keys.term, value: codec.encodeTerm(change.record) },
      ...leaderWrites(keys, change.leaderWrite ?? { kind: 'keep' }),
      ...extra,
    ],
    readOnFailure: [keys.term, keys.leader, keys.sync],
  }
}

/**
 * A key that must still be as it was read; `null` for absent. Not for creating a failover request: an empty one
 * reads as null although its key is there, so requests are put without a condition, as Patroni does.
 */
export function unchanged(key: string, seen: Keyed<unknown> | null): Compare {
  return seen === null ? { key, absent: true } : { key, modRevision: seen.modRevision }
}

/** A transaction without the term record: presence, operators' requests, configuration. */
export function plainTransaction(writes: readonly Write[], compare: readonly Compare[] = []): Transaction {
  return { compare, writes, readOnFailure: compare.map(condition => condition.key) }
}

export function memberWrite(keys: ClusterKeys, member: MemberRecord, lease: string): Write {
  return { put: keys.member(member.name), value: codec.encodeMember(member), lease }
}

/** null takes the request back: the key stays, with nothing in it. */
export function failoverWrite(keys: ClusterKeys, request: FailoverRequest | null): Write {
  return { put: keys.failover, value: codec.encodeFailover(request) }
}

export function statusWrite(keys: ClusterKeys, status: codec.StatusRecord): Write {
  return { put: keys.status, value: codec.encodeStatus(status) }
}

export function historyWrite(keys: ClusterKeys, rows: readonly HistoryRow[]): Write {
  return { put: keys.history, value: codec.encodeHistory(rows) }
}

export function configWrite(keys: ClusterKeys, config: Readonly<Record<string, unknown>>): Write {
  return { put: keys.config, value: codec.encodeConfig(config) }
}

function leaderCompare(keys: ClusterKeys, condition: LeaderCondition): Compare {
  switch (condition.is) {
    case 'absent':
      return { key: keys.leader, absent: true }
    case 'named':
      return { key: keys.leader, value: condition.name }
    case 'unchanged':
      return { key: keys.leader, modRevision: condition.modRevision }
  }
}

function leaderWrites(keys: ClusterKeys, write: LeaderWrite): readonly Write[] {
  switch (write.kind) {
    case 'keep':
      return []
    case 'put':
      return [{ put: keys.leader, value: write.name, lease: write.lease }]
    case 'delete':
      return [{ delete: keys.leader }]
  }
}

function keyOf(write: Write): string {
  return 'put' in write ? write.put : write.delete
}
