// Who takes over: exclusion, completeness, right (protocol A7).
import { comparePositions, type Position } from '../kernel/lsn.ts'
import { elapsedAtLeast, type Ms } from '../kernel/time.ts'
import { promisedMs } from './failsafe.ts'
import { leadingTrouble } from './health.ts'
import type { PeerReport } from './peer.ts'
import { heldOff, memberByInstall, memberByName, type Situation } from './situation.ts'
import {
  exclusionObstacle,
  isHolderSealed,
  isSuspected,
  isSynchronous,
  lossObstacle,
} from './synchronous/takeover.ts'
import type { TermRecord } from './term.ts'
import { FIRST_RIGHT_MS, STAGGER_MS } from './timers.ts'

/** Until the reports of the other members are from after a release. */
const SETTLE_MS: Ms = 300
/** Whoever gave up a moment ago leaves it to others for so long, and not for ever: they may have given up too. */
const HELD_OFF_TURN_MS: Ms = 5000

/** A copy that ends in recovery so often is damaged, or its disk is. */
export const CRASHES_MAX = 2

/** Why the old leader can certainly acknowledge nothing more; null: it may. */
export type Exclusion = 'released' | 'handed-over' | 'waited-out' | 'leader-sealed' | 'sealed'

/**
 * X1 and X2, and with seals X3. A missing leader key is not among them: in a pure cluster it is display only, and its
 * absence says nothing about the leader's deadline.
 */
export function exclusionOf(s: Situation): Exclusion | null {
  const { record } = s
  if (!record) return null
  // Nobody counts a deadline in a pause: that its holder is gone for good is an operator's word.
  if (record.state === 'paused') return s.waitedOut && isLossAccepted(s) ? 'waited-out' : null
  if (record.state === 'released') return 'released'
  if (record.state === 'handover' && record.successor === s.view.me.name && s.view.endsWithShutdown)
    return 'handed-over'
  if (s.waitedOut) return 'waited-out'
  if (!isSynchronous(s)) return null
  if (isHolderSealed(s)) return 'leader-sealed'
  return isSuspected(s) && exclusionObstacle(s) === null ? 'sealed' : null
}

/** What stands against a takeover by this member for as long as it lasts; null: nothing. */
export function obstacle(s: Situation): string | null {
  const right = rightObstacle(s)
  if (right !== null || !s.record || !s.end) return right
  const loss = lossAgainst(s)
  if (loss !== null) return loss
  // Of a released or handed-over leadership the record itself says that nothing runs; a report may be a second old.
  if (exclusionOf(s) === 'waited-out' && reachablePrimary(s))
    return 'a reachable member says that it runs as primary'
  return null
}

/** What may be missing here, unless an operator has taken that upon himself; null: nothing. */
export function lossAgainst(s: Situation): string | null {
  if (!s.record || !s.end || isLossAccepted(s)) return null
  if (!isSynchronous(s)) return lagObstacle(s, s.end, s.record)
  // A handed-over leadership ends with a checkpoint that is the last of everything.
  return exclusionOf(s) === 'handed-over' ? null : lossObstacle(s)
}

/** Named by an operator who has given up what others may have; who still may acknowledge must be out all the same. */
export function isLossAccepted({ cluster, view }: Situation): boolean {
  const asked = cluster?.failover?.value
  return asked?.acceptLoss === true && asked.member === view.me.name
}

function lagObstacle(s: Situation, end: Position, record: TermRecord): string | null {
  // After a clean stop the old leader has everything and may lead again: less is accepted only when it is gone too.
  if (record.final && !s.waitedOut && comparePositions(end, record.final) < 0)
    return 'behind the final position of the last leader'
  const lag = lagBehind(end, record.at)
  return lag > s.view.settings.maximumLagOnFailover ? `lags ${lag} bytes` : null
}

/** Why this member may not lead, whatever the others have. */
export function rightObstacle(s: Situation): string | null {
  const { record, view } = s
  if (!record) return 'there is no record'
  if (!record.members.includes(view.me.install)) return 'not a listed member'
  if (view.settings.tags.nofailover) return 'tagged nofailover'
  if (promisedMs(s) > 0) return 'promised to leave the leadership to a leader without a store'
  if (view.settings.standbyCluster) return 'the cluster is configured to follow another one'
  if (view.remembered.seatState !== 'ready') return `the copy is ${view.remembered.seatState}`
  if (s.running.kind !== 'standby') return 'no standby runs here'
  if (s.guard?.mode !== 'standby') return `the guard is ${s.guard?.mode ?? 'lost'}`
  if (s.guard.forbids) return s.guard.forbids
  if (!s.end) return 'the end of the local WAL is not known yet'
  if (s.lineage === 'diverged' || s.lineage === 'foreign') return `the copy is ${s.lineage}`
  if (view.job?.state === 'running') return `a ${view.job.order.kind} is running`
  const unfit = unfitness(s)
  if (unfit) return unfit
  if (foreignLeaderKey(s)) return 'the leader key names somebody who is not the holder'
  return wentBack(s, s.end) && !isLossAccepted(s) ? 'the copy holds less than it had reported' : null
}

