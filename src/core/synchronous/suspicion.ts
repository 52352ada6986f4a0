// How long the record must be silent, by this member's own observation, before its holder is suspected (protocol A4).
import { elapsedAtLeast, elapsedAtMost, type Instant, type Ms } from '../../kernel/time.ts'
import type { Memory } from '../memory.ts'
import type { Settings } from '../settings.ts'
import type { TermRecord } from '../term.ts'

/** After two missed renewals, and what they may be late. */
const MARGIN_MS: Ms = 500
const GAPS_KEPT_MS: Ms = 60_000
/** A member that has seen a renewal within this part of the suspicion lets nobody replace the leader. */
export const REFUSAL_PART = 0.6
/** From here on the holder is asked whether it is there: a question may take a second to fail. */
export const CONTACT_PART = 0.5

interface Facts {
  readonly settings: Settings
  readonly memory: Memory
  readonly now: Instant
}

export function suspicionOf({ settings, memory, now }: Facts): Ms {
  const recent = memory.gaps.filter(gap => elapsedAtMost(gap.at, now) <= GAPS_KEPT_MS)
  const longest = Math.max(settings.renewalMs, ...recent.map(gap => gap.ms))
  return Math.max(settings.suspicionMs, 2 * longest + MARGIN_MS)
}

/** Between two answers of the store that show the same revision; silence of the store itself does not count. */
export function observedSilence({ seen, sameAt }: Memory): Ms {
  return seen && sameAt ? Math.max(0, elapsedAtLeast(seen.at, sameAt)) : 0
}

/** The silences of the last minute, when another one has just ended. */
export function gapsAfter(memory: Memory, now: Instant): Memory['gaps'] {
  const gap = { ms: observedSilence(memory), at: now }
  return [gap, ...memory.gaps].filter(({ at }) => elapsedAtMost(at, now) <= GAPS_KEPT_MS).slice(0, GAPS_KEPT)
}

const GAPS_KEPT = 128

/**
 * For how long a renewal lets the leader serve. With strict_reads not longer than until the others may suspect it: then
 * nobody reads from it what a sealed successor has overtaken (protocol A12-4).
 */
export function grantOf({ rules, ttl, mixed }: TermRecord, settings: Settings): Ms {
  const strict = settings.strictReads && settings.earlyTakeover && rules !== null && !mixed
  return strict ? Math.min(ttl, settings.suspicionMs) : ttl
}

export function contactWanted({ record, ...facts }: Facts & { readonly record: TermRecord }): boolean {
  if (record.rules === null || record.mixed || record.state === 'paused' || !facts.memory.seen) return false
  return elapsedAtMost(facts.memory.seen.at, facts.now) >= CONTACT_PART * suspicionOf(facts)
}
