// Sealing, member by member: who refuses, what is promised, when it is certain, what ends it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action } from '../../src/core/action.ts'
import { decide } from '../../src/core/decide.ts'
import type { MemberRequest } from '../../src/core/request.ts'
import type { SealAnswer, SealPromise, SealRequest } from '../../src/core/synchronous/seal.ts'
import type { View } from '../../src/core/view.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  at,
  cluster,
  DEAD,
  guard,
  leading,
  NOW,
  outcome,
  position,
  record,
  standby,
  type ViewChange,
  view,
} from './core-view.ts'

const STARTED = '2026-11-20T00:00:00Z'
const SYNCHRONOUS = {
  rules: [{ term: 5, leader: 'amber-seat', seats: ['birch-seat', 'cedar-seat'], k: 1, seen: {} }],
  rulesVersion: 1,
}
const PROMISE: SealPromise = { term: 6, base: 90n, candidate: 'cedar-1', cluster: 'store-1' }

function asked(change: Partial<SealRequest> = {}): MemberRequest {
  const request = {
    cluster: 'store-1',
    base: 90n,
    term: 6,
    candidate: { name: 'cedar', install: 'cedar-1' },
    ...change,
  }
  return { kind: 'seal', id: 'q', request, filedAt: at(-50) }
}

/** birch, which has seen no renewal for 3 s and whose question to amber's agent has failed. */
function silent(change: ViewChange = {}): View {
  return view({
    store: known(cluster({ recordIs: SYNCHRONOUS }), NOW),
    requests: [asked()],
    holderContact: unheard(),
    ...change,
    memory: {
      seen: { revision: 90n, nonce: 'somebody', at: at(-3000) },
      sameAt: NOW,
      startedAt: at(-60_000),
      ...change.memory,
    },
  })
}

function unheard(answered = false): NonNullable<View['holderContact']> {
  const contact = { askedAt: at(-1500), endedAt: at(-400), answered }
  return { install: 'amber-1', agent: contact, server: contact, role: answered ? 'primary' : null }
}

function answerOf(of: View): SealAnswer | null {
  const { decision } = decide(of)
  const found = decision.actions.find(
    (action): action is Action & { kind: 'answer' } => action.kind === 'answer',
  )
  return found?.outcome.kind === 'seal' ? found.outcome.answer : null
}

function refusalOf(of: View): string | null {
  const answer = answerOf(of)
  return answer?.kind === 'refused' ? answer.reason : null
}

describe('a request to be sealed', () => {
  test('is promised and carried out when the leader is not heard', () => {
    const { decision } = decide(silent())
    assert.equal(decision.rule, 'seal')
    assert.deepEqual(decision.actions[0], { kind: 'seal', promise: PROMISE })
  })

  const refused: readonly (readonly [string, ViewChange, RegExp])[] = [
    ['a newer record was seen', { requests: [asked({ base: 89n, term: 6 })] }, /newer record/],
    ['a newer record is remembered', { remembered: { revisionMax: 95n } }, /backward|newer record/],
    ['it belongs to another store', { requests: [asked({ cluster: 'store-2' })] }, /another store/],
    ['the term is not the next one', { requests: [asked({ term: 7 })] }, /does not follow/],
    ['the term is known already', { requests: [asked({ term: 5 })] }, /higher term/],
    [
      'a renewal was seen a moment ago',
      { memory: { seen: { revision: 90n, nonce: 'x', at: at(-1400) } } },
      /seen a renewal/,
    ],
    ["the leader's agent answers", { holderContact: unheard(true) }, /agent answers/],
    [
      'it receives from the leader',
      {
        instance: known(
          standby(position(6, 1000), {
            receiving: true,
            heardMs: 300,
            upstream: { host: '10.0.0.5', port: 5432 },
          }),
          NOW,
        ),
      },
      /receives from the leader/,
    ],
    ['its copy is incomplete', { remembered: { seatState: 'incomplete' } }, /not complete/],
    ['its agent ends', { ending: 'stop' }, /ends/],
    [
      'it has promised its leader to wait',
      {
        memory: {
          failsafePromise: {
            at: at(-1000),
            waitMs: 10_000,
            leader: { name: 'amber', install: 'amber-1' },
            term: 5,
          },
        },
      },
      /promised/,
    ],
    [
      'a takeover of its own may still be applied',
      {
        memory: {
          settled: false,
          attempts: [
            {
              nonce: 'n',
              sentAt: at(-300),
              ttl: 10_000,
              term: 6,
              after: 'arm',
              id: 'T3',
              base: 90n,
              record: record(),
            },
          ],
        },
      },
      /own may still/,
    ],
    [
      'the cluster is paused',
      { store: known(cluster({ recordIs: { ...SYNCHRONOUS, state: 'paused' } }), NOW) },
      /maintenance/,
    ],
    [
      'a copy is being made',
      {
        job: {
          order: {
            kind: 'clone',
            from: { name: 'amber', host: '10.0.0.5', port: 5432 },
            systemIdentifier: '1',
            seat: 'x',
          },
          startedAt: at(-1000),
          progress: null,
          state: 'running',
        },
      },
      /being replaced/,
    ],
  ]
  for (const [why, change, reason] of refused) {
    test(`is refused: ${why}`, () => assert.match(refusalOf(silent(change)) ?? 'not refused', reason))
  }

  test('a request of its own for an older record is void, whatever became of it: it may be sealed', () => {
    const old = { nonce: 'n', sentAt: at(-60_000), ttl: 10_000, term: 5, after: 'arm', id: 'T1' } as const
    const attempts = [{ ...old, base: 89n, record: record() }]
    assert.equal(refusalOf(silent({ memory: { settled: false, attempts } })), null)
  })

  test('is refused by a primary, and by a leader about to be one', () => {
    const request = { requests: [asked()] }
    assert.match(refusalOf(leading(request)) ?? '', /primary/)
    const armed = guard({ mode: 'armed', term: 5, deadline: at(5000), ...DEAD })
    assert.match(refusalOf(leading({ ...request, guard: armed })) ?? '', /primary/)
  })

  test('waits for the question to the leader, and not for ever', () => {
    const waiting = { holderContact: { install: 'amber-1', agent: null, server: null, role: null } }
    assert.notEqual(decide(silent(waiting)).decision.rule, 'seal')
    assert.equal(answerOf(silent(waiting)), null)
    const old = { ...(asked() as MemberRequest & { kind: 'seal' }), filedAt: at(-3000) }
    assert.match(refusalOf(silent({ ...waiting, requests: [old] })) ?? '', /not certain/)
  })

  test('of a released leadership, what was heard a moment ago does not matter', () => {
    const released = silent({
      store: known(cluster({ recordIs: { ...SYNCHRONOUS, state: 'released' } }), NOW),
      memory: { seen: { revision: 90n, nonce: 'x', at: at(-100) } },
      holderContact: unheard(true),
    })
    assert.equal(decide(released).decision.rule, 'seal')
  })

  test('is answered without a store, by what is remembered', () => {
    const { decision } = decide(silent({ store: lost('cut off', at(-5000)) }))
    assert.equal(decision.rule, 'seal')
  })
})