/** What stands against leading here, beside the right to: disks, crashes, replay that is held back. */
export function unfitness({ view, running, now }: Situation): string | null {
  const { crashes } = view.memory
  if (crashes.length >= CRASHES_MAX) return 'it has crashed twice in recovery'
  if (running.kind === 'standby' && running.status.applyDelayed) return 'recovery_min_apply_delay is set'
  return leadingTrouble(view.health, now)
}

/** A lying disk or a restored snapshot: this is not the copy that had reported, whatever its identity says. */
function wentBack(s: Situation, end: Position): boolean {
  const { reported } = s.view.remembered
  return reported !== null && comparePositions(end, reported) < 0
}

/** Bytes that `mine` lacks of what the leader last reported. */
export function lagBehind(mine: Position, leader: Position | null): number {
  if (!leader || leader.lsn <= mine.lsn) return 0
  return Number(leader.lsn - mine.lsn)
}

/** How many reachable members would be better. Ties: failover priority, then name, so that everybody agrees. */
export function rankOf(s: Situation): number {
  return Object.values(s.view.peers).filter(reading => reading.kind === 'known' && better(s, reading.value))
    .length
}

/** How long this member still leaves it to better ones, from when exclusion held; 0: it is its turn. */
export function turnIn(s: Situation, exclusion: Exclusion): Ms {
  const since = s.view.memory.excludedSince
  const waited = since ? elapsedAtLeast(since, s.now) : 0
  const rank = rankOf(s)
  const first = firstRight(s, exclusion)
  const named = first === s.view.me.name
  const tired = heldOff(s) ? HELD_OFF_TURN_MS : 0
  // Of a release nobody has heard before: what the others said a moment ago is older than the leader's last commits.
  const settling = exclusion === 'released' && !named ? SETTLE_MS : 0
  const pause =
    settling + tired + (first !== null && !named ? FIRST_RIGHT_MS : 0) + (named ? 0 : rank * STAGGER_MS)
  return Math.max(0, pause - waited)
}

/** Who goes first: the successor of a release, else whom an operator has named, if that one can. */
function firstRight(s: Situation, exclusion: Exclusion): string | null {
  const successor = s.record?.successor ?? null
  if (exclusion === 'released' && successor !== null) return successor
  const named = s.cluster?.failover?.value.member ?? null
  if (named === null || named === s.view.me.name) return named
  const report = s.view.peers[named]
  return report?.kind === 'known' && report.value.promotable ? named : null
}

function better(s: Situation, peer: PeerReport): boolean {
  const record = s.record as TermRecord
  if (peer.install === null || !record.members.includes(peer.install) || peer.noFailover) return false
  if (!(peer.promotable || comesBack(peer, record))) return false
  if (!peer.position || !s.end || peer.install === s.view.me.install) return false
  const order = comparePositions(peer.position, s.end)
  if (order !== 0) return order > 0
  if (s.holding && record.state !== 'released') return false
  const theirs = priorityOf(s, peer.name)
  const mine = s.view.settings.tags.failoverPriority
  if (theirs !== mine) return theirs > mine
  if (holds(peer, record)) return true
  return peer.name < s.view.me.name
}

/** After an outage of the store the last leader may not have seen it again yet; nobody else needs to take over then. */
function comesBack(peer: PeerReport, record: TermRecord): boolean {
  return holds(peer, record) && peer.role === 'standby'
}

function holds(peer: PeerReport, record: TermRecord): boolean {
  return record.state !== 'released' && peer.install === record.holder.install
}

function priorityOf(s: Situation, name: string): number {
  const priority = memberByName(s.cluster, name)?.tags['failover_priority']
  return typeof priority === 'number' ? priority : 1
}

/** Only a Patroni agent puts its own name there (protocol A11): then the record is history. */
function foreignLeaderKey(s: Situation): boolean {
  const leader = s.cluster?.leader?.value
  return leader !== undefined && leader !== s.record?.holder.name && leader !== s.view.me.name
}

/** After the wait nobody should say so; if somebody does, its guard has failed, and two would be worse than none. */
function reachablePrimary(s: Situation): boolean {
  return Object.values(s.view.peers).some(
    reading =>
      reading.kind === 'known' &&
      reading.value.role === 'primary' &&
      memberByInstall(s.cluster, reading.value.install ?? '') !== null,
  )
}
