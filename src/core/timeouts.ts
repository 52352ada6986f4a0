// ttl, loop_wait and retry_timeout together: Patroni's rule between them, above the floor that the guard allows.
import type { Ms } from '../kernel/time.ts'

export interface Timeouts {
  readonly ttlMs: Ms
  readonly loopWaitMs: Ms
  readonly retryTimeoutMs: Ms
}

/** What a change was made for, in seconds, for the message. */
export interface TimeoutAdjustment {
  readonly key: 'ttl' | 'loop_wait' | 'retry_timeout'
  readonly from: Ms
  readonly to: Ms
  readonly why: string
}

/** Lowest ttl with `cgroup.kill` or nftables, and without (protocol A10). */
export const TTL_FLOOR_FENCED_MS: Ms = 5000
export const TTL_FLOOR_MS: Ms = 7000

const LOOP_WAIT_MIN_MS: Ms = 1000
const RETRY_TIMEOUT_MIN_MS: Ms = 3000

/** loop_wait + 2 * retry_timeout <= ttl: loop_wait gives way first, retry_timeout only when that is not enough. */
export function adjustTimeouts(
  asked: Timeouts,
  ttlFloorMs: Ms,
): { readonly timeouts: Timeouts; readonly adjustments: readonly TimeoutAdjustment[] } {
  const ttlMs = Math.max(asked.ttlMs, ttlFloorMs)
  const retryAsked = Math.max(asked.retryTimeoutMs, RETRY_TIMEOUT_MIN_MS)
  const loopAsked = Math.max(asked.loopWaitMs, LOOP_WAIT_MIN_MS)
  const tight = LOOP_WAIT_MIN_MS + 2 * retryAsked > ttlMs
  const retryTimeoutMs = tight ? wholeSeconds((ttlMs - LOOP_WAIT_MIN_MS) / 2) : retryAsked
  const loopWaitMs = tight ? LOOP_WAIT_MIN_MS : Math.min(loopAsked, ttlMs - 2 * retryAsked)
  const rule = `loop_wait + 2 * retry_timeout must fit into ttl (${ttlMs / 1000} s)`
  const changes: TimeoutAdjustment[] = [
    { key: 'ttl', from: asked.ttlMs, to: ttlMs, why: `at least ${ttlFloorMs / 1000} s` },
    { key: 'loop_wait', from: asked.loopWaitMs, to: loopWaitMs, why: rule },
    {
      key: 'retry_timeout',
      from: asked.retryTimeoutMs,
      to: retryTimeoutMs,
      why: retryTimeoutMs > asked.retryTimeoutMs ? 'at least 3 s' : rule,
    },
  ]
  return {
    timeouts: { ttlMs, loopWaitMs, retryTimeoutMs },
    adjustments: changes.filter(change => change.from !== change.to),
  }
}

function wholeSeconds(ms: Ms): Ms {
  return Math.floor(ms / 1000) * 1000
}
