// What other members' agents say of themselves, over REST.
import type { FailsafeAnswer, FailsafeAsked } from '../core/failsafe.ts'
import type { PeerReport } from '../core/peer.ts'
import type { SealAnswer, SealRequest } from '../core/synchronous/seal.ts'

export type { PeerReport } from '../core/peer.ts'

export interface Peers {
  /** @throws when no answer came: the caller makes a lost reading of it. */
  report(apiUrl: string, signal: AbortSignal): Promise<PeerReport>
  /** Asks to be sealed, as somebody who may change things there. @throws when no answer came */
  seal(apiUrl: string, request: SealRequest, signal: AbortSignal): Promise<SealAnswer>
  /** Asks for a promise to leave the leadership alone. @throws when no answer came */
  failsafe(apiUrl: string, asked: FailsafeAsked, signal: AbortSignal): Promise<FailsafeAnswer>
  /** Whether a NEW connection to that PostgreSQL gets the server's first answer. Never throws. */
  serverAnswers(connUrl: string, signal: AbortSignal): Promise<boolean>
}
