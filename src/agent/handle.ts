// What the faces of the agent (REST, simulator, bin) may ask of it.
import type { Decision } from '../core/action.ts'
import type { MemberRequest, RequestOutcome } from '../core/request.ts'
import type { View } from '../core/view.ts'

/** One line of the flight recorder. */
export interface RecordedDecision {
  readonly sequence: number
  /** ISO wall time, for people. */
  readonly at: string
  readonly rule: string
  readonly because: Decision['because']
  /** Kinds of the actions that were performed, and how the last one ended when not as wanted. */
  readonly actions: readonly string[]
  readonly stoppedBy: string | null
  readonly term: number | null
}

export interface AgentHandle {
  /** The newest view and what was decided on it; null before the first tick. */
  latest(): { readonly view: View; readonly decision: Decision } | null
  /** Oldest first; consecutive equal decisions are recorded once. */
  decisions(): readonly RecordedDecision[]
  /** Files a request for this member; a rule acts on it. Answered when done or refused. */
  request(request: MemberRequest): Promise<RequestOutcome>
  /** Decide again soon: something may have changed. */
  wake(): void
  /** Ends: `stop` stops PostgreSQL and releases, `leave` leaves it running under the guard. Resolves with the exit status. */
  end(how: 'stop' | 'leave'): void
  readonly ended: Promise<{ readonly status: number; readonly reason: string }>
}
