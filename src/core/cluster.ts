// What the consensus store holds for one cluster: Patroni's keys and the term record, decoded.
import type { Lsn, Timeline } from '../kernel/lsn.ts'
import type { TermRecord } from './term.ts'

/** A decoded key and the revision of its last change. */
export interface Keyed<T> {
  readonly value: T
  readonly modRevision: bigint
}

/** Roles as Patroni's member keys spell them. */
export type PublishedRole =
  | 'primary'
  | 'replica'
  | 'standby_leader'
  | 'demoted'
  | 'uninitialized'
  | 'promoted'

/** `members/<name>`: Patroni's fields, plus ours under `vigil`. Unknown fields are kept out. */
export interface MemberRecord {
  readonly name: string
  readonly connUrl: string | null
  readonly apiUrl: string | null
  readonly state: string
  readonly role: PublishedRole
  readonly version: string | null
  readonly xlogLocation: Lsn | null
  readonly receiveLsn: Lsn | null
  readonly replayLsn: Lsn | null
  readonly replicationState: string | null
  readonly timeline: Timeline | null
  readonly tags: Readonly<Record<string, unknown>>
  readonly checkpointAfterPromote: boolean
  readonly pendingRestart: boolean
  readonly pendingRestartReason: Readonly<Record<string, unknown>> | null
  readonly scheduledRestart: Readonly<Record<string, unknown>> | null
  readonly pause: boolean
  /** null: a real Patroni agent. */
  readonly vigil: MemberIdentity | null
}

/** `install` and `machine` as in the term record. */
export interface MemberIdentity {
  readonly version: string
  readonly install: string
  readonly seat: string | null
  readonly machine: string
  /** The copy is to be replaced, or is gone: nobody may count on it. Absent: it stays. */
  readonly leaving?: boolean | undefined
}

/** `failover`: what an operator asked for, Patroni's form. */
export interface FailoverRequest {
  readonly leader: string | null
  readonly member: string | null
  /** ISO time; null: now. */
  readonly scheduledAt: string | null
  /** Also without proof that nothing acknowledged is missing there (protocol A12-7). */
  readonly acceptLoss?: boolean
}

/** One row of `history`: timeline that ended, where, why, when (ISO), who leads since. */
export type HistoryRow = readonly [
  timeline: number,
  lsn: number,
  reason: string,
  at?: string,
  leader?: string,
]

/** One consistent view of the cluster's keys. */
export interface ClusterState {
  /** Revision of the store at which everything below was read together. */
  readonly revision: bigint
  readonly clusterId: string
  readonly term: Keyed<TermRecord> | null
  /** The leader key: a name, for Patroni's eyes. */
  readonly leader: Keyed<string> | null
  /** System identifier; the empty string while a bootstrap runs. */
  readonly initialize: Keyed<string> | null
  /** Dynamic configuration, verbatim. */
  readonly config: Keyed<Readonly<Record<string, unknown>>> | null
  readonly members: readonly Keyed<MemberRecord>[]
  readonly failover: Keyed<FailoverRequest> | null
  readonly sync: Keyed<string> | null
  readonly status: Keyed<string> | null
  readonly history: Keyed<readonly HistoryRow[]> | null
  readonly failsafe: Keyed<string> | null
  /** Keys whose value could not be understood, with the reason: shown, and never acted on. */
  readonly damaged: readonly { readonly key: string; readonly reason: string }[]
}
