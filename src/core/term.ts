// The record `vigil/term`: who leads, under which number, and what may have been acknowledged (protocol A2).
import type { Lsn, Position, Timeline } from '../kernel/lsn.ts'
import type { Ms } from '../kernel/time.ts'

export const TERM_STATES = ['electing', 'serving', 'handover', 'released', 'paused'] as const
export type TermState = (typeof TERM_STATES)[number]

/** `install` is random, made once per installation; a name alone identifies nobody. */
export interface Holder {
  readonly name: string
  readonly install: string
  /** Identity of the data copy. */
  readonly seat: string
  readonly machine: string
}

/** A condition under which commits may have been acknowledged (protocol A8). Used from the next issue on. */
export interface AcknowledgementRule {
  readonly term: number
  readonly leader: string
  readonly seats: readonly string[]
  readonly k: number
  readonly seen: Readonly<Record<string, string>>
}

/**
 * One accepted promotion: `timeline` branches off `parent` at `fork`. A later one may branch off below it, from the
 * same parent: then it is no part of the accepted history any more.
 */
export interface ChainEntry {
  readonly term: number
  readonly timeline: Timeline
  readonly parent: Timeline
  readonly fork: Lsn
  /** An operator promoted it without proof that nothing is missing. */
  readonly lossAccepted?: boolean
}

/** A new beginning of the store, made by an operator: `from` are the stores that it continues. */
export interface Seed {
  readonly id: string
  readonly from: readonly string[]
}

export interface TermRecord {
  readonly v: 1
  /** Identity of the store's cluster at the last (re-)seed. */
  readonly cluster: string
  /** Grows by one with each leadership. */
  readonly term: number
  readonly state: TermState
  readonly holder: Holder
  /** What this revision grants. */
  readonly ttl: Ms
  /** Fresh and random for each attempt: how an attempt with an unknown result is recognised. */
  readonly nonce: string
  /** The leader's flush position when it sent. */
  readonly at: Position | null
  /** Installs that may lead. */
  readonly members: readonly string[]
  /** null: asynchronous. */
  readonly rules: readonly AcknowledgementRule[] | null
  readonly rulesVersion: number
  /** The last accepted promotions, oldest first. */
  readonly chain: readonly ChainEntry[]
  /** The highest timeline number ever given out; the holder's promotion takes it. */
  readonly timelineMax: Timeline
  /** In `handover` and `released`: name of the member with the first right. */
  readonly successor: string | null
  /** In `released` after a clean stop: where the shutdown checkpoint ends. */
  readonly final: Position | null
  readonly mixed: boolean
  /** Absent in a store that was never begun anew. */
  readonly seed?: Seed | undefined
}

export const CHAIN_KEPT = 32
export const RECORD_BYTES_MAX = 4096

/** Next chain, with entries in order of timeline and never more than CHAIN_KEPT. */
export function extendChain(
  chain: readonly ChainEntry[],
  entries: readonly ChainEntry[],
): readonly ChainEntry[] {
  const absent = entries.filter(entry => !chain.some(known => known.timeline === entry.timeline))
  return [...chain, ...absent].sort((a, b) => a.timeline - b.timeline).slice(-CHAIN_KEPT)
}
