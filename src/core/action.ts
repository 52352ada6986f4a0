// What the shell is told to do. Performed in order; the first that is refused, lost or unknown ends the tick.
import type { Lsn, Timeline } from '../kernel/lsn.ts'
import type { Ms } from '../kernel/time.ts'
import type { FailoverRequest, HistoryRow, MemberRecord } from './cluster.ts'
import type { FailsafeQuestion } from './failsafe.ts'
import type { Upstream } from './instance.ts'
import type { JobOrder } from './job.ts'
import type { Attempt } from './memory.ts'
import type { RequestOutcome } from './request.ts'
import type { NamesInFile } from './synchronous/names.ts'
import type { SealPromise, SealRequest } from './synchronous/seal.ts'
import type { TermRecord } from './term.ts'

/** A transaction of protocol A6. It always compares the exact revision of the term record. */
export interface TermChange {
  readonly kind: 'change-term'
  readonly id: 'T1' | 'T1b' | 'T2' | 'T3' | 'T4' | 'T5' | 'T6' | 'T8'
  /** Revision of the record it replaces; null: the record must be absent. */
  readonly expected: bigint | null
  readonly record: TermRecord
  /** What the leader key must be. */
  readonly leaderIs:
    | { readonly absent: true }
    | { readonly value: string; readonly modRevision: bigint | null }
  readonly leaderKey: 'keep' | 'put' | 'delete'
  readonly writes: SideWrites
  /** Done at the guard before the request leaves; if it is not done, nothing is sent. */
  readonly before: 'nothing' | 'lower' | 'arm' | 'drop'
  /** How long it lets this member serve, counted from before it is sent; the record's ttl at most. */
  readonly grants: Ms
  /** Done at the guard when the attempt has succeeded, also if that is learned later. */
  readonly after: 'arm' | 'unarm' | 'nothing'
}

/** Keys written in the same transaction. */
export interface SideWrites {
  /** `initialize`; `ifAbsent`: only when it is absent, compared in the same transaction. */
  readonly initialize?: { readonly value: string; readonly ifAbsent: boolean }
  readonly status?: string
  /** `/sync`, Patroni's form; compared with the revision it was read at, null: it was absent. */
  readonly sync?: { readonly value: string; readonly modRevision: bigint | null }
  /** Addresses of the members, for a leader without a store (Patroni's key). */
  readonly failsafe?: string
  readonly history?: readonly HistoryRow[]
  readonly config?: Readonly<Record<string, unknown>>
  /** Replaces the operators' request that had this revision. */
  readonly failover?: { readonly value: FailoverRequest | null; readonly modRevision: bigint }
}

export type Action =
  | TermChange
  /** An attempt whose answer was lost turns out to be the record: what it entitles to, counted from its own start. */
  | { readonly kind: 'credit'; readonly attempt: Attempt; readonly revision: bigint }
  /** Kills every process of the instance, by the guard or, if that is gone, by the agent itself. */
  | { readonly kind: 'kill'; readonly reason: string }
  | { readonly kind: 'stop'; readonly mode: 'fast' | 'immediate' }
  /** Configures as a standby and starts. */
  | { readonly kind: 'start'; readonly upstream: Upstream | null; readonly slot: string | null }
  /** Journal, history files for the numbers between, configuration of a primary, then the guard promotes. */
  | {
      readonly kind: 'promote'
      readonly term: number
      readonly from: Timeline
      readonly timeline: Timeline
      readonly lsn: Lsn
      readonly names: NamesInFile
      readonly closed: boolean
    }
  /** `standby.signal` back on disk beside the running primary. */
  | { readonly kind: 'ensure-standby-signal' }
  /** The bootstrap's marker goes: from now on the directory holds somebody's data. */
  | { readonly kind: 'mark-served' }
  /** Writes the configuration for this role and upstream, and reloads if it changed. */
  | {
      readonly kind: 'configure'
      readonly role: 'primary' | 'standby'
      readonly upstream: Upstream | null
      readonly slot: string | null
      readonly names: NamesInFile
      /** Nobody but the agent and standbys is let in. */
      readonly closed: boolean
      readonly signature: string
    }
  /** Shows what every process of the primary has been told, and writes WAL after it (protocol A8, step 3). */
  | { readonly kind: 'prove-names'; readonly text: string }
  /** Walsenders that must not count, or that do not adopt. */
  | { readonly kind: 'terminate-backends'; readonly pids: readonly number[] }
  | {
      readonly kind: 'ensure-slots'
      readonly wanted: readonly string[]
      readonly drop: readonly string[]
      readonly signature: string
    }
  | { readonly kind: 'terminate-walsenders'; readonly except: readonly string[] }
  /** Ends a term at the guard while nothing is alive. */
  | { readonly kind: 'drop'; readonly term: number }
  | { readonly kind: 'ensure-guard' }
  | { readonly kind: 'run-job'; readonly order: JobOrder }
  | { readonly kind: 'clear-job' }
  | { readonly kind: 'remove-unfinished' }
  /** The seat's state, in the journal. */
  | { readonly kind: 'mark-seat'; readonly state: 'ready' | 'incomplete' | 'diverged' }
  /** Promises on disk, then stops receiving; the instance may be down. */
  | { readonly kind: 'seal'; readonly promise: SealPromise }
  /** The promise is fulfilled; nothing below `floor` is streamed from any more. */
  | { readonly kind: 'unseal'; readonly floor: number }
  /** Asks every other member to seal itself; the answers come into the view when they come. */
  | { readonly kind: 'ask-seals'; readonly request: SealRequest }
  /** Asks these installations for their promise; with all of them the deadline moves. */
  | {
      readonly kind: 'ask-failsafe'
      readonly question: FailsafeQuestion
      readonly installs: readonly string[]
    }
  /** The member key, with the agent's lease. */
  | { readonly kind: 'publish'; readonly member: MemberRecord }
  /** Replaces the operators' request of this revision. */
  | { readonly kind: 'put-failover'; readonly value: FailoverRequest | null; readonly modRevision: bigint }
  | { readonly kind: 'answer'; readonly requestId: string; readonly outcome: RequestOutcome }
  | { readonly kind: 'reload-files' }
  /** Ends the agent. */
  | { readonly kind: 'exit'; readonly status: number; readonly reason: string }

export interface Decision {
  /** Identifier of the rule that matched. */
  readonly rule: string
  /** Why, as data for `explain`: short facts by name. */
  readonly because: Readonly<Record<string, string | number | boolean | null>>
  readonly actions: readonly Action[]
  /** When to decide again if nothing happens before. */
  readonly wakeInMs: Ms
}
