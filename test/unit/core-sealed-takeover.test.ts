// A silent leader is replaced by seals: when it is suspected, whose seals count, what is taken.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TermChange } from '../../src/core/action.ts'
import { decide } from '../../src/core/decide.ts'
import type { SealAnswer } from '../../src/core/synchronous/seal.ts'
import { observedSilence, suspicionOf } from '../../src/core/synchronous/suspicion.ts'
import type { AcknowledgementRule, TermRecord } from '../../src/core/term.ts'
import type { View } from '../../src/core/view.ts'
import { lsn } from '../../src/kernel/lsn.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  at,
  cluster,
  leading,
  NOW,
  outcome,
  peer,
  position,
  standby,
  type ViewChange,
  view,
} from './core-view.ts'

const STARTED = '2026-11-20T00:00:00Z'
const RULE: AcknowledgementRule = {
  term: 5,
  leader: 'amber-seat',
  seats: ['birch-seat', 'cedar-seat'],
  k: 1,
  seen: {},
}

function sealOf(
  name: string,
  lsn = 1000,
  change: Partial<SealAnswer & { kind: 'sealed' }> = {},
): View['seals'] {
  const seal = {
    kind: 'sealed',
    name,
    install: `${name}-1`,
    seat: `${name}-seat`,
    seatState: 'ready',
    position: position(6, lsn),
    base: 90n,
    isHolder: false,
    ...change,
  } as const
  return { [seal.install]: seal }
}

/** birch, sealed, when amber's agent and PostgreSQL have not answered and its record has been silent for 3 s. */
function candidate(change: ViewChange & { readonly recordIs?: Partial<TermRecord> } = {}): View {
  const { recordIs, ...rest } = change
  const contact = { askedAt: at(-1500), endedAt: at(-400), answered: false }
  return view({
    store: known(cluster({ recordIs: { ttl: 30_000, rules: [RULE], rulesVersion: 1, ...recordIs } }), NOW),
    holderContact: { install: 'amber-1', agent: contact, server: contact, role: null },
    ...rest,
    remembered: {
      promise: { term: 6, base: 90n, candidate: 'birch-1', cluster: 'store-1' },
      ...change.remembered,
    },
    memory: {
      seen: { revision: 90n, nonce: 'x', at: at(-3000) },
      sameAt: NOW,
      startedAt: at(-60_000),
      cutFor: STARTED,
      ...change.memory,
    },
  })
}

const unsealed = (change: Parameters<typeof candidate>[0] = {}) =>
  candidate({ ...change, remembered: { promise: null }, memory: { cutFor: null, ...change.memory } })

function taken(of: View): TermRecord | null {
  const change = decide(of).decision.actions.find(
    (action): action is TermChange => action.kind === 'change-term' && action.id === 'T3',
  )
  return change?.record ?? null
}

describe('the suspicion', () => {
  test('asks the others and seals this member, when agent and PostgreSQL of the leader are silent', () => {
    assert.deepEqual(outcome(unsealed()), { rule: 'ask-seals', actions: ['ask-seals', 'seal'] })
  })

  const waits: readonly (readonly [string, Parameters<typeof candidate>[0]])[] = [
    ['the silence is shorter', { memory: { seen: { revision: 90n, nonce: 'x', at: at(-2400) } } }],
    [
      'the last answer of the store is older',
      {
        store: known(cluster({ recordIs: { ttl: 30_000, rules: [RULE] } }), at(-1000)),
        memory: { sameAt: at(-1000) },
      },
    ],
    ['this agent was started less than a wait ago', { memory: { startedAt: at(-20_000) } }],
    ['a renewal was late in the last minute', { memory: { gaps: [{ ms: 1800, at: at(-30_000) }] } }],
    ['the cluster is mixed', { recordIs: { mixed: true } }],
    ['the cluster is asynchronous', { recordIs: { rules: null } }],
    ['it is a handover', { recordIs: { state: 'handover', successor: 'cedar' } }],
    ['it is paused', { recordIs: { state: 'paused' } }],
    ['nobody has been asked', { holderContact: null }],
  ]
  for (const [why, change] of waits) {
    test(`waits: ${why}`, () => assert.notEqual(outcome(unsealed(change)).rule, 'ask-seals'))
  }

  test('waits while the agent or the PostgreSQL of the leader answers', () => {
    const silent = { askedAt: at(-1500), endedAt: at(-400), answered: false }
    const answers = { askedAt: at(-500), endedAt: at(-490), answered: true }
    const before = { askedAt: at(-4000), endedAt: at(-3500), answered: false }
    for (const [agent, server] of [
      [answers, silent],
      [silent, answers],
      [silent, null],
      [silent, before],
    ] as const) {
      const role = agent.answered ? ('primary' as const) : null
      const holderContact = { install: 'amber-1', agent, server, role }
      assert.notEqual(outcome(unsealed({ holderContact })).rule, 'ask-seals')
    }
  })

  test('can be switched off', () => {
    const off = unsealed()
    const settings = { ...off.settings, earlyTakeover: false }
    assert.notEqual(outcome({ ...off, settings }).rule, 'ask-seals')
  })

  test('is longer than two renewals as late as the latest, and counts observed silence only', () => {
    const { settings, memory } = candidate()
    assert.equal(suspicionOf({ settings, memory, now: NOW }), 2500)
    assert.equal(
      suspicionOf({ settings, memory: { ...memory, gaps: [{ ms: 2000, at: at(-1000) }] }, now: NOW }),
      4500,
    )
    assert.equal(observedSilence({ ...memory, sameAt: at(-1000) }), 2000)
    const renewed = (term: number) => {
      const state = cluster({ recordIs: { ttl: 30_000, rules: [RULE], term } })
      const store = known({ ...state, term: { ...state.term!, modRevision: 91n } }, NOW)
      return decide(candidate({ store, memory: { sameAt: at(-1000), seenTerm: 5 } })).memory.gaps
    }
    assert.deepEqual(renewed(5), [{ ms: 2000, at: NOW }])
    assert.deepEqual(renewed(6), [], 'a takeover is no late renewal')
    const { memory: after } = decide(candidate({ store: lost('away', at(-1)) }))
    assert.deepEqual(after.sameAt, NOW)
  })
})

