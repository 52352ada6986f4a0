// Rules from a won term to a serving primary (protocol A6 "Promotion"). The guard promotes, only before the deadline.
import type { Timeline } from '../../kernel/lsn.ts'
import { elapsedAtMost } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { isLossAccepted } from '../candidate.ts'
import type { HistoryRow } from '../cluster.ts'
import { promisedMs } from '../failsafe.ts'
import { servingRecord } from '../record.ts'
import { isDead, renewalDue, type Situation } from '../situation.ts'
import { namesAtPromotion } from '../synchronous/change.ts'
import { isVisible } from '../synchronous/visibility.ts'
import type { ChainEntry, TermRecord } from '../term.ts'
import { plainRenewal, renew, take } from '../transaction.ts'
import { exitOf, giveUp, leads } from './leading.ts'
import { type Plan, type Rule, wait } from './rule.ts'

/** Promotion is asked for again when nothing came of it for so long. */
const PROMOTE_AGAIN_MS = 2000
const POLL_MS = 25
const STARTS_MAX = 3
const STARTS_WINDOW_MS = 30_000
const HOLD_OFF_MS = 30_000

function electing(s: Situation): boolean {
  return leads(s) && s.record?.state === 'electing'
}

export const PROMOTING: readonly Rule[] = [
  {
    id: 'bootstrap-initialise',
    when: 'elected to create the cluster, and there is no data yet',
    does: 'runs initdb, renewing meanwhile',
    plan: s => (electing(s) && isDead(s) && creating(s) && needsInitdb(s) ? initialise(s) : null),
  },
  {
    id: 'promote-exhausted',
    when: 'elected, and the instance does not come up',
    does: 'releases the leadership (T5)',
    plan: s => {
      if (!electing(s)) return null
      const { startingSince, starts } = s.view.memory
      const slow =
        startingSince !== null && elapsedAtMost(startingSince, s.now) > s.view.settings.primaryStartTimeoutMs
      const recent = starts.filter(at => elapsedAtMost(at, s.now) < STARTS_WINDOW_MS)
      const unusable = s.view.remembered.seatState === 'incomplete' && !creating(s)
      if (isDead(s) && (recent.length >= STARTS_MAX || unusable)) return giveUp(s, HOLD_OFF_MS)
      return slow && !isDead(s)
        ? { actions: [{ kind: 'kill', reason: 'it took too long to start' }, ...renewing(s).actions] }
        : null
    },
  },
  {
    id: 'promote-died',
    when: 'elected, the promotion was begun, and the instance died; or it died and is back as a standby',
    does: 'takes the next term (T3): a promotion is never repeated under its old number',
    plan: s =>
      electing(s) && promotionBegun(s) && (isDead(s) || cameBack(s))
        ? { because: exitOf(s), actions: [take(s)], wakeInMs: 20, memory: { lastAttemptAt: s.now } }
        : null,
  },
  {
    id: 'promote-start',
    when: 'elected, and nothing runs',
    does: 'starts the instance as a standby without an upstream',
    plan: s =>
      electing(s) && isDead(s)
        ? withRenewal(s, [{ kind: 'start', upstream: null, slot: null }], {
            memory: { starts: [s.now, ...s.view.memory.starts].slice(0, STARTS_MAX) },
            wakeInMs: POLL_MS,
          })
        : null,
  },
  {
    id: 'promote-settle',
    when: 'elected, and an earlier request of this agent may still be applied',
    does: 'renews first: its success voids what is in flight',
    plan: s => (electing(s) && !s.view.memory.settled ? { ...renewing(s, true), wakeInMs: POLL_MS } : null),
  },
  {
    id: 'promote-wrong-timeline',
    when: 'promoted, or about to be promoted, to a timeline that the record did not give',
    does: 'kills the instance and marks its copy as unusable',
    plan: s =>
      electing(s) && offGivenTimeline(s)
        ? {
            because: { timeline: s.end?.timeline ?? null, given: s.record?.timelineMax ?? null },
            actions: [
              { kind: 'kill', reason: 'on another timeline than the record gave' },
              { kind: 'mark-seat', state: 'incomplete' },
            ],
          }
        : null,
  },
  {
    id: 'prepare-cluster',
    when: 'the new cluster is promoted and has no roles yet',
    does: 'creates the roles that members need, renewing meanwhile',
    plan: s => (electing(s) && s.running.kind === 'primary' && creating(s) ? prepare(s) : null),
  },
  {
    id: 'serve',
    when: 'promoted to the given timeline',
    does: 'puts standby.signal back and records the promotion (T4)',
    plan: s => (electing(s) && s.running.kind === 'primary' ? serve(s) : null),
  },
  {
    id: 'promote',
    when: 'elected, and the instance is a standby whose end is known',
    does: 'has the guard promote it to the given timeline',
    plan: s => {
      if (!electing(s) || s.running.kind !== 'standby' || !s.armed || !s.end || promisedMs(s) > 0) return null
      // Sealed for somebody else's takeover of this very revision: only a newer one may lead to a promotion.
      if (s.view.remembered.promise !== null) return null
      const { promotedTerm, promoteAskedAt } = s.view.memory
      const asked = promotedTerm === s.record?.term && promoteAskedAt !== null
      const askedNow = asked && elapsedAtMost(promoteAskedAt, s.now) < PROMOTE_AGAIN_MS
      // On the given number already: either this is the moment of the promotion, or `promote-died` takes it from here.
      if (askedNow || s.end.timeline === s.record?.timelineMax) return withRenewal(s, [], {})
      return withRenewal(s, [promotion(s, s.record as TermRecord, s.end.timeline)], {})
    },
  },
  {
    id: 'promote-wait',
    when: 'elected, and the instance is not ready yet',
    does: 'renews and waits',
    plan: s => (electing(s) ? withRenewal(s, [], {}) : null),
  },
]

