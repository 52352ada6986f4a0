// The durations of protocol A4: what a renewal grants to the leader, and how long everybody else waits.
import { type Instant, later, type Ms } from '../kernel/time.ts'

/** Assumed error of a clock's rate. NTP slews by at most 0.05 %; the rest is margin. */
export const RHO = 0.01

/** From the guard's decision until PostgreSQL can certainly acknowledge nothing more, one guard tick included. */
export const FENCE_MS: Ms = 1000

/** One attempt at one endpoint. */
export const ATTEMPT_LIMIT_MS: Ms = 800

/** Without an echo for so long the guard counts as lost. */
export const GUARD_ECHO_MAX_MS: Ms = 600

/** The successor of a release acts alone for so long. */
export const FIRST_RIGHT_MS: Ms = 2000

/** The k-th best candidate waits k times this. */
export const STAGGER_MS: Ms = 1000

/**
 * Until when a leader may serve by an attempt that it began to send at `sentAt`.
 * Measured from before the request: the store may have granted it that early.
 */
export function deadlineOf(sentAt: Instant, ttl: Ms): Instant {
  return later(sentAt, ttl * (1 - RHO) - FENCE_MS)
}

/** How long an observer waits after it received a revision that grants `ttl`. */
export function waitOf(ttl: Ms): Ms {
  return ttl * (1 + RHO)
}

/** A leader whose attempts fail begins a graceful stop this long before its deadline. */
export function gracefulStopMargin(ttl: Ms): Ms {
  return Math.min(2000, ttl / 10)
}
