// Rules of a member that leads: the record names this installation, and its guard knows the term.
import { elapsedAtMost } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { configureAs } from '../configuration.ts'
import { failsafeText, statusText } from '../published-status.ts'
import { heldOff, isDead, renewalDue, type Situation } from '../situation.ts'
import { slotsFor } from '../slots.ts'
import type { TermRecord } from '../term.ts'
import { pause, plainRenewal, release, resume, take } from '../transaction.ts'
import { type Plan, type Rule, wait } from './rule.ts'

/** Takeovers of its own within this time before a member gives up leading. */
const SELF_TAKE_WINDOW_MS = 60_000
export const SELF_TAKES_MAX = 5
const HOLD_OFF_MS = 30_000
/** Of what PostgreSQL printed before it ended by itself. */
const LAST_LINES = 4

export function leads(s: Situation): boolean {
  return s.holding && s.guardKnowsTerm && s.record !== null
}

export const LEADING: readonly Rule[] = [
  {
    id: 'pause-end',
    when: 'leading in maintenance pause, and the pause was ended',
    does: 'arms the guard, then records the end (T6); with a dead instance takes the next term (T3)',
    plan: s => {
      if (!leads(s) || s.record?.state !== 'paused' || s.view.settings.pause) return null
      const end = s.running.kind === 'primary' ? resume(s, s.end) : isDead(s) ? take(s) : null
      return end ? { actions: [end], memory: { lastAttemptAt: s.now }, wakeInMs: 100 } : null
    },
  },
  {
    id: 'paused',
    when: 'leading in maintenance pause',
    does: 'renews while PostgreSQL is a primary; starts, stops and promotes nothing',
    plan: s => (leads(s) && s.record?.state === 'paused' ? keepPaused(s) : null),
  },
  {
    id: 'release-exhausted',
    when: 'leading, the instance is dead, and it was promoted again too often',
    does: 'releases the leadership (T5) and stays away from it for a while',
    plan: s =>
      leads(s) && s.record?.state === 'serving' && isDead(s) && tooManySelfTakes(s) && hasOtherMember(s)
        ? giveUp(s, HOLD_OFF_MS)
        : null,
  },
  {
    id: 'self-take',
    when: "leading, serving, and the instance is dead by the guard's word, or only a standby",
    does: 'takes the next term at once (T3); it starts as a standby and is promoted under it',
    plan: s =>
      leads(s) && s.record?.state === 'serving' && !primaryRuns(s) && !heldOff(s)
        ? {
            because: exitOf(s),
            actions: [take(s)],
            wakeInMs: 20,
            memory: {
              lastAttemptAt: s.now,
              starts: [],
              selfTakes: [s.now, ...s.view.memory.selfTakes].slice(0, SELF_TAKES_MAX),
              hung: false,
            },
          }
        : null,
  },
  {
    id: 'pause-begin',
    when: 'leading, and maintenance pause was asked for',
    does: 'records the pause (T6), then lifts the deadline',
    plan: s =>
      leads(s) && s.record?.state === 'serving' && s.running.kind === 'primary' && s.view.settings.pause
        ? { actions: [pause(s, s.end)], memory: { lastAttemptAt: s.now }, wakeInMs: 100 }
        : null,
  },
  {
    id: 'lead',
    when: 'leading and serving',
    does: 'renews each second (T1); keeps configuration, slots and the first checkpoint in order',
    plan: s => (leads(s) && s.record?.state === 'serving' ? lead(s) : null),
  },
]

/** A standby writes nothing: whether it is dead or in recovery, the leadership of this term is over. */
function primaryRuns(s: Situation): boolean {
  return !isDead(s) && s.running.kind !== 'standby'
}

function lead(s: Situation): Plan {
  const due = renewalDue(s)
  const healthy = s.running.kind === 'primary'
  const at = healthy ? s.end : null
  return {
    because: { healthy },
    actions: [...(due ? [plainRenewal(s, at, otherKeys(s))] : []), ...upkeep(s)],
    ...(due ? { memory: { lastAttemptAt: s.now } } : {}),
  }
}

/** Work of a serving primary besides renewing. One job at a time; none of it is urgent. */
export function upkeep(s: Situation): readonly Action[] {
  if (s.running.kind !== 'primary' || !s.view.memory.settled) return []
  const marked: readonly Action[] = s.view.memory.servedMarked ? [] : [{ kind: 'mark-served' }]
  return [...marked, ...configureAs(s, 'primary', null), ...slotsFor(s), ...firstCheckpoint(s)]
}

/** pg_rewind on the others reads the new timeline from the control file, which only a checkpoint writes. */
function firstCheckpoint(s: Situation): readonly Action[] {
  const { memory, job } = s.view
  const term = s.record?.term ?? 0
  if (memory.checkpointedTerm === term) return []
  if (!job) return [{ kind: 'run-job', order: { kind: 'checkpoint' } }]
  return job.state === 'running' ? [] : [{ kind: 'clear-job' }]
}

function keepPaused(s: Situation): Plan {
  const due = renewalDue(s) && s.running.kind === 'primary'
  if (!due) return wait({ running: s.running.kind })
  return { actions: [plainRenewal(s, s.end)], memory: { lastAttemptAt: s.now } }
}

/** PostgreSQL is dead by the guard's word; `drop` comes before the request (in the transaction's `before`). */
export function giveUp(s: Situation, holdOffMs: number): Plan {
  const until = { mono: s.now.mono + holdOffMs, boot: s.now.boot + holdOffMs }
  return {
    because: exitOf(s),
    actions: [release(s, null, null)],
    memory: { heldOffUntil: until, hung: false, lastAttemptAt: s.now },
    wakeInMs: 100,
  }
}

export function tooManySelfTakes(s: Situation): boolean {
  const recent = s.view.memory.selfTakes.filter(at => elapsedAtMost(at, s.now) < SELF_TAKE_WINDOW_MS)
  return recent.length >= SELF_TAKES_MAX
}

/** Another vigil member is present and may lead. */
export function hasOtherMember(s: Situation): boolean {
  const { members } = s.record as TermRecord
  return (s.cluster?.members ?? []).some(
    ({ value }) =>
      value.vigil !== null &&
      value.vigil.install !== s.view.me.install &&
      members.includes(value.vigil.install) &&
      value.state === 'running',
  )
}

export function exitOf(s: Situation): Plan['because'] & object {
  const exit = s.guard?.exit
  const how = {
    exitCause: exit?.cause ?? null,
    exitCode: exit?.code ?? null,
    exitSignal: exit?.signal ?? null,
  }
  // What it said last is the reason only if nobody else ended it.
  const said = exit?.cause === 'self' ? exit.output.trim().split('\n').slice(-LAST_LINES).join(' | ') : ''
  return said === '' ? how : { ...how, said }
}

/** Keys for others, written with a renewal when they have changed. */
function otherKeys(s: Situation): { status?: string; failsafe?: string } {
  const status = statusText(s)
  const failsafe = failsafeText(s)
  return {
    ...(status !== null && status !== s.cluster?.status?.value && { status }),
    ...(failsafe !== null && failsafe !== s.cluster?.failsafe?.value && { failsafe }),
  }
}