function promotion(s: Situation, record: TermRecord, from: Timeline): Action {
  const lsn = s.end?.lsn ?? s.record?.at?.lsn
  return {
    kind: 'promote',
    term: record.term,
    from,
    timeline: record.timelineMax,
    lsn: lsn as NonNullable<typeof lsn>,
    names: namesAtPromotion(s),
    closed: !isVisible(s),
  }
}

/** The renewal, if it is due, before anything else: what follows may take its time. */
function withRenewal(s: Situation, actions: readonly Action[], rest: Partial<Plan>): Plan {
  const renewal = renewing(s)
  return {
    wakeInMs: POLL_MS,
    ...rest,
    because: { running: s.running.kind, ...rest.because },
    actions: [...renewal.actions, ...actions],
    memory: { ...renewal.memory, ...rest.memory },
  }
}

function renewing(s: Situation, always = false): Plan {
  if (!always && !renewalDue(s)) return wait()
  return { actions: [plainRenewal(s, s.end)], memory: { lastAttemptAt: s.now } }
}

/** The term was won to create the cluster: no system identifier is recorded. */
function creating(s: Situation): boolean {
  return s.cluster?.initialize?.value === ''
}

function needsInitdb(s: Situation): boolean {
  const found = s.view.directory
  if (found.kind !== 'known') return false
  return (
    found.value.kind === 'empty' ||
    (found.value.kind === 'unfinished' && s.view.job?.state === 'running') ||
    (found.value.kind === 'unfinished' && found.value.what === 'bootstrap' && s.view.remembered.seat === null)
  )
}

function initialise(s: Situation): Plan {
  const { job } = s.view
  if (job?.state === 'failed') {
    const released = giveUp(s, HOLD_OFF_MS)
    const exit: Action = { kind: 'exit', status: 1, reason: `initdb failed: ${job.reason}` }
    return { ...released, actions: [...released.actions, exit] }
  }
  if (job) return withRenewal(s, [], { wakeInMs: 200 })
  const seat = s.record?.holder.seat ?? s.view.chance.seat
  return withRenewal(s, [{ kind: 'run-job', order: { kind: 'initialise', seat } }], { wakeInMs: 200 })
}

function prepare(s: Situation): Plan | null {
  const { job } = s.view
  if (job?.order.kind === 'prepare-cluster') {
    if (job.state === 'done') return null
    if (job.state === 'failed')
      return withRenewal(s, [{ kind: 'clear-job' }], { because: { failed: job.reason }, wakeInMs: 1000 })
    return withRenewal(s, [], { wakeInMs: 50 })
  }
  if (job) return withRenewal(s, job.state === 'running' ? [] : [{ kind: 'clear-job' }], {})
  return withRenewal(s, [{ kind: 'run-job', order: { kind: 'prepare-cluster' } }], { wakeInMs: 50 })
}

function promotionBegun(s: Situation): boolean {
  const { record } = s
  return s.view.remembered.promotions.some(p => p.term === record?.term)
}

