// Sealing (protocol A8): a member stops receiving for one revision of the record, and says what it holds.
import type { Position } from '../../kernel/lsn.ts'
import type { Instant } from '../../kernel/time.ts'

/** On disk before anything is cut; only a newer revision of the record ends it. */
export interface SealPromise {
  /** Term that the seal is meant for. */
  readonly term: number
  /** Revision of the record that it belongs to: when that has moved on, nothing more can come of the seal. */
  readonly base: bigint
  /** Installation that asked first. Any candidate may use the seal. */
  readonly candidate: string
  /** Identity of the store's cluster. */
  readonly cluster: string
}

export interface SealRequest {
  /** Identity of the store's cluster. */
  readonly cluster: string
  readonly base: bigint
  /** The record's term and one. */
  readonly term: number
  readonly candidate: { readonly name: string; readonly install: string }
}

export type SeatState = 'ready' | 'incomplete' | 'diverged'

export type SealAnswer =
  | {
      readonly kind: 'sealed'
      readonly name: string
      readonly install: string
      readonly seat: string
      readonly seatState: SeatState
      /** The end of what the copy holds, known for certain. */
      readonly position: Position
      readonly base: bigint
      /** It is the record's holder, and its PostgreSQL is no primary. */
      readonly isHolder: boolean
    }
  | {
      readonly kind: 'refused'
      readonly reason: string
      /** A revision of the record that is newer than the one asked for. */
      readonly revision: bigint | null
    }

export type SealedAnswer = Extract<SealAnswer, { kind: 'sealed' }>

/** The last finished question to the holder over a new connection; begun, ended, answered. */
export interface Contact {
  readonly askedAt: Instant
  readonly endedAt: Instant
  readonly answered: boolean
}

/** Whether the record's holder can still be heard; asked only while it may have to be replaced. */
export interface HolderContact {
  readonly install: string
  /** Its agent. */
  readonly agent: Contact | null
  /** What that said of itself in its last answer. */
  readonly role: 'primary' | 'standby' | 'none' | null
  /** Its PostgreSQL, by the first answer of the server. */
  readonly server: Contact | null
}