describe('a sealed member', () => {
  const cut = { cutFor: STARTED }
  const sealed = (change: ViewChange = {}) =>
    silent({
      ...change,
      remembered: { promise: PROMISE, ...change.remembered },
      memory: { ...cut, ...change.memory },
    })

  test('answers with its position, also to another candidate, and repeats it', () => {
    const other = asked({ candidate: { name: 'dahlia', install: 'dahlia-1' } })
    for (const requests of [[asked()], [other]]) {
      assert.deepEqual(answerOf(sealed({ requests })), {
        kind: 'sealed',
        name: 'birch',
        install: 'birch-1',
        seat: 'birch-seat',
        seatState: 'ready',
        position: position(6, 1000),
        base: 90n,
        isHolder: false,
      })
    }
  })

  test('says nothing while its end is not certain', () => {
    const replaying = standby(position(6, 1000), { received: null, localWalReplayed: false })
    assert.equal(answerOf(sealed({ instance: known(replaying, NOW) })), null)
    assert.equal(answerOf(sealed({ remembered: { reported: position(6, 1200) } })), null)
    assert.equal(answerOf(sealed({ memory: { cutFor: null } })), null)
  })

  test('cuts again after its agent or its instance was started again, without being asked', () => {
    for (const cutFor of [null, 'another start']) {
      const { decision } = decide(sealed({ requests: [], memory: { cutFor } }))
      assert.deepEqual(decision.actions[0], { kind: 'seal', promise: PROMISE })
    }
  })

  test('ends a receiver that turns up, and remembers that for an alarm', () => {
    const receiving = standby(position(6, 1000), { receiving: true })
    const { decision, memory } = decide(sealed({ requests: [], instance: known(receiving, NOW) }))
    assert.equal(decision.actions[0]?.kind, 'seal')
    assert.deepEqual(memory.receiverAt, NOW)
  })

  test('follows nobody, is started without an upstream, is not made anew from the leader', () => {
    const quiet = { requests: [], memory: { seen: { revision: 90n, nonce: 'x', at: at(-100) } } }
    assert.notEqual(outcome(sealed(quiet)).rule, 'follow')
    const { decision } = decide(
      sealed({ ...quiet, guard: guard(DEAD), directory: lost('not read', NOW), instance: lost('down', NOW) }),
    )
    for (const action of decision.actions)
      assert.ok(action.kind !== 'run-job' && !(action.kind === 'start' && action.upstream))
  })

  test('is free only when an own look shows a newer revision, and takes its term as the floor', () => {
    const moved = (revision: bigint, term = 5) => {
      const state = cluster({ recordIs: { ...SYNCHRONOUS, term } })
      const seen = { revision, nonce: 'x', at: at(-10) }
      return sealed({
        requests: [],
        store: known({ ...state, term: { ...state.term!, modRevision: revision } }, NOW),
        memory: { seen },
      })
    }
    assert.notEqual(outcome(moved(90n)).rule, 'unseal')
    assert.equal(outcome(moved(91n)).rule, 'unseal')
    assert.deepEqual(decide(moved(91n, 6)).decision.actions[0], { kind: 'unseal', floor: 6 })
  })

  test('stays sealed without a store, with another store, and with one that went back', () => {
    for (const store of [
      lost('away', at(-1)),
      known({ ...cluster({ recordIs: SYNCHRONOUS }), clusterId: 'store-2' }, NOW),
      known(cluster({ recordIs: { ...SYNCHRONOUS, term: 4 } }), NOW),
    ])
      assert.notEqual(outcome(sealed({ requests: [], store })).rule, 'unseal')
  })

  test('seals itself anew for a newer record, and refuses an older one', () => {
    const older = sealed({ requests: [asked({ base: 89n })] })
    assert.match(refusalOf(older) ?? '', /newer/)
    const state = cluster({ recordIs: SYNCHRONOUS })
    const newer = sealed({
      requests: [asked({ base: 95n })],
      store: lost('away', at(-1)),
      remembered: { promise: PROMISE },
    })
    assert.ok(state.term)
    const [first] = decide(newer).decision.actions
    assert.deepEqual(first, { kind: 'seal', promise: { ...PROMISE, base: 95n } })
  })
})
