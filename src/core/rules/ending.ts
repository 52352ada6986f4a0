// Rules for the end of the agent: an orderly stop gives the leadership away, a restart of the agent alone does not.
import { elapsedAtMost } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { isDead, renewalDue, type Situation } from '../situation.ts'
import { plainRenewal, release } from '../transaction.ts'
import { cleanEnd } from './handover.ts'
import { leads } from './leading.ts'
import { type Plan, type Rule, wait } from './rule.ts'

const STOP_LIMIT_MS = 60_000
const POLL_MS = 50

export const ENDING: readonly Rule[] = [
  {
    id: 'ending-leave',
    when: 'the agent ends and PostgreSQL is to go on (restart or upgrade of the agent, maintenance pause)',
    does: 'leaves the guard and the instance running; a primary has until its deadline for a new agent',
    plan: s => {
      const paused = s.view.ending === 'stop' && s.record?.state === 'paused'
      return s.view.ending === 'leave' || paused
        ? { actions: [{ kind: 'exit', status: 0, reason: 'left PostgreSQL running' }] }
        : null
    },
  },
  {
    id: 'ending-release',
    when: 'the agent ends, it leads, and the instance has stopped',
    does: 'releases the leadership (T5), then ends',
    plan: s => {
      if (s.view.ending !== 'stop' || !isDead(s) || !leads(s) || s.frozen) return null
      if (s.record?.state === 'electing' && s.view.job?.state === 'running') return null
      if (s.view.directory.kind !== 'known') return wait({}, POLL_MS)
      return {
        actions: [release(s, cleanEnd(s), null), { kind: 'exit', status: 0, reason: 'stopped' }],
        wakeInMs: POLL_MS,
      }
    },
  },
  {
    id: 'ending-exit',
    when: 'the agent ends and nothing runs',
    does: 'ends',
    plan: s =>
      s.view.ending === 'stop' && isDead(s)
        ? { actions: [{ kind: 'exit', status: 0, reason: 'stopped' }] }
        : null,
  },
  {
    id: 'ending-stop',
    when: 'the agent ends and the instance runs',
    does: 'stops it fast, renewing meanwhile; kills it after a minute',
    plan: s => (s.view.ending === 'stop' && s.guard ? stopping(s) : null),
  },
]

function stopping(s: Situation): Plan {
  const asked = s.view.memory.stopAskedAt
  const renewing = leads(s) && renewalDue(s) && !s.frozen
  const renewal: readonly Action[] = renewing ? [plainRenewal(s, s.end)] : []
  const actions: readonly Action[] = !asked
    ? [...renewal, { kind: 'stop', mode: 'fast' }]
    : elapsedAtMost(asked, s.now) > STOP_LIMIT_MS
      ? [{ kind: 'kill', reason: 'the stop did not end' }]
      : renewal
  return { actions, memory: renewal.length > 0 ? { lastAttemptAt: s.now } : {}, wakeInMs: POLL_MS }
}
