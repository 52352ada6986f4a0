// The lease under the member key and the leader key: for Patroni's eyes and for presence, never a proof of leading.
import { ATTEMPT_LIMIT_MS } from '../core/timers.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { Context } from './context.ts'
import { limited } from './limited.ts'

export interface LeaseKeeper {
  /** Grants or keeps alive when it is time; never throws. */
  tend(): Promise<void>
}

export function createLeaseKeeper(context: Context): LeaseKeeper {
  const { clock, store } = context.ports
  let tendedAt: Instant | null = null
  let grantedTtlMs: Ms = 0

  const grant = async (ttlMs: Ms) => {
    const result = await limited(clock, ATTEMPT_LIMIT_MS, signal => store.grantLease(ttlMs, signal))
    if (result.kind !== 'held') return
    context.lease = result.lease
    // Keys under the old lease vanish with it: the member key is written again under this one.
    context.memory = { ...context.memory, published: null }
    grantedTtlMs = ttlMs
    tendedAt = clock.now()
  }

  return {
    async tend() {
      const ttlMs = context.settings?.value.ttlMs
      if (ttlMs === undefined) return
      const now = clock.now()
      if (context.lease === null || ttlMs !== grantedTtlMs) return grant(ttlMs)
      if (tendedAt && elapsedAtMost(tendedAt, now) < ttlMs / 3) return
      const { lease } = context
      const result = await limited(clock, ATTEMPT_LIMIT_MS, signal => store.keepAlive(lease, signal))
      if (result.kind === 'held') tendedAt = clock.now()
      if (result.kind === 'gone') context.lease = null
    },
  }
}
