// The decision: facts are named, the first matching rule of the ordered table says what to do. Pure.
import { assert } from '../kernel/assert.ts'
import { elapsedAtMost, type Ms, remaining } from '../kernel/time.ts'
import type { Action, Decision } from './action.ts'
import type { Memory } from './memory.ts'
import { namesake } from './own-name.ts'
import { memberRecord, positionsOf, significance } from './published-member.ts'
import { remember } from './remember.ts'
import { BOOTSTRAPPING } from './rules/bootstrapping.ts'
import { ENDING } from './rules/ending.ts'
import { FAILSAFE, PROMISING } from './rules/failsafe.ts'
import { HANDOVER } from './rules/handover.ts'
import { HEALTH } from './rules/health.ts'
import { LEADING } from './rules/leading.ts'
import { OWN_NAME } from './rules/own-name.ts'
import { PROMOTING } from './rules/promoting.ts'
import { REJOINING } from './rules/rejoining.ts'
import { REQUESTED } from './rules/requested.ts'
import type { Plan, Rule } from './rules/rule.ts'
import { FREEZING, SAFETY } from './rules/safety.ts'
import { SEALING } from './rules/sealing.ts'
import { STRANGERS, SYNCHRONOUS } from './rules/synchronous.ts'
import { BLOCKED, TAKEOVER, TAKING } from './rules/taking.ts'
import { type Situation, situationOf } from './situation.ts'
import { CONTACT_PART, suspicionOf } from './synchronous/suspicion.ts'
import { isSynchronous } from './synchronous/takeover.ts'
import { waitOf } from './timers.ts'
import type { View } from './view.ts'

/** In order; the first that applies decides. */
export const RULES: readonly Rule[] = [
  ...SAFETY,
  ...PROMISING,
  ...SEALING,
  ...FREEZING,
  ...OWN_NAME,
  ...TAKING,
  ...ENDING,
  ...REQUESTED,
  ...STRANGERS,
  ...FAILSAFE,
  ...HANDOVER,
  ...HEALTH,
  ...SYNCHRONOUS,
  ...LEADING,
  ...PROMOTING,
  ...TAKEOVER,
  ...BOOTSTRAPPING,
  ...REJOINING,
  ...BLOCKED,
  { id: 'idle', when: 'always', does: 'nothing', plan: () => ({ actions: [] }) },
]

const TICK_MS: Ms = 1000
const DEADLINE_CHECK_MS: Ms = 210
const SILENT_TICK_MS: Ms = 250
const UNANSWERED_TICK_MS: Ms = 100
const ASKED_TICK_MS: Ms = 25
const CONTACT_TICK_MS: Ms = 200

export function decide(view: View): { readonly decision: Decision; readonly memory: Memory } {
  const memory = remember(view)
  const situation = situationOf({ ...view, memory })
  const [rule, plan] = firstMatch(situation)
  const actions = [...plan.actions, ...publication(situation, plan)]
  const after = { ...memory, ...plan.memory }
  return {
    decision: {
      rule: rule.id,
      because: plan.because ?? {},
      actions,
      wakeInMs: Math.max(0, Math.min(plan.wakeInMs ?? nextLook(situation, after), untilAnswer(view))),
    },
    memory: after,
  }
}

function firstMatch(situation: Situation): readonly [Rule, Plan] {
  for (const rule of RULES) {
    const plan = rule.plan(situation)
    if (plan) return [rule, plan]
  }
  assert(false, 'the last rule matches always')
}

/** A candidate that waits for a seal counts in tens of milliseconds. */
function untilAnswer({ requests }: View): Ms {
  return requests.some(({ kind }) => kind === 'seal') ? ASKED_TICK_MS : Number.POSITIVE_INFINITY
}

/** The next second, or earlier: when a renewal is due, or when the old leader will be waited out. */
function nextLook(s: Situation, { lastAttemptAt }: Memory): Ms {
  // Of a leader whose deadline runs: the others are asked only after a second look.
  if (s.view.memory.led && !s.cluster) return UNANSWERED_TICK_MS
  const renewal =
    s.holding && lastAttemptAt ? s.view.settings.renewalMs - elapsedAtMost(lastAttemptAt, s.now) : TICK_MS
  const left = !s.holding && s.record && s.silence !== null ? waitOf(s.record.ttl) - s.silence : TICK_MS
  const untilOut = left > 0 ? left + 1 : TICK_MS
  const deadline = s.view.guard?.status.deadline
  // Shortly after it, to see that the guard has kept it.
  const check = deadline ? remaining(deadline, s.now) + DEADLINE_CHECK_MS : TICK_MS
  // While the leader may have to be replaced the others ask for this member's position: it must be a fresh one.
  const silent = !s.holding && s.record && (s.silence ?? 0) > s.record.ttl / 2 ? SILENT_TICK_MS : TICK_MS
  return Math.max(20, Math.min(silent, renewal, untilOut, check, untilSuspicion(s)))
}

/** Until the leader is asked whether it is there, and until it is suspected. */
function untilSuspicion(s: Situation): Ms {
  const { memory, settings } = s.view
  // Without the store: it may be back any moment, and the leader gone.
  if (!s.cluster && memory.seenSynchronous) return CONTACT_TICK_MS
  if (s.holding || !isSynchronous(s)) return TICK_MS
  const suspicion = suspicionOf({ settings, memory, now: s.now })
  const next = [CONTACT_PART * suspicion, suspicion].find(at => at > (s.silence ?? 0))
  const left = next === undefined ? CONTACT_TICK_MS : next - (s.silence ?? 0) + 1
  return next === suspicion || next === undefined ? Math.min(CONTACT_TICK_MS, left) : left
}

/** The member key: at once when something significant changed, positions once in loop_wait. */
function publication(s: Situation, plan: Plan): readonly Action[] {
  const { memory, settings } = s.view
  if (!s.cluster || s.frozen || namesake(s) || plan.actions.some(action => action.kind === 'exit')) return []
  const member = memberRecord(s)
  const last = memory.published
  const changed = !last || last.significance !== significance(member)
  const due = !memory.publishedAt || elapsedAtMost(memory.publishedAt, s.now) >= settings.loopWaitMs
  const moved = last?.positions !== positionsOf(member)
  // Gone with a lease that had run out unnoticed: whoever waits for others to read it would wait for ever.
  const missing = !s.cluster.members.some(({ value }) => value.name === s.view.me.name)
  return changed || missing || (due && moved) ? [{ kind: 'publish', member }] : []
}
