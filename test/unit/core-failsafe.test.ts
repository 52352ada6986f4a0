// A store that does not answer: what a leader asks, when it may, and what a member promises or refuses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../../src/core/decide.ts'
import { type FailsafeAsked, ledBy, ledWith, promisedMs } from '../../src/core/failsafe.ts'
import { situationOf } from '../../src/core/situation.ts'
import type { TermRecord } from '../../src/core/term.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import { ARMED, at, cluster, guard, leading, NOW, position, primary, record, view } from './core-view.ts'

const GONE = lost('no answer', at(-3000))
const SETTINGS = { ...view().settings, failsafeMode: true }

/** Birch leads, one look at the store has failed and the next one fails, and its record is confirmed. */
function withoutStore(change: Parameters<typeof leading>[0] = {}) {
  const { memory, ...rest } = change
  return leading({
    store: GONE,
    settings: SETTINGS,
    guard: ARMED,
    instance: known(primary(position(6, 2000)), NOW),
    memory: { led: ledBy(record(), 90n), storeFailures: 1, servedMarked: true, ...memory },
    ...rest,
  })
}

function leadingRecord(): TermRecord {
  const { store } = leading()
  assert.ok(store.kind === 'known' && store.value.term)
  return store.value.term.value
}

const asked: FailsafeAsked = {
  to: 'birch-1',
  cluster: 'store-1',
  term: 5,
  revision: 90n,
  nonces: ['somebody'],
  leader: { name: 'amber', install: 'amber-1' },
  ttl: 10_000,
}

/** Birch is asked. */
function asking(question: Partial<FailsafeAsked>, change: Parameters<typeof view>[0] = {}) {
  const { decision, memory } = decide(
    view({
      store: GONE,
      requests: [{ kind: 'failsafe', id: 'q', asked: { ...asked, ...question } }],
      ...change,
    }),
  )
  const [action] = decision.actions
  assert.ok(action?.kind === 'answer', decision.rule)
  return { outcome: action.outcome, promise: memory.failsafePromise }
}

test('after two looks without an answer a healthy leader asks everybody else who may lead', () => {
  const { decision } = decide(withoutStore())
  const [action] = decision.actions
  assert.ok(action?.kind === 'ask-failsafe', decision.rule)
  assert.deepEqual(action.installs, ['amber-1', 'cedar-1'])
  assert.deepEqual([action.question.term, action.question.revision, action.question.ttl], [5, 90n, 10_000])
})

for (const [why, change] of [
  ['after the first look', { memory: { storeFailures: 0 } }],
  ['when failsafe_mode is off', { settings: { ...SETTINGS, failsafeMode: false } }],
  ['before an own transaction has succeeded since its start', { memory: { led: null } }],
  ['in handover', { memory: { led: ledBy(record({ state: 'handover' }), 90n) } }],
  ['beside Patroni agents', { memory: { led: ledBy(record({ mixed: true }), 90n) } }],
  ['when PostgreSQL does not answer', { instance: lost('no answer', NOW), accepts: lost('no answer', NOW) }],
  ['after its deadline', { guard: guard({ mode: 'armed', term: 5, deadline: at(-1) }) }],
  ['when its guard serves another term', { guard: guard({ mode: 'armed', term: 4, deadline: at(8000) }) }],
  ['when it is told to end', { ending: 'stop' as const }],
] as const) {
  test(`nobody is asked ${why}`, () => {
    const { decision } = decide(withoutStore(change))
    assert.ok(!decision.actions.some(({ kind }) => kind === 'ask-failsafe'), decision.rule)
  })
}

test('a store that takes no writes is like one that does not answer, and renewals are tried in between', () => {
  const { holder } = leadingRecord()
  const store = known(cluster({ recordIs: { holder } }), NOW)
  const first = decide(withoutStore({ store, memory: { storeFailures: 2 } }))
  assert.equal(first.decision.rule, 'failsafe-ask')
  const failsafe = { since: at(-300), askedAt: at(-300), agreedAt: at(-300), against: [] }
  const next = decide(withoutStore({ store, memory: { storeFailures: 2, failsafe } }))
  assert.equal(next.decision.rule, 'lead')
})

test('a lost comparison kills the instance, whether or not the store answers now', () => {
  const { decision } = decide(withoutStore({ memory: { lostTerm: 5, led: null } }))
  assert.deepEqual([decision.rule, decision.actions.map(({ kind }) => kind)], ['stale-primary', ['kill']])
})

test('one look at a store that went back in time ends what was known of the leadership', () => {
  const old = known(cluster({ term: { value: record({ nonce: 'older' }), modRevision: 85n } }), NOW)
  const { memory, decision } = decide(withoutStore({ store: old, memory: { storeFailures: 5 } }))
  assert.equal(memory.led, null)
  assert.equal(decision.rule, 'store-frozen')
})

