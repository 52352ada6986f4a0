// The shape of the read model, ClusterStatus.
import type { Position, Timeline } from '../kernel/lsn.ts'
import type { Ms } from '../kernel/time.ts'
import type { FailoverRequest, HistoryRow, Keyed } from './cluster.ts'
import type { LocalStatus } from './status-local.ts'
import type { MemberStatus } from './status-members.ts'
import type { SynchronousStatus } from './status-synchronous.ts'
import type { TermState } from './term.ts'

export interface ClusterStatus {
  readonly scope: string
  /** ISO text of the look that this is made from. */
  readonly wallTime: string
  /** Age of that look. */
  readonly ageMs: Ms
  readonly store:
    | { readonly kind: 'known'; readonly revision: bigint; readonly clusterId: string }
    | { readonly kind: 'lost'; readonly forMs: Ms; readonly reason: string }
  readonly systemIdentifier: string | null
  readonly leadership: Leadership | null
  /** Name of the leader, as far as this member can tell; null: nobody leads, or the store is lost and it is not us. */
  readonly leader: string | null
  readonly paused: boolean
  /** An operator's request that has not been carried out yet. */
  readonly request: FailoverRequest | null
  /** By name. Without the store: this member only. */
  readonly members: readonly MemberStatus[]
  readonly history: readonly HistoryRow[]
  readonly config: Keyed<Readonly<Record<string, unknown>>> | null
  /** Addresses by member, as the leader last published them for a loss of the store; null: none. */
  readonly failsafe: Readonly<Record<string, unknown>> | null
  readonly failsafeMode: boolean
  readonly local: LocalStatus
  readonly synchronous: SynchronousStatus
  readonly warnings: readonly Warning[]
  readonly maximumLagOnFailover: number
  readonly loopWaitMs: Ms
  readonly ttlMs: Ms
}

/** The term record, as far as people care. */
export interface Leadership {
  readonly term: number
  readonly state: TermState
  readonly holder: string
  readonly install: string
  readonly ttlMs: Ms
  /** Since the newest revision of the record was received here. */
  readonly silenceMs: Ms | null
  /** The leader's deadline has certainly passed. */
  readonly expired: boolean
  readonly at: Position | null
  readonly successor: string | null
  readonly timelineMax: Timeline
  readonly mixed: boolean
}

export interface Warning {
  /** Stable; alerts may name it. */
  readonly code: string
  readonly text: string
  /** `alarm`: the cluster cannot protect itself now, or waits for somebody. */
  readonly severity: 'alarm' | 'notice'
}
