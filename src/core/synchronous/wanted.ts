// The rule that this cluster should have: a function of the settings and of the copies that can be counted on.
import { EVERYBODY_ALONE, type Names, NOBODY, namesOf } from './names.ts'
import { DEGRADED, type SeatSet } from './rule.ts'
import type { Candidate } from './seats.ts'

export interface WantedFacts {
  readonly mode: 'on' | 'quorum'
  readonly strict: boolean
  /** `synchronous_node_count`. */
  readonly nodeCount: number
  readonly candidates: readonly Candidate[]
  /** Seats of the record's own rule. */
  readonly counted: readonly string[]
  /** Names in force. */
  readonly inForce: readonly string[]
  /** A name in force is no member's that is there, or nobody is named: a copy without a name may be of one that is away. */
  readonly someAway: boolean
}

export interface Wanted {
  /** For the record. */
  readonly set: SeatSet
  /** For PostgreSQL, which may be stricter. */
  readonly names: Names
}

/** null: leave everything as it is, since a seat that must be kept has no known name now. */
export function wantedRule(facts: WantedFacts): Wanted | null {
  const { mode, strict, nodeCount, counted } = facts
  const chosen = choose(facts)
  const kept = strict && chosen.length < nodeCount ? keepAway(facts, chosen) : chosen
  const nameless = counted.filter(seat => !facts.candidates.some(known => known.seat === seat))
  const away = nameless.length > 0 && facts.someAway && !mustGo(facts)
  if (strict && kept.length < nodeCount && away) return null
  if (kept.length === 0) return { set: DEGRADED, names: strict ? NOBODY : EVERYBODY_ALONE }
  const k = Math.min(nodeCount, kept.length)
  const members = [...kept].sort((a, b) => (a.name < b.name ? -1 : 1))
  const method = mode === 'quorum' ? 'ANY' : 'FIRST'
  return {
    set: { seats: members.map(({ seat }) => seat).sort(), k },
    names: namesOf(method, strict ? nodeCount : k, members),
  }
}

/** In mode `on` the best, in mode `quorum` all. Members that may never lead only while there is nobody else. */
function choose(facts: WantedFacts): readonly Candidate[] {
  const present = (candidate: Candidate) => rankOf(facts, candidate) > 0
  const usable = facts.candidates.filter(known => known.fit || (known.missed && present(known)))
  const listed = usable.filter(known => known.listed)
  const pool = listed.length > 0 ? listed : usable
  if (facts.mode === 'quorum') return pool
  return [...pool].sort((a, b) => order(facts, a, b)).slice(0, facts.nodeCount)
}

/** Its place is needed for the copy that replaces it: whoever is away as well comes back by catching up. */
function mustGo({ candidates, counted }: WantedFacts): boolean {
  return candidates.some(known => known.gone && counted.includes(known.seat))
}

/** Strict: rather a commit that waits than one that a single copy has. */
function keepAway(facts: WantedFacts, chosen: readonly Candidate[]): readonly Candidate[] {
  if (mustGo(facts)) return chosen
  const away = facts.candidates.filter(
    known => facts.counted.includes(known.seat) && known.priority > 0 && !chosen.includes(known),
  )
  return [...chosen, ...away].slice(0, Math.max(facts.nodeCount, chosen.length))
}

/** Who is counted on already stays: among equals nothing is gained by a change. */
function order(facts: WantedFacts, a: Candidate, b: Candidate): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  const rank = rankOf(facts, b) - rankOf(facts, a)
  if (rank !== 0) return rank
  const [left, right] = [a.flushed ?? 0n, b.flushed ?? 0n]
  if (left !== right) return left > right ? -1 : 1
  return a.name < b.name ? -1 : 1
}

function rankOf({ inForce, counted }: WantedFacts, { name, seat }: Candidate): number {
  return Number(counted.includes(seat)) + 2 * Number(counted.includes(seat) && inForce.includes(name))
}
