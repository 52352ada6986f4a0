// The machine's time, timers and chance.
import { randomBytes } from 'node:crypto'
import type { Instant } from '../kernel/time.ts'
import type { Clock } from '../ports/clock.ts'

/** `now` reads both of the machine's clocks. */
export function createSystemClock(now: () => Instant): Clock {
  return {
    now,
    wallTime: () => new Date(),
    after(ms, callback) {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    },
    limit: ms => AbortSignal.timeout(Math.min(ms, 2 ** 31 - 1)),
    randomId: () => randomBytes(8).toString('hex'),
  }
}
