// What other members' agents say of themselves, over REST.
import type { PeerReport } from '../core/peer.ts'

export type { PeerReport } from '../core/peer.ts'

export interface Peers {
  /** @throws when no answer came: the caller makes a lost reading of it. */
  report(apiUrl: string, signal: AbortSignal): Promise<PeerReport>
}
