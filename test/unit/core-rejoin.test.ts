// A member that comes back: what it does before it lets anybody in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known, lost } from '../../src/kernel/reading.ts'
import { ARMED, at, cluster, NOW, outcome, view } from './core-view.ts'

const comingUp = known({ kind: 'starting', reason: 'not yet accepting connections' } as const, NOW)

test('an instance that does not become consistent by its own WAL streams from the leader', () => {
  const rewound = view({ instance: comingUp, memory: { starts: [at(-1500)], configured: 'no upstream' } })
  assert.deepEqual(outcome(rewound), { rule: 'follow-to-consistency', actions: ['configure'] })
  // After a restart of the agent too: it has started nothing itself.
  assert.deepEqual(outcome(view({ instance: comingUp })).actions, ['configure'])
})

test('it has time to come up by itself first, and a served or unusable copy is left alone', () => {
  const young = view({ instance: comingUp, memory: { starts: [at(-500)] } })
  assert.deepEqual(outcome(young).actions, [])
  const marked = view({ instance: comingUp, remembered: { seatState: 'diverged' } })
  assert.deepEqual(outcome(marked).actions, [])
  const served = view({ instance: comingUp, guard: ARMED })
  assert.ok(!outcome(served).actions.includes('configure'))
  const nobodyServes = view({
    instance: comingUp,
    store: known(cluster({ recordIs: { state: 'electing' } }), NOW),
  })
  assert.deepEqual(outcome(nobodyServes).actions, [])
  assert.deepEqual(outcome(view({ instance: comingUp, store: lost('no answer', NOW) })).actions, [])
})
