// The algebra of acknowledgement rules (protocol A7, A8): who must have a commit, and who may replace the leader.
import { comparePositions, type Position, parseLsn } from '../../kernel/lsn.ts'
import type { AcknowledgementRule } from '../term.ts'

/** Any `k` of `seats` suffice. With `k` = 0 and no seats commits wait for nobody (degraded). */
export interface SeatSet {
  readonly seats: readonly string[]
  readonly k: number
}

/** A copy of the data that has stopped receiving for one revision of the record, and what it holds. */
export interface SealedSeat {
  readonly seat: string
  /** By its own word: complete, and its end is known. */
  readonly ready: boolean
  readonly position: Position
}

export const DEGRADED: SeatSet = { seats: [], k: 0 }

/**
 * Why these seats do not prove, for *every* rule, that they have all that was acknowledged and that nothing more can
 * be; null: they do. Counted by seat, never by name. `at`: the holder's flush position in the record.
 */
export function sealObstacle(
  rules: readonly AcknowledgementRule[],
  sealed: readonly SealedSeat[],
  at: Position | null,
): string | null {
  const newest = rules.at(-1)
  for (const rule of rules) {
    const against = obstacleOf(rule, sealed, rule === newest ? at : null)
    if (against) return against
  }
  return null
}

function obstacleOf(
  rule: AcknowledgementRule,
  sealed: readonly SealedSeat[],
  at: Position | null,
): string | null {
  const counting = sealed.filter(seat => seat.ready && reachesSeen(rule, seat))
  const leader = counting.find(seat => seat.seat === rule.leader)
  if (leader && (at === null || comparePositions(leader.position, at) >= 0)) return null
  if (rule.k === 0) return `term ${rule.term} may have acknowledged commits that only its leader has`
  const inside = rule.seats.filter(seat => counting.some(known => known.seat === seat)).length
  const needed = sealsNeeded(rule)
  return inside >= needed ? null : `term ${rule.term}: ${inside} of ${needed} copies are sealed`
}

/** A copy that has less than was once seen of it was set back: it is not the copy that acknowledged. */
function reachesSeen(rule: AcknowledgementRule, sealed: SealedSeat): boolean {
  const text = rule.seen[sealed.seat]
  if (text === undefined) return true
  const seen = parseLsn(text)
  return seen !== null && sealed.position.lsn >= seen
}

/** So many of the seats meet every set of `k` of them. Only for `k` > 0. */
export function sealsNeeded({ seats, k }: SeatSet): number {
  return Math.max(1, seats.length - k + 1)
}

/** What the record must hold while PostgreSQL goes over from `own` to `target`: its processes mix the two. */
export function widen(own: AcknowledgementRule, target: SeatSet): AcknowledgementRule {
  return {
    ...own,
    seats: [...new Set([...own.seats, ...target.seats])].sort(),
    k: Math.min(own.k, target.k),
  }
}

/** What the record holds when `target` is in force everywhere, and enough of its seats have all that came before. */
export function narrowed(own: AcknowledgementRule, target: SeatSet): AcknowledgementRule {
  const seats = [...new Set(target.seats)].sort()
  const kept = [own.leader, ...seats].flatMap(seat =>
    own.seen[seat] ? [[seat, own.seen[seat]] as const] : [],
  )
  return { ...own, seats, k: target.k, seen: Object.fromEntries(kept) }
}

/** The seat behind a name that nobody has. */
export const NOBODYS_SEAT = 'vigil:not-leader'

/**
 * Whether PostgreSQL may be told `pg` while the record holds `recorded`: whatever acknowledges under any mixture of
 * settings that may be set acknowledges under the record too. A larger k does not make up for a seat that is not
 * recorded: a walsender with the setting before counts that seat by its own smaller k (simulator seed 34).
 */
export function mayBeSet(recorded: SeatSet, pg: SeatSet): boolean {
  const strangers = pg.seats.filter(seat => seat !== NOBODYS_SEAT && !recorded.seats.includes(seat))
  return strangers.length === 0 && pg.k >= recorded.k
}

export function sameSeats(a: SeatSet, b: SeatSet): boolean {
  return a.k === b.k && a.seats.length === b.seats.length && a.seats.every(seat => b.seats.includes(seat))
}

/**
 * The rule that a takeover (T3) appends: commits of the new term wait for seats that answered the seal. Strict or not,
 * the record never holds a `k` that its seats can't meet; PostgreSQL may be told a larger one.
 */
export function ruleAtTakeover(facts: {
  readonly term: number
  /** Of the candidate. */
  readonly seat: string
  readonly sealed: readonly { readonly seat: string }[]
  /** `synchronous_node_count`. */
  readonly wantedK: number
}): AcknowledgementRule {
  const seats = [...new Set(facts.sealed.map(({ seat }) => seat))].filter(seat => seat !== facts.seat).sort()
  return {
    term: facts.term,
    leader: facts.seat,
    seats,
    k: Math.min(facts.wantedK, seats.length),
    seen: {},
  }
}
