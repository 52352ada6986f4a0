// Time, timers and chance: the only source of them in the agent, so that the simulator owns them.
import type { Instant, Ms } from '../kernel/time.ts'

export interface Clock {
  now(): Instant
  /** For display and logs only: nothing is decided by it. */
  wallTime(): Date
  /** Calls back once after `ms`; returns how to cancel. */
  after(ms: Ms, callback: () => void): () => void
  /** Aborts after `ms`. Every wait that leaves the process carries one. */
  limit(ms: Ms): AbortSignal
  /** A fresh random identifier of 16 hexadecimal digits or more. */
  randomId(): string
}
