// What the faces of the agent (REST, simulator, bin) may ask of it.
import type { Decision } from '../core/action.ts'
import type { Evidence } from '../core/evidence.ts'
import type { RecordedDecision } from '../core/recorded-decision.ts'
import type { MemberRequest, RequestOutcome } from '../core/request.ts'
import type { View } from '../core/view.ts'

export type { RecordedDecision } from '../core/recorded-decision.ts'

export interface AgentHandle {
  /** The newest view and what was decided on it; null before the first tick. */
  latest(): { readonly view: View; readonly decision: Decision } | null
  /** Oldest first; consecutive equal decisions are recorded once. */
  decisions(): readonly RecordedDecision[]
  /** What only replaced copies had, kept on this member; oldest first. */
  evidence(): readonly Evidence[]
  /** Files a request for this member; a rule acts on it. Answered when done or refused. */
  request(request: MemberRequest): Promise<RequestOutcome>
  /** Decide again soon: something may have changed. */
  wake(): void
  /** Ends: `stop` stops PostgreSQL and releases, `leave` leaves it running under the guard. Resolves with the exit status. */
  end(how: 'stop' | 'leave'): void
  readonly ended: Promise<{ readonly status: number; readonly reason: string }>
}
