import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../../src/core/decide.ts'
import type { TermRecord } from '../../src/core/term.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  at,
  cluster,
  control,
  DEAD,
  guard,
  leading,
  member,
  NOW,
  outcome,
  position,
  view,
} from './core-view.ts'

const LEASE_MS = 15_000
const stranger = member('birch', {
  vigil: { version: '0.1.0', install: 'another-birch', seat: null, machine: 'elsewhere' },
})
const taken = (change = {}) =>
  known(cluster({ members: [{ value: stranger, modRevision: 60n }], ...change }), NOW)
const published = (of: Parameters<typeof decide>[0]) =>
  decide(of).decision.actions.some(action => action.kind === 'publish')

test('a member whose name another installation publishes waits and publishes nothing', () => {
  const birch = view({ store: taken() })
  assert.equal(outcome(birch).rule, 'name-wait')
  assert.deepEqual(outcome(birch).actions, [])
  assert.equal(published(birch), false)
})

test('a Patroni agent of the same name is somebody else too', () => {
  const patroni = known(
    cluster({ members: [{ value: { ...stranger, vigil: null }, modRevision: 60n }] }),
    NOW,
  )
  assert.equal(outcome(view({ store: patroni })).rule, 'name-wait')
})

test('it creates no cluster and takes no leadership meanwhile', () => {
  const nobody = taken({ term: null, initialize: null, leader: null, config: null })
  const empty = view({
    store: nobody,
    guard: guard(DEAD),
    instance: lost('not asked', NOW),
    directory: known({ kind: 'empty' }, NOW),
    remembered: { termMax: 0, revisionMax: 0n },
  })
  assert.equal(outcome(empty).rule, 'name-wait')
  const due = view({ store: taken(), memory: { seen: { revision: 90n, at: at(-60_000) } } })
  assert.equal(outcome(due).actions.includes('T3'), false)
})

test('a key that outlives any lease is alive: the agent ends', () => {
  const before = view({ store: taken(), memory: { nameTakenSince: at(-LEASE_MS + 1) } })
  const after = view({ store: taken(), memory: { nameTakenSince: at(-LEASE_MS - 1) } })
  assert.equal(outcome(before).rule, 'name-wait')
  const [exit] = decide(after).decision.actions
  assert(exit?.kind === 'exit')
  assert.equal(exit.status, 1)
  assert.match(exit.reason, /"birch".*another-birch/)
})

test('time in which the store does not answer proves nothing about a lease', () => {
  const blind = decide(view({ store: lost('no answer', NOW), memory: { nameTakenSince: at(-LEASE_MS) } }))
  assert.equal(blind.memory.nameTakenSince, null)
})

test('a key that a dead agent left behind is waited out, and then the name is ours', () => {
  const free = view({ store: known(cluster({ members: [] }), NOW), memory: { nameTakenSince: at(-9_000) } })
  assert.equal(decide(free).memory.nameTakenSince, null)
  assert.equal(published(free), true)
})

test('a holder of the leadership keeps its name and puts its key back', () => {
  const usurped = leading({})
  const { store } = usurped
  assert(store.kind === 'known')
  const withStranger = leading({
    store: known({ ...store.value, members: [{ value: stranger, modRevision: 99n }] }, NOW),
  })
  assert.equal(outcome(withStranger).rule, 'lead')
  assert.equal(published(withStranger), true)
})

test('who waits for its name can still be stopped, and so can who distrusts the store', () => {
  const waiting = view({ store: taken(), ending: 'stop', guard: guard(DEAD) })
  assert.equal(outcome(waiting).rule, 'ending-exit')
  const distrusting = view({ remembered: { storeCluster: 'store-0' }, ending: 'stop', guard: guard(DEAD) })
  assert.equal(outcome(distrusting).rule, 'ending-exit')
})

test('an agent that distrusts the store writes nothing to it while it ends', () => {
  const ending = leading({ remembered: { storeCluster: 'store-0' }, ending: 'stop' })
  assert.deepEqual(outcome(ending), { rule: 'ending-stop', actions: ['stop'] })
})

test('without the store only a copy that was this member’s before is started', () => {
  const present = known({ kind: 'present', control: control() } as const, NOW)
  const blind = { store: lost('no answer', NOW), guard: guard(DEAD), instance: lost('not asked', NOW) }
  assert.deepEqual(outcome(view({ ...blind, directory: present })), {
    rule: 'start-standby',
    actions: ['start'],
  })
  const unknown = view({ ...blind, directory: present, remembered: { seat: null } })
  assert.deepEqual(outcome(unknown), { rule: 'start-standby', actions: [] })
})

test('why PostgreSQL ended by itself is among the reasons of the next start', () => {
  const exit = { code: 1, signal: null, cause: 'self', output: 'LOG: a\nFATAL: could not bind\n' } as const
  const failed = view({
    guard: guard({ ...DEAD, exit }),
    instance: lost('not asked', NOW),
    directory: known({ kind: 'present', control: control({ checkpoint: position(6, 900) }) }, NOW),
  })
  assert.match(String(decide(failed).decision.because['said']), /could not bind/)
})

test('a cluster whose creator gave up before anybody was served is created again, also by another member', () => {
  const empty = {
    guard: guard(DEAD),
    instance: lost('not asked', NOW),
    directory: known({ kind: 'empty' } as const, NOW),
    remembered: { seat: null },
  }
  const unserved = (recordIs: Partial<TermRecord>, initialize = '') =>
    known(cluster({ initialize: { value: initialize, modRevision: 2n }, members: [], recordIs }), NOW)
  const released = { ...empty, store: unserved({ state: 'released' }) }
  assert.deepEqual(outcome(view(released)), { rule: 'bootstrap-retake', actions: ['T3'] })
  const silentFor = (ms: number) => ({ memory: { seen: { revision: 90n, at: at(-ms) } } })
  const electing = { ...empty, store: unserved({ state: 'electing' }) }
  assert.equal(outcome(view({ ...electing, ...silentFor(60_000) })).rule, 'bootstrap-retake')
  assert.notEqual(outcome(view({ ...electing, ...silentFor(5_000) })).rule, 'bootstrap-retake')
  const served = { ...empty, store: unserved({ state: 'released' }, '7000000000000000001') }
  assert.equal(outcome(view(served)).actions.includes('T3'), false)
})
