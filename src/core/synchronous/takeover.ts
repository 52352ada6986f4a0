// Replacing a leader whose commits wait for standbys (protocol A7): when it is suspected, whose seals prove that nothing
// is lost, and what the new leader's commits will wait for.
import { comparePositions, type Position } from '../../kernel/lsn.ts'
import { elapsedAtLeast } from '../../kernel/time.ts'
import { holderOf } from '../record.ts'
import type { Situation } from '../situation.ts'
import type { AcknowledgementRule, TermRecord } from '../term.ts'
import { waitOf } from '../timers.ts'
import { stayingSeat } from './leaving.ts'
import { ruleAtTakeover, sealObstacle } from './rule.ts'
import type { Contact, SealedAnswer } from './seal.ts'
import { ownSeal } from './sealed.ts'
import { observedSilence, suspicionOf } from './suspicion.ts'

/** The record says who must have acknowledged a commit; among Patroni agents their own votes count (protocol A11). */
export function isSynchronous(s: Situation): boolean {
  return s.record !== null && s.record.rules !== null && !s.record.mixed
}

/** The record has been silent for the suspicion, by this member's own observation. */
export function isOverdue(s: Situation): boolean {
  const { memory, settings } = s.view
  return observedSilence(memory) >= suspicionOf({ settings, memory, now: s.now })
}

/** X3 without its seals: overdue, and neither the leader's agent nor its PostgreSQL answers a new connection. */
export function isSuspected(s: Situation): boolean {
  const { settings, memory } = s.view
  if (!isSynchronous(s) || !settings.earlyTakeover || !s.record || !isOverdue(s)) return false
  if (s.record.state !== 'serving' && s.record.state !== 'electing') return false
  // What this member promised before it was started again, it does not know any more.
  const { startedAt } = memory
  if (!startedAt || elapsedAtLeast(startedAt, s.now) < waitOf(s.record.ttl)) return false
  const contact = s.view.holderContact
  if (contact?.install !== s.record.holder.install) return false
  return hasFailed(s, contact.agent) && hasFailed(s, contact.server)
}

/** Its agent is there and says that no primary runs: it may seal itself, and then nothing can be acknowledged there. */
export function isHolderIdle(s: Situation): boolean {
  const contact = s.view.holderContact
  if (!s.record || !isOverdue(s) || contact?.install !== s.record.holder.install) return false
  return contact.agent?.answered === true && contact.role !== 'primary'
}

/** Begun after the last renewal, ended without an answer. */
function hasFailed(s: Situation, contact: Contact | null): boolean {
  const { seen } = s.view.memory
  if (!contact || contact.answered || !seen) return false
  return elapsedAtLeast(contact.askedAt, s.now) <= elapsedAtLeast(seen.at, s.now)
}

/** Every seal of this revision, the own one included. */
export function sealsOf(s: Situation): readonly SealedAnswer[] {
  const own = ownSeal(s)
  const others = Object.values(s.view.seals).flatMap(answer => (answer.kind === 'sealed' ? [answer] : []))
  return [...others, ...(own ? [own] : [])].filter(answer => answer.base === s.revision)
}

export function isHolderSealed(s: Situation): boolean {
  return sealsOf(s).some(({ install, isHolder }) => isHolder && install === s.record?.holder.install)
}

/** Why the seals so far do not keep the old leader from acknowledging; null: they do. */
export function exclusionObstacle(s: Situation): string | null {
  return setObstacle(s, sealsOf(s))
}

/** Why this copy may lack something that was acknowledged; null: it certainly has everything. */
export function lossObstacle(s: Situation): string | null {
  const { record, end } = s
  if (!record || !end) return 'the end of the local WAL is not known yet'
  if (record.final && comparePositions(end, record.final) >= 0) return null
  // It may lead again, and has what sessions that do not wait were told: seals prove nothing of that.
  if (record.final && !s.waitedOut) return 'behind the final position of the last leader'
  const seals = sealsOf(s)
  const against = setObstacle(
    s,
    seals.filter(seal => comparePositions(seal.position, end) <= 0),
  )
  if (against === null) return null
  const ahead = setObstacle(s, seals) === null ? bestOf(seals) : null
  return ahead ? `${ahead.name} has WAL that is missing here` : against
}

/** The sealed copy to fetch missing WAL from; null: the seals prove nothing yet, or nothing is missing. */
export function aheadOf(s: Situation): SealedAnswer | null {
  const seals = sealsOf(s)
  if (setObstacle(s, seals) !== null || lossObstacle(s) === null) return null
  const best = bestOf(seals)
  return best && best.install !== s.view.me.install ? best : null
}

function setObstacle(s: Situation, seals: readonly SealedAnswer[]): string | null {
  if (!s.record?.rules || !ownSeal(s)) return 'this copy is not sealed yet'
  const sealed = seals.map(({ seat, seatState, position }) => ({
    seat,
    ready: seatState === 'ready',
    position,
  }))
  return sealObstacle(s.record.rules, sealed, s.record.at)
}

function bestOf(seals: readonly SealedAnswer[]): SealedAnswer | null {
  const order = (a: Position, b: Position) => comparePositions(b, a)
  return [...seals].sort((a, b) => order(a.position, b.position))[0] ?? null
}

/** Commits may be on the leader's copy alone: without that one no seals prove anything. */
export function onlyLeaderHasAll(record: TermRecord): boolean {
  return record.rules?.at(-1)?.k === 0
}

/**
 * Whether seals are worth asking for: the old leader is out, or suspected, and what it acknowledged must be found.
 * Nobody is cut off for a takeover that can't succeed.
 */
export function sealsWanted(s: Situation): boolean {
  const { record, end } = s
  if (!record || !isSynchronous(s) || record.state === 'paused' || !end) return false
  if (record.final && comparePositions(end, record.final) >= 0) return false
  if (record.state === 'handover' && record.successor === s.view.me.name && s.view.endsWithShutdown)
    return false
  if (onlyLeaderHasAll(record) && !s.holding && !isHolderIdle(s)) return false
  return record.state === 'released' || s.waitedOut || isSuspected(s) || isHolderIdle(s)
}

/** T3: the rules so far, and this member's own: commits of the new term wait for copies that are there. */
export function rulesTaken(s: Situation): Pick<TermRecord, 'rules' | 'rulesVersion'> {
  const record = s.record as TermRecord
  const { rules, rulesVersion } = record
  if (rules === null) return { rules, rulesVersion }
  const term = record.term + 1
  const { seat } = holderOf(s.view)
  const newest = rules.at(-1)
  // The same copy leads again, and its commits wait for the same ones: one rule says both.
  if (newest?.leader === seat)
    return { rules: [...rules.slice(0, -1), { ...newest, term }], rulesVersion: rulesVersion + 1 }
  const sealed = seatsForNewRule(s, newest)
  const own = ruleAtTakeover({ term, seat, sealed, wantedK: s.view.settings.synchronousNodeCount })
  return { rules: [...rules, own], rulesVersion: rulesVersion + 1 }
}

function seatsForNewRule(
  s: Situation,
  newest: AcknowledgementRule | undefined,
): readonly { readonly seat: string }[] {
  const own = s.view.remembered.seat
  const answered = sealsOf(s).filter(({ seat, seatState }) => seatState === 'ready' && seat !== own)
  if (answered.length > 0 || !newest) return answered
  // After a release nobody was asked: the copies that counted before, and the one that led.
  const present = (s.cluster?.members ?? []).flatMap(({ value }) => stayingSeat(value) ?? [])
  return [...newest.seats, newest.leader].filter(seat => present.includes(seat)).map(seat => ({ seat }))
}
