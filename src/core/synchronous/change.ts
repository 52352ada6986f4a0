// The next step from the rule that is recorded and in force to the one that is wanted (protocol A8). Everything follows
// from the record and from what is seen, so a restart at any point goes on.
import { comparePositions, type Position } from '../../kernel/lsn.ts'
import { elapsedAtMost, type Ms } from '../../kernel/time.ts'
import type { PrimaryStatus, ReplicationConnection } from '../instance.ts'
import type { NamesProof } from '../memory.ts'
import { memberByName, type Situation } from '../situation.ts'
import type { AcknowledgementRule, TermRecord } from '../term.ts'
import { listedNames, type Names, type NamesInFile, namesOf } from './names.ts'
import { mayBeSet, narrowed, sameSeats, widen } from './rule.ts'
import { candidates, ownRule } from './seats.ts'
import { isVisible } from './visibility.ts'
import { type Wanted, wantedRule } from './wanted.ts'

export type Step =
  /** Everything is as it should be. */
  | { readonly kind: 'rest' }
  | {
      readonly kind: 'record'
      readonly rules: readonly AcknowledgementRule[] | null
      readonly why: string
    }
  | { readonly kind: 'tell'; readonly names: Names }
  | { readonly kind: 'prove'; readonly text: string }
  | { readonly kind: 'note'; readonly proof: NamesProof }
  | { readonly kind: 'terminate'; readonly pids: readonly number[] }
  | { readonly kind: 'wait'; readonly for: string; readonly again: Ms }

/** A walsender that has not adopted within this time is ended: its place must not hold up everything. */
const ADOPTION_MS: Ms = 1000
/** The names are written once more when the running instance shows others for so long. */
const TELL_AGAIN_MS: Ms = 1000
const SOON_MS: Ms = 20
const LATER_MS: Ms = 200

export function nextStep(s: Situation): Step {
  const { record, view } = s
  const status = s.running.kind === 'primary' ? s.running.status : null
  const mode = view.settings.synchronousMode
  if (!record || !status || (mode === 'off' && record.rules === null)) return { kind: 'rest' }
  // Recorded first: only then may a commit be acknowledged that no seat has.
  if (mode === 'off') return { kind: 'record', rules: null, why: 'asynchronous' }
  const wanted = wantedNow(s)
  if (!wanted) return { kind: 'rest' }
  const own = ownRule(record)
  if (record.rules !== null && !own) return { kind: 'record', rules: withOwn(record, []), why: 'own rule' }
  const inForce = status.synchronousNames === wanted.names.text
  // The same names may have other copies behind them.
  if (!inForce || (own && !mayBeSet(own, wanted.names.set))) return towardsNames(s, record, own, wanted)
  // A file of an earlier agent may say something else, which any reload would bring into force.
  if (view.memory.namesTold === null) return { kind: 'tell', names: wanted.names }
  const done = record.rules?.length === 1 && own !== null && sameSeats(own, wanted.set)
  if (!done) return prove(s, status, record, wanted)
  return isVisible(s)
    ? { kind: 'rest' }
    : { kind: 'wait', for: 'standbys, before others look', again: SOON_MS }
}

export function wantedNow(s: Situation): Wanted | null {
  const { record, view } = s
  const { synchronousMode, synchronousModeStrict, synchronousNodeCount } = view.settings
  if (!record || s.running.kind !== 'primary' || synchronousMode === 'off') return null
  const inForce = listedNames(s.running.status.synchronousNames)
  return wantedRule({
    mode: synchronousMode,
    strict: synchronousModeStrict,
    nodeCount: synchronousNodeCount,
    candidates: candidates(s),
    counted: ownRule(record)?.seats ?? [],
    inForce,
    someAway: inForce.length === 0 || inForce.some(name => memberByName(s.cluster, name) === null),
  })
}

/** Widened in the record before PostgreSQL is told: in between its processes mix the old and the new names. */
function towardsNames(
  s: Situation,
  record: TermRecord,
  own: AcknowledgementRule | null,
  wanted: Wanted,
): Step {
  // Still asynchronous: nothing is promised yet, and a cluster with nobody to wait for promises that nobody else leads.
  if (own === null) {
    if (wanted.set.k > 0) return tell(s, wanted.names)
    return { kind: 'record', rules: withOwn(record, []), why: 'nobody to wait for' }
  }
  if (mayBeSet(own, wanted.names.set)) return tell(s, wanted.names)
  return { kind: 'record', rules: replaceOwn(record, widen(own, wanted.set)), why: 'wider' }
}

