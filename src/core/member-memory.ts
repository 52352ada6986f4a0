// What a member remembers across restarts, outside the data directory (protocol A3).
import type { Lsn, Position, Timeline } from '../kernel/lsn.ts'
import type { SealPromise, SeatState } from './synchronous/seal.ts'

export interface OwnPromotion {
  readonly term: number
  readonly timeline: Timeline
  readonly lsn: Lsn
}

export interface MemberMemory {
  /** Random, made once per installation. */
  readonly install: string
  readonly machine: string
  /** The store's cluster this member belongs to; null before the first contact. */
  readonly storeCluster: string | null
  /** The operator's new beginning that the numbers below count from; null: the first one. */
  readonly storeSeed: string | null
  readonly termMax: number
  readonly revisionMax: bigint
  readonly rulesVersionMax: number
  /** The lowest term it may stream from. */
  readonly floor: number
  /** It receives nothing until the record has moved on; null: not sealed. */
  readonly promise: SealPromise | null
  /** The guard was armed for it, on this machine. */
  readonly servedTerm: number | null
  /** Written before each promotion. */
  readonly promotions: readonly OwnPromotion[]
  /** `standby.signal` was made sure of and no promotion of ours begun since: if it is gone, somebody promoted. */
  readonly signalExpected: boolean
  readonly seat: string | null
  readonly seatState: SeatState
  /** The highest flush position ever reported of this seat. */
  readonly reported: Position | null
}

/** Of an installation that has seen nothing yet. */
export function freshMemory(install: string, machine: string): MemberMemory {
  return {
    install,
    machine,
    storeCluster: null,
    storeSeed: null,
    termMax: 0,
    revisionMax: 0n,
    rulesVersionMax: 0,
    floor: 0,
    promise: null,
    servedTerm: null,
    promotions: [],
    signalExpected: false,
    seat: null,
    seatState: 'ready',
    reported: null,
  }
}
