// Waiting for a condition, with a generous limit and a message that says what was seen instead.
import { setTimeout as sleep } from 'node:timers/promises'

const STEP_MS = 50

/**
 * Calls `probe` until it returns something other than null, undefined or false. A probe that throws counts as "not yet".
 * @throws after `limitMs`, naming `what` and the last thing that stood in the way.
 */
export async function waitFor<T>(
  what: string,
  limitMs: number,
  probe: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  stepMs: number = STEP_MS,
): Promise<T> {
  const until = performance.now() + limitMs
  let last = 'nothing was seen'
  for (;;) {
    try {
      const value = await probe()
      if (value !== null && value !== undefined && value !== false) return value
      last = `the last look gave ${value}`
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
    }
    if (performance.now() > until) throw new Error(`not within ${limitMs / 1000} s: ${what} (${last})`)
    await sleep(stepMs)
  }
}

/** CLOCK_MONOTONIC in nanoseconds: one clock for every process of this machine. Exact for 104 days of uptime. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint())
}
