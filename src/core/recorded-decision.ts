// One line of the flight recorder: what was decided, and why.
import type { Decision } from './action.ts'

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
