// The facts that the rules speak of, named once.
import type { Position } from '../kernel/lsn.ts'
import { elapsedAtLeast, elapsedAtMost, type Instant, isAfter, type Ms, reached } from '../kernel/time.ts'
import type { ClusterState, MemberRecord } from './cluster.ts'
import type { GuardStatus } from './guard-status.ts'
import type { ControlData, PrimaryStatus, StandbyStatus } from './instance.ts'
import { type Lineage, lineageOf } from './lineage.ts'
import type { Attempt, Memory } from './memory.ts'
import { isReseed } from './seed.ts'
import type { TermRecord } from './term.ts'
import { GUARD_ECHO_MAX_MS, waitOf } from './timers.ts'
import type { View } from './view.ts'

/** `none`: no process runs. `unknown`: something runs and does not answer. */
export type Running =
  | { readonly kind: 'primary'; readonly status: PrimaryStatus }
  | { readonly kind: 'standby'; readonly status: StandbyStatus }
  | { readonly kind: 'starting' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'none' }

export interface Situation {
  readonly view: View
  readonly now: Instant
  /** null while the guard is not connected or its echo is too old. */
  readonly guard: GuardStatus | null
  readonly cluster: ClusterState | null
  readonly record: TermRecord | null
  /** Revision of the record as read in this tick. */
  readonly revision: bigint | null
  /** This installation is the record's holder. */
  readonly holding: boolean
  /** The guard has served, or serves, the record's own term: it can say whether that leadership is alive. */
  readonly guardKnowsTerm: boolean
  /** Armed for the record's term, and the deadline has not come. */
  readonly armed: boolean
  readonly running: Running
  /** The end of what this copy holds, when it is known for certain. */
  readonly end: Position | null
  readonly lineage: Lineage | null
  readonly control: ControlData | null
  /** Time since this process received the record's newest revision; null: never received. */
  readonly silence: Ms | null
  /** The leader's deadline has certainly passed, by this observer's clocks. */
  readonly waitedOut: boolean
  /** An own transaction on the record may still be applied. */
  readonly unresolved: boolean
  /** Why the store must not be trusted now, or null (protocol A10, A12-5). */
  readonly frozen: string | null
  readonly leaderMember: MemberRecord | null
}

export function situationOf(view: View): Situation {
  const { now } = view
  const cluster = view.store.kind === 'known' ? view.store.value : null
  const record = cluster?.term?.value ?? null
  const guard = liveGuard(view)
  const holding = record?.holder.install === view.me.install
  const running = runningOf(view, guard)
  const end = endOf(running)
  const silence = view.memory.seen ? elapsedAtLeast(view.memory.seen.at, now) : null
  const guardKnowsTerm = record !== null && guard?.term === record.term
  return {
    view,
    now,
    guard,
    cluster,
    record,
    revision: cluster?.term?.modRevision ?? null,
    holding,
    guardKnowsTerm,
    armed:
      guardKnowsTerm && guard?.mode === 'armed' && guard.deadline !== null && !reached(guard.deadline, now),
    running,
    end,
    lineage:
      record && end
        ? lineageOf(end, record, { promotions: view.remembered.promotions, history: view.history })
        : null,
    control:
      view.directory.kind === 'known' && view.directory.value.kind === 'present'
        ? view.directory.value.control
        : null,
    silence,
    waitedOut: record !== null && silence !== null && silence >= waitOf(record.ttl),
    unresolved:
      !view.memory.settled && view.memory.attempts.some(attempt => mayBeApplied(attempt, view.memory)),
    frozen: cluster ? frozenReason(view, cluster) : null,
    leaderMember: record ? memberByInstall(cluster, record.holder.install) : null,
  }
}

/** Its comparison can still succeed: nothing newer than what it compares with has been seen. */
function mayBeApplied({ base, record }: Attempt, { seen }: Memory): boolean {
  if (seen === null || base === null) return seen === null
  return seen.seed !== record.seed?.id || seen.revision <= base
}

export function memberByInstall(cluster: ClusterState | null, install: string): MemberRecord | null {
  return cluster?.members.find(member => member.value.vigil?.install === install)?.value ?? null
}

export function memberByName(cluster: ClusterState | null, name: string): MemberRecord | null {
  return cluster?.members.find(member => member.value.name === name)?.value ?? null
}

/** The renewal period, shortened when the ttl in force is. */
export function renewalDue(situation: Situation): boolean {
  const { lastAttemptAt } = situation.view.memory
  if (!lastAttemptAt) return true
  // A tick that comes a little early renews too: the period must not slip to twice its length.
  return elapsedAtMost(lastAttemptAt, situation.now) >= situation.view.settings.renewalMs - 100
}

/** Whether nothing of the instance can act any more, by the word of a live guard. */
export function isDead(situation: Situation): boolean {
  return situation.guard !== null && !situation.guard.alive
}

export function heldOff(situation: Situation): boolean {
  const { heldOffUntil } = situation.view.memory
  return heldOffUntil !== null && isAfter(heldOffUntil, situation.now)
}

function liveGuard(view: View): GuardStatus | null {
  if (!view.guard) return null
  return elapsedAtMost(view.guard.echoAt, view.now) < GUARD_ECHO_MAX_MS ? view.guard.status : null
}

function runningOf(view: View, guard: GuardStatus | null): Running {
  if (guard && !guard.alive) return { kind: 'none' }
  if (view.instance.kind === 'lost') return { kind: 'unknown' }
  const status = view.instance.value
  if (status.kind === 'primary') return { kind: 'primary', status }
  if (status.kind === 'standby') return { kind: 'standby', status }
  return { kind: 'starting' }
}

/** Protocol A8 "Position": only when replay has used up the local WAL, or streaming has begun (experiment 0010). */
function endOf(running: Running): Position | null {
  if (running.kind === 'primary') return running.status.position
  if (running.kind !== 'standby') return null
  if (!running.status.localWalReplayed && running.status.received === null) return null
  return running.status.position
}

function frozenReason(view: View, cluster: ClusterState): string | null {
  const { remembered } = view
  if (cluster.term && isReseed(remembered, cluster.term.value, cluster.clusterId)) return null
  if (remembered.storeCluster !== null && remembered.storeCluster !== cluster.clusterId)
    return 'the store is another one than before'
  const term = cluster.term
  if (!term && cluster.damaged.some(entry => entry.key.endsWith('/vigil/term')))
    return 'the term record is there and can not be read'
  if (!term) return remembered.termMax > 0 ? 'the term record has disappeared' : null
  if (term.value.cluster !== cluster.clusterId) return 'the term record was written for another store'
  if (term.value.term < remembered.termMax) return 'the term went backward'
  const { seen } = view.memory
  const sooner = seen && seen.seed === term.value.seed?.id && term.modRevision < seen.revision
  if (sooner || term.modRevision < remembered.revisionMax) return 'the store went backward'
  if (term.value.rulesVersion < remembered.rulesVersionMax) return 'the rules went backward'
  return laterTermElsewhere(view, term.value)
}

/** A member that was away when the store lost something does not know it by itself. */
function laterTermElsewhere({ peers }: View, { term, members }: TermRecord): string | null {
  const found = Object.values(peers).find(
    reading =>
      reading.kind === 'known' &&
      (reading.value.term ?? 0) > term &&
      members.includes(reading.value.install ?? ''),
  )
  return found?.kind === 'known' ? `${found.value.name} knows a later term` : null
}
