// Who creates a cluster: nobody whose guard would refuse to promote it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusOf } from '../../src/core/status.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  at,
  cluster,
  control,
  DEAD,
  guard,
  member,
  NOW,
  outcome,
  position,
  standby,
  type ViewChange,
  view,
} from './core-view.ts'

const REQUIRED = 'a watchdog is required: there is no /dev/watchdog'
const NEW = { term: null, leader: null, initialize: null, members: [] } as const
const empty = {
  remembered: { termMax: 0, servedTerm: 0 },
  instance: lost('', NOW),
  directory: known({ kind: 'empty' } as const, NOW),
}

function nobodyYet(forbids: string | null, change: ViewChange = {}) {
  return view({ ...empty, store: known(cluster(NEW), NOW), guard: guard({ ...DEAD, forbids }), ...change })
}

test('with an empty store and an empty directory a member creates the cluster', () => {
  assert.deepEqual(outcome(nobodyYet(null)), { rule: 'bootstrap-create', actions: ['T8'] })
})

test('a member that lacks a required watchdog does not create it: another one may', () => {
  const without = nobodyYet(REQUIRED)
  assert.deepEqual(outcome(without), { rule: 'bootstrap-wait', actions: [] })
  const { warnings } = statusOf(without, { scope: 'test', now: NOW, decision: null })
  assert.ok(warnings.some(({ code, text }) => code === 'may-not-lead' && text.includes(REQUIRED)))
})

test('nor does it create one from the data that it has', () => {
  const adopting = (forbids: string | null) =>
    view({
      remembered: { termMax: 0, servedTerm: 0 },
      store: known(
        cluster({ ...NEW, members: [{ value: member('birch', { timeline: 6 }), modRevision: 60n }] }),
        NOW,
      ),
      instance: known(standby(position(6, 1000)), NOW),
      directory: known({ kind: 'present', control: control() } as const, NOW),
      guard: guard({ forbids }),
    })
  assert.deepEqual(outcome(adopting(null)).actions, ['T8'])
  assert.notEqual(outcome(adopting(REQUIRED)).rule, 'bootstrap-adopt')
})

test('nor does it take over from one that gave up before anybody was served', () => {
  const retaking = (forbids: string | null) =>
    view({
      ...empty,
      store: known(
        cluster({
          recordIs: { state: 'released', chain: [], timelineMax: 1, rules: null },
          leader: null,
          initialize: { value: '', modRevision: 2n },
          members: [],
        }),
        NOW,
      ),
      guard: guard({ ...DEAD, forbids }),
      memory: { seen: { revision: 90n, at: at(-60_000) } },
    })
  assert.equal(outcome(retaking(null)).rule, 'bootstrap-retake')
  assert.notEqual(outcome(retaking(REQUIRED)).rule, 'bootstrap-retake')
})