/**
 * A standby on the number that was given was promoted, has died and was started again: promoted once more it would
 * take another number. In the moment of a promotion one look may see the same, so it must last.
 */
function cameBack(s: Situation): boolean {
  if (s.running.kind !== 'standby' || s.end?.timeline !== s.record?.timelineMax) return false
  const { startingSince, promotedTerm, promoteAskedAt } = s.view.memory
  const asked = promotedTerm === s.record?.term ? promoteAskedAt : null
  return [startingSince, asked].every(
    since => since === null || elapsedAtMost(since, s.now) >= PROMOTE_AGAIN_MS,
  )
}

/** A promotion takes the next free number: one that is not below the given number already can't end on it. */
function offGivenTimeline(s: Situation): boolean {
  const given = s.record?.timelineMax ?? 0
  // A number alone proves nothing: somebody may have promoted by hand a moment before it was given.
  if (s.running.kind === 'primary') return s.running.status.position.timeline !== given || !promotionBegun(s)
  if (s.running.kind !== 'standby' || !s.end) return false
  // In the moment of a promotion one look may see both: still in recovery, and already on the given number.
  return s.end.timeline > given || (s.end.timeline === given && !promotionBegun(s))
}

function serve(s: Situation): Plan {
  const { running, record } = s
  const entries = chainEntries(s)
  if (running.kind !== 'primary' || !record || !entries) return withRenewal(s, [], {})
  const systemIdentifier = running.status.systemIdentifier
  const recorded = s.cluster?.initialize?.value === systemIdentifier
  const next = servingRecord(s.view, record, running.status.position, entries)
  return {
    because: { timeline: record.timelineMax },
    actions: [
      { kind: 'ensure-standby-signal' },
      renew(s, next, 'T4', {
        ...(recorded ? {} : { initialize: { value: systemIdentifier, ifAbsent: false } }),
        history: historyRows(s, entries),
        // Whatever was asked of the last leader, this promotion is the answer to it.
        ...(s.cluster?.failover
          ? { failover: { value: null, modRevision: s.cluster.failover.modRevision } }
          : {}),
      }),
      // Only behind T4: before it somebody else may create the cluster, and this copy would have to go.
      ...(s.view.memory.servedMarked ? [] : [{ kind: 'mark-served' } as const]),
      ...(s.view.job && s.view.job.state !== 'running' ? [{ kind: 'clear-job' } as const] : []),
    ],
    memory: { lastAttemptAt: s.now },
    wakeInMs: 50,
  }
}

/**
 * The promotions of this copy's history that the chain lacks, the newest last. Numbers and terms grow together,
 * one by one, so the term of each follows from its number.
 */
function chainEntries(s: Situation): readonly ChainEntry[] | null {
  const { history } = s.view
  const { record } = s
  if (!history || !record) return null
  const oldest = record.chain[0]?.timeline ?? record.timelineMax
  const switches = history.map((line, index) => ({
    timeline: history[index + 1]?.timeline ?? record.timelineMax,
    parent: line.timeline,
    fork: line.end,
  }))
  return switches
    .filter(({ timeline }) => timeline >= oldest && !record.chain.some(entry => entry.timeline === timeline))
    .map(entry => ({
      term: ownTerm(s, entry.timeline) ?? record.term - (record.timelineMax - entry.timeline),
      ...entry,
      ...(entry.timeline === record.timelineMax && isLossAccepted(s) && { lossAccepted: true }),
    }))
}

/** After a new beginning of the store numbers and terms no longer grow together. */
function ownTerm(s: Situation, timeline: Timeline): number | null {
  return s.view.remembered.promotions.find(known => known.timeline === timeline)?.term ?? null
}

/** Patroni's `/history`: one row for each timeline that ended. */
function historyRows(s: Situation, entries: readonly ChainEntry[]): readonly HistoryRow[] {
  const past = s.cluster?.history?.value ?? []
  const lines = s.view.history ?? []
  const rows = lines
    .filter(line => !past.some(row => row[0] === line.timeline))
    .map((line): HistoryRow => {
      const newest = line === lines[lines.length - 1]
      const reason = `no recovery target specified`
      const lsn = Number(line.end)
      return newest
        ? [line.timeline, lsn, reason, s.view.wallTime, s.view.me.name]
        : [line.timeline, lsn, reason]
    })
  const all = [...past, ...(entries.length > 0 ? rows : [])]
  const { maxTimelinesHistory } = s.view.settings
  return maxTimelinesHistory > 0 ? all.slice(-maxTimelinesHistory) : all
}
