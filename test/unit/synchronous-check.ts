// Exhaustive check of a change of rule: for small sets every state of the record and of PostgreSQL's processes.
import {
  mayBeSet,
  narrowed,
  type SealedSeat,
  type SeatSet,
  sealObstacle,
  widen,
} from '../../src/core/synchronous/rule.ts'
import type { AcknowledgementRule } from '../../src/core/term.ts'
import { lsn } from '../../src/kernel/lsn.ts'

export interface Algebra {
  /** The record while PostgreSQL goes over. */
  readonly wide: (old: AcknowledgementRule, target: SeatSet) => readonly AcknowledgementRule[]
  readonly narrow: (old: AcknowledgementRule, target: SeatSet) => readonly AcknowledgementRule[]
  readonly proves: (rules: readonly AcknowledgementRule[], sealed: readonly SealedSeat[]) => boolean
  readonly allowed: (recorded: SeatSet, pg: SeatSet) => boolean
  readonly adoptsFirst: boolean
  readonly catchesUp: boolean
}

export const OURS: Algebra = {
  wide: (old, target) => [widen(old, target)],
  narrow: (old, target) => [narrowed(old, target)],
  proves: (rules, sealed) => sealObstacle(rules, sealed, null) === null,
  allowed: mayBeSet,
  adoptsFirst: true,
  catchesUp: true,
}

export const SEATS = ['b', 'c', 'd', 'e'] as const
const LEADER = 'a'

/** Every rule over the seats, the degraded one included. */
export function ruleSets(): readonly SeatSet[] {
  return subsets(SEATS).flatMap(seats =>
    seats.length === 0 ? [{ seats, k: 0 }] : seats.map((_, index) => ({ seats, k: index + 1 })),
  )
}

/** A state in which a commit is acknowledged that a permitted takeover may lack, in words; null: there is none. */
export function findGap(algebra: Algebra): string | null {
  const seals = sealSets()
  for (const old of ruleSets())
    for (const target of ruleSets()) {
      const gap =
        gapInChange(algebra, ruleOf(old), target, seals) ?? gapInSetting(algebra, old, target, seals)
      if (gap) return gap
    }
  return null
}

/** Widen, set, adopt walsender by walsender, catch up, narrow. */
function gapInChange(
  algebra: Algebra,
  old: AcknowledgementRule,
  target: SeatSet,
  seals: readonly (readonly SealedSeat[])[],
): string | null {
  const wide = algebra.wide(old, target)
  const narrow = algebra.narrow(old, target)
  const atOnce = acknowledging(old, target)
  const after = holders(target)
  const behind = algebra.catchesUp
    ? // Whatever was acknowledged before has reached k seats of the target too.
      atOnce.flatMap(have => after.map(caughtUp => new Set([...have, ...caughtUp])))
    : atOnce
  return (
    unmet(algebra, wide, atOnce, seals, 'while it changes') ??
    unmet(algebra, narrow, algebra.adoptsFirst ? after : atOnce, seals, 'when it is narrowed') ??
    unmet(algebra, narrow, behind, seals, 'before it was narrowed')
  )
}

/** What the assertion lets through, one setting after another, without any change of the record. */
function gapInSetting(
  algebra: Algebra,
  recorded: SeatSet,
  before: SeatSet,
  seals: readonly (readonly SealedSeat[])[],
): string | null {
  if (!algebra.allowed(recorded, before)) return null
  for (const pg of ruleSets()) {
    if (!algebra.allowed(recorded, pg)) continue
    const gap = unmet(algebra, [ruleOf(recorded)], acknowledging(before, pg), seals, `told ${show(pg)}`)
    if (gap) return gap
  }
  return null
}

function unmet(
  algebra: Algebra,
  rules: readonly AcknowledgementRule[],
  acknowledged: readonly ReadonlySet<string>[],
  seals: readonly (readonly SealedSeat[])[],
  when: string,
): string | null {
  for (const sealed of seals) {
    if (!algebra.proves(rules, sealed)) continue
    const lost = acknowledged.find(have => !sealed.some(seat => have.has(seat.seat)))
    if (lost)
      return `${rules.map(show).join(' ')} ${when}: {${[...lost]}} against {${sealed.map(s => s.seat)}}`
  }
  return null
}

/** Who has a commit at the least when it is acknowledged, over all mixtures of processes with the old and new rule. */
function acknowledging(old: SeatSet, target: SeatSet): readonly ReadonlySet<string>[] {
  const found = new Map<string, ReadonlySet<string>>()
  for (const adopted of subsets(SEATS)) {
    const listed = SEATS.filter(seat => (adopted.includes(seat) ? target : old).seats.includes(seat))
    // Each process with a priority counts with its own k over the priorities that the others have set.
    const counts = listed.map(seat => (adopted.includes(seat) ? target : old).k)
    // A backend that has read an empty list waits for nobody.
    if (old.k === 0 || target.k === 0) counts.push(0)
    for (const k of new Set(counts))
      for (const have of holders({ seats: listed, k })) found.set([...have].sort().join(), have)
  }
  return [...found.values()]
}

/** The leader, and any k of the seats. */
function holders({ seats, k }: SeatSet): readonly ReadonlySet<string>[] {
  return subsets(seats)
    .filter(chosen => chosen.length === k)
    .map(chosen => new Set([LEADER, ...chosen]))
}

/** Each member absent, present with the copy that the rules know, or with a new copy. */
function sealSets(): readonly (readonly SealedSeat[])[] {
  let sets: readonly (readonly SealedSeat[])[] = [[]]
  for (const seat of [LEADER, ...SEATS])
    sets = sets.flatMap(chosen => [chosen, [...chosen, sealed(seat)], [...chosen, sealed(`${seat}-new`)]])
  return sets
}

function sealed(seat: string): SealedSeat {
  return { seat, ready: true, position: { timeline: 1, lsn: lsn(1) } }
}

function ruleOf(set: SeatSet): AcknowledgementRule {
  return { term: 1, leader: LEADER, seats: set.seats, k: set.k, seen: {} }
}

function subsets<T>(items: readonly T[]): readonly (readonly T[])[] {
  return items.reduce<readonly (readonly T[])[]>(
    (sets, item) => sets.flatMap(set => [set, [...set, item]]),
    [[]],
  )
}

function show({ seats, k }: SeatSet): string {
  return `${k} of (${seats})`
}
