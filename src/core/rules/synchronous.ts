// Rules of a serving leader whose commits wait for standbys: changes of who is waited for, one step at a time (A8).
import { elapsedAtMost } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { configuring } from '../configuration.ts'
import { renewedRecord } from '../record.ts'
import { renewalDue, type Situation } from '../situation.ts'
import { nextStep, type Step } from '../synchronous/change.ts'
import { syncText } from '../synchronous/published-sync.ts'
import { strangers } from '../synchronous/seats.ts'
import { outdated } from '../synchronous/walsenders.ts'
import type { TermRecord } from '../term.ts'
import { plainRenewal, renew } from '../transaction.ts'
import { leads, upkeep } from './leading.ts'
import type { Plan, Rule } from './rule.ts'

const NEXT_STEP_MS = 1

/** Somebody who connects again and again must not keep this leader from everything else. */
const END_AGAIN_MS = 200

/** Before all that may have to wait: without the store, too, such a connection acknowledges. */
export const STRANGERS: readonly Rule[] = [
  {
    id: 'end-strangers',
    when: "leading a synchronous cluster, and a walsender has a member's name without being that member's own, or may be of a copy that was replaced",
    does: 'ends it: it must not acknowledge anything in its name; a member connects again',
    plan: s => {
      const { strangersEndedAt } = s.view.memory
      if (!isCounting(s)) return null
      if (strangersEndedAt && elapsedAtMost(strangersEndedAt, s.now) < END_AGAIN_MS) return null
      const pids = [...new Set([...strangers(s), ...outdated(s)].map(one => one.pid))]
      if (pids.length === 0) return null
      return {
        because: { strangers: pids.length },
        actions: [{ kind: 'terminate-backends', pids }],
        memory: { strangersEndedAt: s.now },
        wakeInMs: NEXT_STEP_MS,
      }
    },
  },
]

export const SYNCHRONOUS: readonly Rule[] = [
  {
    id: 'change-rule',
    when: 'leading, and the copies that commits wait for are not the ones they should wait for',
    does: 'records the wider rule (T2), tells PostgreSQL, has it proven, records the narrower one (T2)',
    plan: s => (mayChange(s) ? planOf(s, nextStep(s)) : null),
  },
]

/** A primary with a right to write, whose commits wait for standbys by the last record that was seen. */
function isCounting({ record, running, guard, holding, view }: Situation): boolean {
  const serves = running.kind === 'primary' && (guard?.mode === 'armed' || guard?.mode === 'unarmed')
  return serves && (record ? holding && record.rules !== null : view.memory.seenSynchronous)
}

/** Serving, or in maintenance pause: then nobody takes over, and a standby that is away must not stop everything. */
function mayChange(s: Situation): boolean {
  const { memory, settings, ending } = s.view
  const state = s.record?.state
  const steady = settings.pause ? state === 'paused' : state === 'serving'
  const healthy = s.running.kind === 'primary' && memory.silentSince === null
  // What is in flight could change the rule back: nothing is built on the record before an own success.
  return leads(s) && steady && healthy && memory.settled && ending === 'no' && s.frozen === null
}

function planOf(s: Situation, next: Step): Plan | null {
  switch (next.kind) {
    case 'rest':
      return null
    case 'record':
      return recording(s, next)
    case 'tell':
      return {
        ...step(s, [configuring(s, 'primary', null, next.names)], { names: next.names.text }),
        memory: { ...renewed(s), namesProof: null },
      }
    case 'prove':
      return step(s, [...upkeep(s), { kind: 'prove-names', text: next.text }], { names: next.text })
    case 'note':
      return { ...step(s, upkeep(s), {}), memory: { ...renewed(s), namesProof: next.proof } }
    case 'terminate':
      return step(s, [{ kind: 'terminate-backends', pids: next.pids }], { notAdopted: next.pids.length })
    case 'wait':
      return { ...step(s, upkeep(s), { waitsFor: next.for }), wakeInMs: next.again }
  }
}

/** Alone in its tick: what may be told follows from the record as it is after this. */
function recording(s: Situation, { rules, why }: Step & { readonly kind: 'record' }): Plan {
  const { view, cluster } = s
  const record = renewedRecord(view, s.record as TermRecord, s.end)
  const next = { ...record, rules, rulesVersion: record.rulesVersion + 1 }
  const sync = {
    value: syncText(view.me.name, rules, cluster),
    modRevision: cluster?.sync?.modRevision ?? null,
  }
  const newest = rules?.at(-1)
  return {
    because: { why, rules: rules?.length ?? 0, k: newest?.k ?? null, seats: newest?.seats.length ?? null },
    actions: [renew(s, next, 'T2', { sync })],
    memory: { lastAttemptAt: s.now },
    wakeInMs: NEXT_STEP_MS,
  }
}

/** The renewal, if it is due, before anything else: what follows may take its time. */
function step(s: Situation, actions: readonly Action[], because: NonNullable<Plan['because']>): Plan {
  const renewal: readonly Action[] = renewalDue(s) ? [plainRenewal(s, s.end)] : []
  return { because, actions: [...renewal, ...actions], memory: renewed(s), wakeInMs: NEXT_STEP_MS }
}

function renewed(s: Situation): NonNullable<Plan['memory']> {
  return renewalDue(s) ? { lastAttemptAt: s.now } : {}
}
