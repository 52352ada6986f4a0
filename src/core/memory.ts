// What the agent carries from tick to tick; lost with the process. Written by decide() and by the outcome of actions.
import type { Lsn, Position } from '../kernel/lsn.ts'
import type { Instant, Ms } from '../kernel/time.ts'
import type { Failsafe, FailsafePromise, Led } from './failsafe.ts'
import type { LastKnown } from './seed.ts'
import type { Names } from './synchronous/names.ts'
import type { TermRecord } from './term.ts'

/** One sent transaction on the term record whose answer may still come, or never (protocol A6). */
export interface Attempt {
  readonly nonce: string
  readonly sentAt: Instant
  readonly ttl: Ms
  readonly term: number
  /** What an applied attempt entitles to. */
  readonly after: 'arm' | 'unarm' | 'nothing'
  readonly id: string
  /** Revision that it replaces; null: none. It is void once the record has a newer one. */
  readonly base: bigint | null
  readonly record: TermRecord
}

/** How far the names in force are known to be in force everywhere (protocol A8, steps 3 and 4). */
export interface NamesProof {
  /** synchronous_standby_names that it is about. */
  readonly names: string
  /** New WAL, written after every process had been told: whoever reports it flushed has adopted. */
  readonly told: Lsn
  readonly since: Instant
  readonly adopted: boolean
  /** A flush position after the adoption: enough seats of the new rule must have it. */
  readonly caughtUpAt: Position | null
}

export const ATTEMPTS_KEPT = 4

export interface Seen {
  readonly revision: bigint
  readonly at: Instant
  readonly nonce?: string
  /** Revisions of one beginning of the store only can be compared. */
  readonly seed?: string | undefined
}

/** Whose copy is behind each walsender, by process. null: it has connected since the look before; the next key tells. */
export type WalsenderSeats = Readonly<Record<number, string | null>>

export interface Memory {
  /** The newest revision of the term record, and when this process first received it. */
  readonly seen: Seen | null
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
  /** When this member last killed an instance that did not answer. */
  readonly hungKilledAt: Instant | null
  /** The leader has doubts whether it can write or be reached: the others are asked meanwhile whether they can. */
  readonly doubtful: boolean
  /** Ends by itself of an instance in recovery, newest first; none after it has run for a while. */
  readonly crashes: readonly Instant[]
  /** The leader has made sure that its directory carries no bootstrap marker. */
  readonly servedMarked: boolean
  /** What only this copy has was kept, as far as there is anything. */
  readonly evidenceKept: boolean
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
  /** When this process first looked. */
  readonly startedAt: Instant | null
  /** Last answer of the store that still showed the newest revision. */
  readonly sameAt: Instant | null
  /** Term of the newest revision. */
  readonly seenTerm: number | null
  /** By the newest revision, commits wait for standbys, and seals count. */
  readonly seenSynchronous: boolean
  /** Observed silences before the newest renewals, of the last minute, newest first. */
  readonly gaps: readonly { readonly ms: Ms; readonly at: Instant }[]
  /** Start of the instance whose receiver was stopped for the promise in force. */
  readonly cutFor: string | null
  /** A receiver turned up on the sealed instance, when last. */
  readonly receiverAt: Instant | null
  /** Sealed member that missing WAL is fetched from, by name, and since when. */
  readonly fetching: { readonly from: string; readonly since: Instant } | null
  /** The leadership that an own transaction has confirmed; null: none, or something speaks against it. */
  readonly led: Led | null
  /** Term of this member that certainly is somebody else's or nobody's by now: a comparison was lost. */
  readonly lostTerm: number | null
  /** Looks at the store and transactions in a row that had no answer. */
  readonly storeFailures: number
  /** Of the store while it could be trusted. */
  readonly lastKnown: LastKnown | null
  /** The leader asks the others, since the store does not answer. */
  readonly failsafe: Failsafe | null
  /** The `/failsafe` key as last read. */
  readonly failsafeKey: string | null
  /** Given to a leader without a store; gone with the process. */
  readonly failsafePromise: FailsafePromise | null
  /** Of the names in force; null: nothing is proven, or nothing needs to be. */
  readonly namesProof: NamesProof | null
  /** What the file of this start of the instance says, and when it was written. */
  readonly namesTold: { readonly names: Names; readonly at: Instant } | null
  /** Of the last look at the primary that runs; null: there was none. */
  readonly walsenders: WalsenderSeats | null
  /** When each seat was last seen fit for synchronous commits. */
  readonly seatsSeen: Readonly<Record<string, { readonly name: string; readonly at: Instant }>>
  /** The last walsender that had a member's name and was not that member's. */
  readonly strangerSeen: {
    readonly name: string
    readonly address: string | null
    readonly at: Instant
  } | null
  /** When connections under somebody else's name were last ended. */
  readonly strangersEndedAt: Instant | null
  /** Term of this member that nobody else may look at yet (protocol A12-3). */
  readonly hiddenTerm: number | null
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
  hungKilledAt: null,
  doubtful: false,
  crashes: [],
  servedMarked: false,
  evidenceKept: false,
  rewound: false,
  promotionMarked: false,
  promoteAskedAt: null,
  discardDue: true,
  nameTakenSince: null,
  startedAt: null,
  sameAt: null,
  seenTerm: null,
  seenSynchronous: false,
  gaps: [],
  cutFor: null,
  receiverAt: null,
  fetching: null,
  led: null,
  lostTerm: null,
  storeFailures: 0,
  lastKnown: null,
  failsafe: null,
  failsafeKey: null,
  failsafePromise: null,
  namesProof: null,
  namesTold: null,
  walsenders: null,
  seatsSeen: {},
  strangerSeen: null,
  strangersEndedAt: null,
  hiddenTerm: null,
  lastRefusal: null,
}