test('changes with an unknown result count as both: their members are asked, the shorter ttl is in force', () => {
  const change: TermRecord = record({ nonce: 'unknown', members: ['amber-1', 'dahlia-1'], ttl: 8000 })
  const led = ledWith(ledBy(record(), 90n), change)
  assert.deepEqual(led?.members, ['amber-1', 'birch-1', 'cedar-1', 'dahlia-1'])
  assert.deepEqual([led?.ttl, led?.nonces], [8000, ['somebody', 'unknown']])
  assert.equal(ledBy(change, 91n).members.length, 2, 'a success voids what was in flight before')
})

test('a standby promises to wait for the whole ttl and the error of clocks', () => {
  const { outcome, promise } = asking({})
  assert.deepEqual(outcome, { kind: 'done', text: 'Accepted' })
  assert.ok(promise && promise.waitMs > 10_000)
  assert.deepEqual([promise.at, promise.term], [NOW, 5])
})

test('a member that has just started promises too', () => {
  const { outcome } = asking({}, { memory: { seen: null } })
  assert.equal(outcome.kind, 'done')
})

for (const [who, question, change] of [
  ['that runs as primary', {}, { guard: ARMED, instance: known(primary(position(6, 2000)), NOW) }],
  [
    'that is about to lead',
    {},
    { guard: guard({ mode: 'armed', term: 6, deadline: at(5000), alive: false }) },
  ],
  ['of another store', { cluster: 'store-2' }, {}],
  ['that is not meant', { to: 'birch-0' }, {}],
  ['that knows a higher term', { term: 4 }, {}],
  ['that knows a newer record of somebody else', { revision: 89n, nonces: ['x'] }, {}],
  [
    'that is sealed',
    {},
    { remembered: { promise: { term: 6, base: 90n, candidate: 'cedar-1', cluster: 'store-1' } } },
  ],
  [
    'whose takeover may still be applied',
    {},
    {
      memory: {
        seen: { revision: 90n, at: at(-500), nonce: 'somebody' },
        attempts: [
          {
            nonce: 'mine',
            sentAt: at(-900),
            ttl: 10_000,
            term: 6,
            after: 'arm' as const,
            id: 'T3',
            base: 90n,
            record: record({ term: 6 }),
          },
        ],
      },
    },
  ],
] as const) {
  test(`a member ${who} refuses and promises nothing`, () => {
    const { outcome, promise } = asking(question, change)
    assert.equal(outcome.kind, 'refused')
    assert.equal(promise, null)
  })
}

test('a renewal that only the leader knows of is no reason to refuse', () => {
  const memory = { seen: { revision: 91n, at: at(-500), nonce: 'unknown to amber' } }
  const { outcome } = asking({ nonces: ['somebody', 'unknown to amber'] }, { memory })
  assert.equal(outcome.kind, 'done')
})

test('who has promised does not take over before the wait is over, and then does', () => {
  const promised = (ms: number) => ({
    seen: { revision: 90n, at: at(-60_000) },
    failsafePromise: { at: at(-ms), waitMs: 10_100, leader: asked.leader, term: 5 },
  })
  assert.notEqual(decide(view({ memory: promised(9000) })).decision.rule, 'take')
  assert.equal(decide(view({ memory: promised(11_000) })).decision.rule, 'take')
})

test('a release ends the promise: its leader gave the term up at its guard before', () => {
  const store = known(cluster({ recordIs: { state: 'released', successor: 'birch' } }), NOW)
  const failsafePromise = { at: at(-100), waitMs: 10_100, leader: asked.leader, term: 5 }
  assert.equal(decide(view({ store, memory: { failsafePromise } })).decision.rule, 'take')
})

test('a renewal ends the promise when it was first seen after it: the seals of the others may decide at once', () => {
  const state = (seenMs: number, recordIs: Partial<TermRecord>) => {
    const store = known(cluster({ recordIs }), NOW)
    const failsafePromise = { at: at(-5000), waitMs: 10_100, leader: asked.leader, term: 5 }
    return view({ store, memory: { failsafePromise, seen: { revision: 90n, at: at(-seenMs) } } })
  }
  const promised = (seenMs: number, recordIs: Partial<TermRecord> = {}) =>
    promisedMs(situationOf(state(seenMs, recordIs))) > 0
  assert.equal(promised(4000), false)
  assert.equal(promised(6000), true, 'the leader may have asked after it')
  assert.equal(promised(4000, { ttl: 5000 }), true, 'who waits for it waits less than was promised')
  assert.equal(promised(4000, { holder: { ...record().holder, install: 'cedar-1' } }), true)
})

test('with a store that answers again a renewal has its turn before somebody is asked once more', () => {
  const store = leading().store
  const failsafe = {
    since: at(-4000),
    askedAt: at(-1500),
    agreedAt: null,
    against: [{ name: 'cedar', reason: 'x' }],
  }
  const rule = (lastAttemptMs: number) =>
    decide(withoutStore({ store, memory: { storeFailures: 3, failsafe, lastAttemptAt: at(-lastAttemptMs) } }))
      .decision
  assert.deepEqual(
    rule(2500)
      .actions.map(action => (action.kind === 'change-term' ? action.id : action.kind))
      .slice(0, 1),
    ['T1'],
  )
  assert.equal(rule(800).rule, 'failsafe-ask', 'it takes no writes still')
})