function tell(s: Situation, names: Names): Step {
  const { namesTold } = s.view.memory
  const told = namesTold?.names.text === names.text && elapsedAtMost(namesTold.at, s.now) < TELL_AGAIN_MS
  return told ? { kind: 'wait', for: 'names in force', again: SOON_MS } : { kind: 'tell', names }
}

/** Adoption by every process that counts, then a position that enough seats have by their own word, then the record. */
function prove(s: Situation, status: PrimaryStatus, record: TermRecord, wanted: Wanted): Step {
  const proof = s.view.memory.namesProof
  if (proof?.names !== status.synchronousNames) return { kind: 'prove', text: status.synchronousNames }
  if (!proof.adopted) {
    const behind = status.replication.filter(one => one.syncPriority > 0 && !hasAdopted(one, proof))
    if (behind.length === 0) return { kind: 'note', proof: { ...proof, adopted: true } }
    if (elapsedAtMost(proof.since, s.now) < ADOPTION_MS)
      return { kind: 'wait', for: 'adoption', again: SOON_MS }
    return { kind: 'terminate', pids: behind.map(one => one.pid) }
  }
  // Of a look that began after the adoption was seen: what was acknowledged before lies below it.
  if (proof.caughtUpAt === null) return { kind: 'note', proof: { ...proof, caughtUpAt: status.position } }
  if (caughtUp(s, wanted.set.seats, proof.caughtUpAt) < wanted.set.k)
    return { kind: 'wait', for: 'seats to catch up', again: isVisible(s) ? LATER_MS : SOON_MS }
  const own = ownRule(record)
  const rules = own
    ? [narrowed(own, wanted.set)]
    : withOwn({ ...record, rules: [] }, wanted.set.seats, wanted)
  return { kind: 'record', rules, why: 'narrower' }
}

function hasAdopted(one: ReplicationConnection, proof: NamesProof): boolean {
  return one.flushed !== null && one.flushed >= proof.told
}

/** By the seats' own word: pg_stat_replication knows names, and behind a name may be another copy by now. */
function caughtUp(s: Situation, seats: readonly string[], position: Position): number {
  const reports = Object.values(s.view.peers).flatMap(report =>
    report.kind === 'known' ? [report.value] : [],
  )
  const have = reports.filter(
    report =>
      report.seatState === 'ready' &&
      report.position !== null &&
      comparePositions(report.position, position) >= 0,
  )
  return seats.filter(seat => have.some(report => report.seat === seat)).length
}

function replaceOwn(record: TermRecord, rule: AcknowledgementRule): readonly AcknowledgementRule[] {
  return [...(record.rules ?? []).slice(0, -1), rule]
}

function withOwn(
  record: TermRecord,
  seats: readonly string[],
  { set }: Pick<Wanted, 'set'> = { set: { seats: [], k: 0 } },
): readonly AcknowledgementRule[] {
  const rule = { term: record.term, leader: record.holder.seat, seats, k: set.k, seen: {} }
  return [...(record.rules ?? []), rule]
}

/**
 * Its own rule, so that the first commits can be acknowledged; where that names nobody, what the standby has: nothing is
 * acknowledged before a rule says by whom.
 */
export function namesAtPromotion(s: Situation): NamesInFile {
  const { record } = s
  if (!record || record.rules === null) return null
  const own = ownRule(record)
  const members = (own?.seats ?? []).flatMap(seat => {
    const member = s.cluster?.members.find(({ value }) => value.vigil?.seat === seat)
    return member ? [{ name: member.value.name, seat }] : []
  })
  const { synchronousMode, synchronousModeStrict, synchronousNodeCount } = s.view.settings
  const k = synchronousModeStrict ? Math.max(own?.k ?? 0, synchronousNodeCount) : (own?.k ?? 0)
  return namesOf(synchronousMode === 'on' ? 'FIRST' : 'ANY', k, own?.k === 0 ? [] : members)
}
