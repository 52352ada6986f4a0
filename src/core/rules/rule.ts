// One row of the ordered table: when it applies, what it does, why.
import type { Ms } from '../../kernel/time.ts'
import type { Action, Decision } from '../action.ts'
import type { Memory } from '../memory.ts'
import type { Situation } from '../situation.ts'

export interface Plan {
  readonly because?: Decision['because']
  readonly actions: readonly Action[]
  readonly wakeInMs?: Ms
  readonly memory?: Partial<Memory>
}

export interface Rule {
  readonly id: string
  /** For the generated rule table. */
  readonly when: string
  readonly does: string
  /** null: does not apply. */
  readonly plan: (situation: Situation) => Plan | null
}

/** Nothing to do but to look again. */
export function wait(because: Decision['because'] = {}, wakeInMs?: Ms): Plan {
  return wakeInMs === undefined ? { because, actions: [] } : { because, actions: [], wakeInMs }
}