describe('with seals', () => {
  test('of every copy that could have acknowledged, the term is taken at once, and its rule waits for who is there', () => {
    const record = taken(candidate({ seals: sealOf('cedar') }))
    assert.equal(record?.term, 6)
    assert.equal(record?.rulesVersion, 2)
    assert.deepEqual(record?.rules, [
      RULE,
      { term: 6, leader: 'birch-seat', seats: ['cedar-seat'], k: 1, seen: {} },
    ])
  })

  test('the record says from then on what this copy has, not what the old leader had', () => {
    // Amber was ahead, on a timeline that this copy never sees: commits that nobody confirmed.
    const recordIs = { at: position(6, 5000) }
    const behind = { instance: known(standby(position(6, 1000), { replayed: lsn(900) }), NOW) }
    const record = taken(candidate({ seals: sealOf('cedar'), recordIs, ...behind }))
    assert.deepEqual(record?.at, position(6, 900))
  })

  const insufficient: readonly (readonly [string, Parameters<typeof candidate>[0]])[] = [
    ['its own alone, when any of two may acknowledge', { seals: {} }],
    ['another copy under the same name', { seals: sealOf('cedar', 1000, { seat: 'cedar-new' }) }],
    ['a copy that is not ready', { seals: sealOf('cedar', 1000, { seatState: 'incomplete' }) }],
    ['an older revision', { seals: sealOf('cedar', 1000, { base: 89n }) }],
    [
      'a copy that has less than was seen of it',
      { seals: sealOf('cedar', 1000), recordIs: { rules: [{ ...RULE, seen: { 'cedar-seat': '0/500' } }] } },
    ],
    [
      'too few for an older rule',
      {
        seals: sealOf('cedar'),
        recordIs: { rules: [{ ...RULE, term: 4, seats: ['dahlia-seat', 'cedar-seat'], leader: 'x' }, RULE] },
      },
    ],
    [
      'a rule that waits for nobody',
      { seals: sealOf('cedar'), recordIs: { rules: [{ ...RULE, seats: [], k: 0 }] } },
    ],
    ['itself not cut off yet', { seals: sealOf('cedar'), memory: { cutFor: null } }],
  ]
  for (const [what, change] of insufficient) {
    test(`of ${what}, nothing is taken`, () => assert.equal(taken(candidate(change)), null))
  }

  test('of one copy of two, the term is taken when both must have acknowledged', () => {
    assert.equal(taken(candidate({ seals: {}, recordIs: { rules: [{ ...RULE, k: 2 }] } }))?.term, 6)
  })

  test('nothing is taken after the wait either, until they prove that nothing is lost', () => {
    const late = { memory: { seen: { revision: 90n, nonce: 'x', at: at(-31_000) } } }
    assert.equal(taken(candidate({ ...late, seals: {} })), null)
    assert.equal(outcome(unsealed(late)).rule, 'ask-seals')
    assert.equal(taken(candidate({ ...late, seals: sealOf('cedar') }))?.term, 6)
  })

  test('the copy with most goes first; if its member cannot, the missing WAL is fetched from it', () => {
    const seals = sealOf('cedar', 2000)
    const able = candidate({ seals, peers: peer('cedar', position(6, 2000)) })
    assert.equal(taken(able), null)
    assert.notEqual(outcome(able).rule, 'fetch-wal')
    const unable = candidate({ seals, peers: peer('cedar', position(6, 2000), { noFailover: true }) })
    const { decision, memory } = decide(unable)
    assert.equal(decision.rule, 'fetch-wal')
    const [first] = decision.actions
    assert.ok(first?.kind === 'configure' && first.upstream?.name === 'cedar' && first.slot === null)
    assert.equal(memory.fetching?.from, 'cedar')
    const fetched = standby(position(6, 2000), { receiving: true })
    const complete = { ...unable, memory, instance: known(fetched, NOW) }
    assert.equal(taken({ ...complete, memory: { ...memory, cutFor: STARTED } })?.term, 6)
  })

  test('of an idle leader, nothing else is needed, whatever its rule was', () => {
    const idle = { askedAt: at(-500), endedAt: at(-490), answered: true }
    const holderContact = { install: 'amber-1', agent: idle, server: idle, role: 'standby' as const }
    const recordIs = { rules: [{ ...RULE, seats: [], k: 0 }] }
    assert.equal(outcome(unsealed({ holderContact, recordIs })).rule, 'ask-seals')
    const seals = sealOf('amber', 1000, { isHolder: true })
    assert.equal(taken(candidate({ holderContact, recordIs, seals }))?.term, 6)
  })
})

