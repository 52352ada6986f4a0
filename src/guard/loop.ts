// Holds the guard's state and feeds events to the pure step, one at a time, each with a fresh reading of the clock.
import { type Instant, remaining } from '../kernel/time.ts'
import {
  type Answer,
  type GuardEffect,
  type GuardEvent,
  type GuardState,
  INITIAL_STATE,
  type Step,
} from './model.ts'
import { step } from './state.ts'

/** Pause before a kill that found survivors is repeated. */
const KILL_AGAIN_MS = 20

export interface LoopOptions {
  readonly now: () => Instant
  /** May feed the event that ends the effect at once. */
  readonly perform: (effect: GuardEffect) => void
  readonly answer: (answer: Answer) => void
  /** After the effects were carried out: there is time to write something down now. */
  readonly stepped: (event: GuardEvent, result: Step) => void
}

export interface GuardLoop {
  readonly state: GuardState
  feed(event: GuardEvent): void
  close(): void
}

export function createLoop({ now, perform, answer, stepped }: LoopOptions): GuardLoop {
  const waiting: GuardEvent[] = []
  let state: GuardState = INITIAL_STATE
  let busy = false
  let timer: NodeJS.Timeout | undefined

  function feed(event: GuardEvent): void {
    waiting.push(event)
    if (busy) return
    busy = true
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const result = step(state, next, now())
      state = result.state
      result.effects.forEach(perform)
      result.answers.forEach(answer)
      stepped(next, result)
    }
    busy = false
    setTimer()
  }

  /** The ticks would do; this makes it exact. */
  function setTimer(): void {
    clearTimeout(timer)
    if (state.killing) timer = setTimeout(feed, KILL_AGAIN_MS, { kind: 'tick' })
    else if (state.deadline)
      timer = setTimeout(feed, Math.ceil(remaining(state.deadline, now())), { kind: 'tick' })
  }

  return {
    get state() {
      return state
    },
    feed,
    close: () => clearTimeout(timer),
  }
}
