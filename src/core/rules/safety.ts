// Rules that come before everything else: nothing may run as primary without a live guard and its own term.
import { elapsedAtMost, later, reached, remaining } from '../../kernel/time.ts'
import type { Situation } from '../situation.ts'
import { gracefulStopMargin } from '../timers.ts'
import type { Rule } from './rule.ts'
import { wait } from './rule.ts'

/** A guard that is connected but silent for so long is stopped or hung: the agent fences by itself. */
const GUARD_SILENCE_MAX_MS = 2000

/**
 * A new agent that can't reach a guard for so long has a stopped one before it: nobody keeps the deadline that only
 * that guard knows.
 */
const GUARD_START_MAX_MS = 5000
/** A silent guard this close to its deadline may not keep it; one look of the agent can take a second. */
const SILENT_DEADLINE_MS = 1500
/** The guard has a timer for its deadline: so much later it is not there. */
const GUARD_LATE_MS = 200

export const SAFETY: readonly Rule[] = [
  {
    id: 'guard-lost',
    when: 'the guard was there and is gone, has been silent for 2 s, is silent shortly before its deadline, or can not be reached for 5 s',
    does: 'kills the instance without it and starts a new guard',
    plan: s =>
      guardLost(s)
        ? {
            because: { connected: s.view.guard !== null },
            actions: [{ kind: 'kill', reason: 'the guard is lost' }, { kind: 'ensure-guard' }],
            wakeInMs: 100,
          }
        : null,
  },
  {
    id: 'deadline-passed',
    when: 'the deadline has passed and the guard has not killed the instance',
    does: 'kills it without the guard',
    plan: s => {
      const status = s.view.guard?.status
      const over = status?.mode === 'armed' && status.alive && status.deadline !== null
      if (!over || !reached(later(status.deadline, GUARD_LATE_MS), s.now)) return null
      return { actions: [{ kind: 'kill', reason: 'the deadline has passed' }], wakeInMs: 50 }
    },
  },
  {
    id: 'guard-missing',
    when: 'no guard is connected, or its echo is too old to act on',
    does: 'connects to it or starts one; nothing else happens without it',
    plan: s => {
      if (s.guard) return null
      // One that is connected and silent needs time, not another connection: looking for it would delay a kill.
      return { actions: s.view.guard ? [] : [{ kind: 'ensure-guard' }], wakeInMs: 100 }
    },
  },
  {
    id: 'foreign-primary',
    when: 'a primary that the guard did not start runs on the data directory and no cluster is recorded',
    does: 'ends the agent and touches nothing',
    plan: s =>
      s.guard?.adopted && s.running.kind === 'primary' && s.cluster && !s.record && !s.frozen
        ? { actions: [{ kind: 'exit', status: 1, reason: FOREIGN_PRIMARY }] }
        : null,
  },
  {
    id: 'promoted-by-hand',
    when: 'the instance is a primary and the guard has no term for it',
    does: 'kills it; its copy is on a timeline that nobody gave out, so it is made anew',
    plan: s =>
      s.guard?.mode === 'standby' && s.running.kind === 'primary' && (s.record || s.frozen)
        ? {
            actions: [
              { kind: 'kill', reason: 'promoted without a term' },
              { kind: 'mark-seat', state: 'incomplete' },
            ],
            wakeInMs: 100,
          }
        : null,
  },
  {
    id: 'killed-by-guard',
    when: 'the guard found a promotion by hand and killed the instance by itself',
    does: 'marks the copy, so that it is made anew',
    plan: s =>
      s.guard?.exit?.cause === 'promoted' && !s.guard.alive && !s.view.memory.promotionMarked
        ? {
            actions: [{ kind: 'mark-seat', state: 'incomplete' }],
            memory: { promotionMarked: true },
            wakeInMs: 20,
          }
        : null,
  },
  {
    id: 'stale-primary',
    when: 'the guard serves a term that the record no longer names, by a look or by a lost comparison, or the leader key names somebody else',
    does: 'kills the instance',
    plan: s =>
      staleTerm(s)
        ? {
            because: { guardTerm: s.guard?.term ?? null, recordTerm: s.record?.term ?? null },
            actions: [{ kind: 'kill', reason: 'somebody else leads' }],
            wakeInMs: 100,
          }
        : null,
  },
  {
    id: 'store-lost-stop',
    when: 'the store does not answer and the deadline is near',
    does: 'stops the primary in order, before the guard kills it',
    plan: s => {
      const deadline = s.guard?.mode === 'armed' && s.guard.alive ? s.guard.deadline : null
      if (s.cluster || !deadline || s.view.memory.stopAskedAt) return null
      const left = remaining(deadline, s.now)
      const { settings } = s.view
      const granted = settings.strictReads ? Math.min(settings.ttlMs, settings.suspicionMs) : settings.ttlMs
      if (left > gracefulStopMargin(granted)) return null
      return { because: { leftMs: left }, actions: [{ kind: 'stop', mode: 'fast' }], wakeInMs: 100 }
    },
  },
]

/** Behind the answers to others: what they ask is a promise to do nothing. */
export const FREEZING: readonly Rule[] = [
  {
    id: 'store-frozen',
    when: 'the store is not the one this member knows, or went back in time',
    does: 'nothing: a primary runs to its deadline, nobody is promoted, an operator is needed',
    // An agent that is to end must be able to, whatever the store says.
    plan: s => (s.frozen && s.view.ending === 'no' ? wait({ reason: s.frozen }, 1000) : null),
  },
]

const FOREIGN_PRIMARY =
  'A PostgreSQL that vigil did not start runs as primary on this data directory. Stop it first; nothing was changed.'

function guardLost(s: Situation): boolean {
  const { guard, memory } = s.view
  const missing = memory.guardMissingSince
  if (!guard)
    return memory.guardMet || (missing !== null && elapsedAtMost(missing, s.now) >= GUARD_START_MAX_MS)
  if (s.guard) return false
  const { deadline } = guard.status
  const near = deadline !== null && remaining(deadline, s.now) <= SILENT_DEADLINE_MS
  return near || elapsedAtMost(guard.echoAt, s.now) >= GUARD_SILENCE_MAX_MS
}

function staleTerm(s: Situation): boolean {
  if (!s.guard?.alive || (s.guard.mode !== 'armed' && s.guard.mode !== 'unarmed')) return false
  if (s.guard.term !== null && s.guard.term === s.view.memory.lostTerm) return true
  if (!s.record || s.frozen) return false
  if (!s.holding || !s.guardKnowsTerm) return true
  return s.cluster?.leader != null && s.cluster.leader.value !== s.view.me.name
}