describe('a released leadership', () => {
  const released = (change: Partial<TermRecord>) => ({
    recordIs: { state: 'released' as const, ...change },
    memory: { excludedSince: at(-5000) },
  })

  test('with its final position here is taken without asking; its rule waits for who counted before', () => {
    const record = taken(unsealed(released({ final: position(6, 1000) })))
    assert.deepEqual(record?.rules?.at(-1), {
      term: 6,
      leader: 'birch-seat',
      seats: ['amber-seat', 'cedar-seat'],
      k: 1,
      seen: {},
    })
  })

  test('without it, or with a later one, the others are asked', () => {
    for (const final of [null, position(6, 3000)])
      assert.equal(outcome(unsealed(released({ final }))).rule, 'ask-seals')
    assert.equal(taken(candidate({ ...released({ final: null }), seals: sealOf('cedar') }))?.term, 6)
  })

  test('with less than its final position it is left to the last leader, until that is waited out', () => {
    const behind = (silentMs: number) => {
      const { recordIs, memory } = released({ final: position(6, 3000) })
      const seen = { revision: 90n, nonce: 'x', at: at(-silentMs) }
      return taken(candidate({ recordIs, memory: { ...memory, seen }, seals: sealOf('cedar') }))
    }
    assert.equal(behind(20_000), null)
    assert.equal(behind(31_000)?.term, 6)
  })
})

test('an operator may accept a loss: then the wait is enough, and nothing is enough while the leader may be there', () => {
  const accepted = (ms: number, member = 'birch') => {
    const recordIs = { ttl: 30_000, rules: [{ ...RULE, seats: [], k: 0 }] }
    const failover = {
      value: { leader: null, member, scheduledAt: null, acceptLoss: true },
      modRevision: 70n,
    }
    const seen = { revision: 90n, nonce: 'x', at: at(-ms) }
    return unsealed({ store: known(cluster({ recordIs, failover }), NOW), memory: { seen } })
  }
  assert.equal(taken(accepted(31_000))?.term, 6)
  assert.equal(taken(accepted(20_000)), null)
  assert.equal(taken(accepted(31_000, 'cedar')), null)
})

test('the same copy that leads again keeps its rule under the new term', () => {
  const holder = { name: 'birch', install: 'birch-1', seat: 'birch-seat', machine: 'birch-machine' }
  const own = { ...RULE, leader: 'birch-seat', seats: ['cedar-seat'] }
  const dead = leading({
    store: known(cluster({ recordIs: { holder, rules: [own], rulesVersion: 3 } }), NOW),
    instance: lost('it died', NOW),
    guard: { ...leading().guard!, status: { ...leading().guard!.status, alive: false, postmaster: null } },
  })
  const record = taken(dead)
  assert.deepEqual(record?.rules, [{ ...own, term: 6 }])
  assert.equal(record?.rulesVersion, 4)
})
