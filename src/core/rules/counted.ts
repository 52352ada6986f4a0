// Whether this copy may be thrown away: commits of the recorded rules may be on it (protocol A8 "Never").
import { elapsedAtMost, type Ms } from '../../kernel/time.ts'
import type { Situation } from '../situation.ts'
import { type Plan, wait } from './rule.ts'

/**
 * A leader drops a copy that is away in a few seconds, unless it must keep it (strict) or is not there itself. Nothing
 * is lost by not waiting for ever: a copy that is gone can't be sealed, and counts as missing.
 */
const COUNTED_MAX_MS: Ms = 10_000
const POLL_MS: Ms = 250

/** The wait of a member that is to make a new copy, until no rule lists the one that it replaces; null: none does. */
export function waitWhileCounted(s: Situation): Plan | null {
  const { remembered, memory } = s.view
  const { seat } = remembered
  if (seat === null || !s.record?.rules?.some(rule => rule.seats.includes(seat))) return null
  const since = memory.discarding?.seat === seat ? memory.discarding.at : s.now
  if (elapsedAtMost(since, s.now) >= COUNTED_MAX_MS) return null
  return { ...wait({ counted: seat }, POLL_MS), memory: { discarding: { seat, at: since } } }
}
