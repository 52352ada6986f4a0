// What the agent carries from tick to tick; lost with the process. Written by decide() and by the outcome of actions.
import type { Position } from '../kernel/lsn.ts'
import type { Instant, Ms } from '../kernel/time.ts'

/** One sent transaction on the term record whose answer may still come, or never (protocol A6). */
export interface Attempt {
  readonly nonce: string
  readonly sentAt: Instant
  readonly ttl: Ms
  readonly term: number
  /** What an applied attempt entitles to. */
  readonly after: 'arm' | 'unarm' | 'nothing'
  readonly id: string
}

export const ATTEMPTS_KEPT = 4

export interface Memory {
  /** The newest revision of the term record, and when this process first received it. */
  readonly seen: { readonly revision: bigint; readonly at: Instant } | null
  /** Newest first. */
  readonly attempts: readonly Attempt[]
  /** One own transaction has succeeded since the start and since the last unknown result. */
  readonly settled: boolean
  /** When the last transaction on the term record was sent, applied or not. */
  readonly lastAttemptAt: Instant | null
  /** Since when the instance, which should answer, does not. */
  readonly silentSince: Instant | null
  /** Since when the instance is coming up. */
  readonly startingSince: Instant | null
  /** Since when exclusion holds and only the order among candidates is waited for. */
  readonly excludedSince: Instant | null
  /** Takeovers after a death of this member's own primary, newest first. */
  readonly selfTakes: readonly Instant[]
  /** After a failed leadership: no candidacy before this. */
  readonly heldOffUntil: Instant | null
  /** Term for which promotion was asked of the guard. */
  readonly promotedTerm: number | null
  /** Signature of the configuration in force: settings, role and upstream. */
  readonly configured: string | null
  /** The member key as last written under the present lease. */
  readonly published: { readonly significance: string; readonly positions: string } | null
  readonly publishedAt: Instant | null
  /** Terms after whose promotion the CHECKPOINT has ended. */
  readonly checkpointedTerm: number | null
  /** When this agent asked the instance to stop, and why. */
  readonly stopAskedAt: Instant | null
  /** Start of the running switchover, on the leader. */
  readonly handoverSince: Instant | null
  /** Signature of the slots as last made sure of. */
  readonly slotsAppliedFor: string | null
  /** The last end of the local WAL that was known for certain, of the current copy. */
  readonly ownEnd: Position | null
  /** Request being carried out. */
  readonly requestId: string | null
  /** The guard was connected at some time of this process: its silence means something. */
  readonly guardMet: boolean
  /** Since when this process has had no connection to a guard. */
  readonly guardMissingSince: Instant | null
  /** Starts of the instance, newest first. */
  readonly starts: readonly Instant[]
  /** The instance was killed since it did not answer. */
  readonly hung: boolean
  /** The leader has made sure that its directory carries no bootstrap marker. */
  readonly servedMarked: boolean
  /** The copy was rewound and has not been started since. */
  readonly rewound: boolean
  /** A promotion by hand was found, and its copy marked; until the next start. */
  readonly promotionMarked: boolean
  /** When promotion was last asked for. */
  readonly promoteAskedAt: Instant | null
  /** A clone or start happened in this process: an old directory may be kept beside. */
  readonly discardDue: boolean
  /** Since when, without a break, another installation has stood in the member key of this name. */
  readonly nameTakenSince: Instant | null
  /** Result of the last switchover or takeover that did not come about, for people. */
  readonly lastRefusal: string | null
}

export const EMPTY_MEMORY: Memory = {
  seen: null,
  attempts: [],
  settled: false,
  lastAttemptAt: null,
  silentSince: null,
  startingSince: null,
  excludedSince: null,
  selfTakes: [],
  heldOffUntil: null,
  promotedTerm: null,
  configured: null,
  published: null,
  publishedAt: null,
  checkpointedTerm: null,
  stopAskedAt: null,
  handoverSince: null,
  slotsAppliedFor: null,
  ownEnd: null,
  requestId: null,
  guardMet: false,
  guardMissingSince: null,
  starts: [],
  hung: false,
  servedMarked: false,
  rewound: false,
  promotionMarked: false,
  promoteAskedAt: null,
  discardDue: true,
  nameTakenSince: null,
  lastRefusal: null,
}
