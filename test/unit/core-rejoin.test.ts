// Members that come back, and what a look may catch them in the middle of.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../../src/core/decide.ts'
import { lsn } from '../../src/kernel/lsn.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  ARMED,
  at,
  cluster,
  control,
  DEAD,
  guard,
  leading,
  member,
  NOW,
  outcome,
  peer,
  position,
  primary,
  standby,
  view,
} from './core-view.ts'

const comingUp = known({ kind: 'starting', reason: 'not yet accepting connections' } as const, NOW)

test('an instance that does not become consistent by its own WAL streams from the leader', () => {
  const rewound = view({ instance: comingUp, memory: { starts: [at(-30_500)], configured: 'no upstream' } })
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

test('a rewound copy is started with its upstream, any other without', () => {
  const down = {
    guard: guard(DEAD),
    instance: lost('', NOW),
    directory: known({ kind: 'present', control: control() } as const, NOW),
  }
  const upstreamOfStart = (rewound: boolean) => {
    const [action] = decide(view({ ...down, memory: { rewound } })).decision.actions
    return action?.kind === 'start' ? (action.upstream?.name ?? null) : undefined
  }
  assert.equal(upstreamOfStart(true), 'amber')
  assert.equal(upstreamOfStart(false), null)
})

test('after an outage of the store the last leader goes first, although it has not seen the store yet', () => {
  const silent = { seen: { revision: 90n, at: at(-12_000) }, excludedSince: at(-100) }
  const back = peer('amber', position(6, 1000), { promotable: false })
  assert.equal(outcome(view({ peers: back, memory: silent })).rule, 'take-turn')
  const tooLong = { ...silent, excludedSince: at(-1000) }
  assert.equal(outcome(view({ peers: back, memory: tooLong })).rule, 'take')
  const behind = peer('amber', position(6, 900), { promotable: false })
  assert.equal(outcome(view({ peers: behind, memory: silent })).rule, 'take')
  const gaveUp = known(cluster({ recordIs: { state: 'released' } }), NOW)
  assert.equal(
    outcome(view({ peers: back, store: gaveUp, memory: { ...silent, excludedSince: at(-300) } })).rule,
    'take',
  )
})

test('one look in the moment of an own promotion may see a standby on the given number', () => {
  const holder = { name: 'birch', install: 'birch-1', seat: 'birch-seat', machine: 'birch-machine' }
  const store = known(cluster({ recordIs: { holder, term: 6, state: 'electing', timelineMax: 7 } }), NOW)
  const electing = {
    store,
    guard: guard({ mode: 'armed', term: 6, deadline: at(8000) }),
    instance: known(standby(position(7, 2000)), NOW),
  }
  const begun = leading({
    ...electing,
    remembered: { promotions: [{ term: 6, timeline: 7, lsn: lsn(2000) }] },
  })
  assert.notEqual(outcome(begun).rule, 'promote-wrong-timeline')
  assert.equal(outcome(leading(electing)).rule, 'promote-wrong-timeline')
  const higher = { ...begun, instance: known(standby(position(8, 2000)), NOW) }
  assert.equal(outcome(higher).rule, 'promote-wrong-timeline')
})

test('a promotion that a later one passed by is no part of the accepted history', () => {
  // 5 branched off 4 late, 6 branched off 4 earlier: what a copy has of 4 between the two is lost to it.
  const chain = [
    { term: 4, timeline: 5, parent: 4, fork: lsn(900) },
    { term: 5, timeline: 6, parent: 4, fork: lsn(700) },
  ]
  const store = known(cluster({ recordIs: { chain } }), NOW)
  const ruleAt = (where: ReturnType<typeof position>) =>
    outcome(view({ store, instance: known(standby(where), NOW) })).rule
  assert.equal(ruleAt(position(4, 800)), 'keep-evidence')
  assert.equal(ruleAt(position(5, 950)), 'keep-evidence')
  assert.equal(ruleAt(position(4, 700)), 'follow')
  assert.equal(ruleAt(position(3, 600)), 'follow')
  assert.equal(ruleAt(position(6, 950)), 'follow')
})

test('a directory that a job is changing is no reason to end, one that nobody touches is', () => {
  const unreadable = known({ kind: 'unreadable', reason: 'no data directory' } as const, NOW)
  const down = { guard: guard(DEAD), instance: lost('', NOW), directory: unreadable }
  assert.deepEqual(outcome(view(down)), { rule: 'unreadable-data', actions: ['exit'] })
  const from = { name: 'amber', host: '10.0.0.1', port: 5432 }
  const order = { kind: 'clone', from, systemIdentifier: '7', seat: 's' } as const
  const job = { order, state: 'running', startedAt: at(-500), progress: null } as const
  assert.equal(outcome(view({ ...down, job })).actions.includes('exit'), false)
})

test('a copy that a rule lists is not thrown away before the leader knows that it goes and lists it no more', () => {
  const rules = [{ term: 5, leader: 'amber-seat', seats: ['birch-seat', 'cedar-seat'], k: 1, seen: {} }]
  const dropped = [{ ...rules[0]!, seats: ['cedar-seat'] }]
  const status = { value: '{"optime":1,"slots":{"birch":1}}', modRevision: 5n }
  const unusable = (listed: typeof rules, leaving: boolean, saidAt = 60n) => {
    const members = ['amber', 'birch', 'cedar'].map(name => {
      const value = member(name)
      const vigil = { ...value.vigil!, ...(leaving && name === 'birch' && { leaving }) }
      return { value: { ...value, vigil }, modRevision: saidAt }
    })
    return view({
      store: known(cluster({ recordIs: { rules: listed }, status, members }), NOW),
      guard: guard(DEAD),
      instance: lost('', NOW),
      directory: known({ kind: 'present', control: control() } as const, NOW),
      remembered: { seatState: 'incomplete' },
    })
  }
  const published = decide(unusable(rules, false)).decision.actions.find(a => a.kind === 'publish')
  assert.equal(published?.kind === 'publish' && published.member.vigil?.leaving, true)
  assert.deepEqual(outcome(unusable(rules, false)).actions, [])
  assert.deepEqual(outcome(unusable(rules, true)).actions, [])
  assert.deepEqual(outcome(unusable(dropped, false)).actions, [])
  assert.deepEqual(outcome(unusable(dropped, true, 95n)).actions, [])
  assert.deepEqual(outcome(unusable(dropped, true)).actions, ['run-job'])
})

test('a new copy follows nobody before its member key names it: it would be counted for the copy before', () => {
  const rules = [{ term: 5, leader: 'amber-seat', seats: ['cedar-seat'], k: 1, seen: {} }]
  const fresh = (seat: string) =>
    view({ store: known(cluster({ recordIs: { rules } }), NOW), remembered: { seat } })
  assert.deepEqual(outcome(fresh('birch-new')).actions, [])
  assert.deepEqual(outcome(fresh('birch-seat')).actions, ['configure'])
})

test('a copy that was promoted by hand is stopped for a request as it is: its waiting sessions are told nothing', () => {
  const requests = [{ kind: 'reinitialise', id: 'r', force: true, fromLeader: true }] as const
  const byHand = {
    instance: known(primary(position(7, 2000)), NOW),
    guard: guard({ mode: 'fenced' }),
    requests,
  }
  const { rule, actions } = outcome(view(byHand))
  assert.ok(!actions.includes('configure'), `${rule}: ${actions.join(' ')}`)
  assert.ok(actions.includes('stop'))
})
