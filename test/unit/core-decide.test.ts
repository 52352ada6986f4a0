import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../../src/core/decide.ts'
import type { View } from '../../src/core/view.ts'
import { lsn } from '../../src/kernel/lsn.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  ARMED,
  at,
  cluster,
  control,
  DEAD,
  guard,
  leaderState,
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

const silent = (ms: number) => ({ seen: { revision: 90n, at: at(-ms) } })
const present = known({ kind: 'present', control: control() } as const, NOW)

function termChange(of: View) {
  const action = decide(of).decision.actions.find(a => a.kind === 'change-term')
  assert(action?.kind === 'change-term', 'a transaction was expected')
  return action
}

test('a standby of a healthy leader takes nothing', () => {
  assert.equal(outcome(view()).actions.includes('T3'), false)
})

test('a primary whose record names another holder is killed', () => {
  const old = view({ guard: ARMED, instance: known(primary(position(6, 2000)), NOW) })
  assert.deepEqual(outcome(old), { rule: 'stale-primary', actions: ['kill'] })
})

test('a primary that the guard has no term for is killed', () => {
  const byHand = view({ instance: known(primary(position(7, 2000)), NOW) })
  assert.deepEqual(outcome(byHand), { rule: 'promoted-by-hand', actions: ['kill', 'mark-seat'] })
})

test('a foreign primary is left alone while no cluster is recorded', () => {
  const store = known(cluster({ term: null, leader: null, initialize: null }), NOW)
  const foreign = view({
    store,
    guard: guard({ adopted: true }),
    instance: known(primary(position(1, 500)), NOW),
    remembered: { termMax: 0 },
  })
  assert.deepEqual(outcome(foreign), { rule: 'foreign-primary', actions: ['exit'] })
})

test('nobody takes over before the wait of the last revision has passed', () => {
  assert.equal(outcome(view({ memory: silent(10_099) })).actions.includes('T3'), false)
  assert.deepEqual(outcome(view({ memory: silent(10_100) })), { rule: 'take', actions: ['T3'] })
})

test('the wait begins anew with each revision', () => {
  const moved = view({ memory: { seen: { revision: 89n, at: at(-60_000) } } })
  assert.equal(outcome(moved).actions.includes('T3'), false)
})

test('the smaller of two clocks decides a wait', () => {
  const slept = view({
    memory: { seen: { revision: 90n, at: { mono: NOW.mono - 500, boot: NOW.boot - 60_000 } } },
  })
  assert.equal(outcome(slept).actions.includes('T3'), false)
})

test('an absent leader key alone excludes nobody', () => {
  const store = known(cluster({ leader: null }), NOW)
  assert.equal(outcome(view({ store })).actions.includes('T3'), false)
})

test('a leader key of somebody who is not the holder stops a takeover', () => {
  const store = known(cluster({ leader: { value: 'dogwood', modRevision: 95n } }), NOW)
  assert.equal(outcome(view({ store, memory: silent(20_000) })).actions.includes('T3'), false)
})

test('a better reachable member goes first, and is not waited for without end', () => {
  const peers = peer('cedar', position(6, 1500))
  const waiting = { ...silent(10_200), excludedSince: at(-100) }
  assert.equal(outcome(view({ peers, memory: waiting })).rule, 'take-turn')
  assert.equal(outcome(view({ peers, memory: { ...silent(12_000), excludedSince: at(-1000) } })).rule, 'take')
})

test('positions are compared by timeline before length', () => {
  const longer = peer('cedar', position(5, 99_999))
  assert.equal(outcome(view({ peers: longer, memory: silent(10_200) })).rule, 'take')
})

test('an unlisted, barred, lagging or incomplete member does not take over', () => {
  const refused: readonly View[] = [
    view({ memory: silent(20_000), store: known(cluster({ recordIs: { members: ['amber-1'] } }), NOW) }),
    view({ memory: silent(20_000), remembered: { seatState: 'incomplete' } }),
    view({ memory: silent(20_000), remembered: { seatState: 'diverged' } }),
    view({
      memory: silent(20_000),
      store: known(cluster({ recordIs: { at: position(6, 1000 + 2_000_000) } }), NOW),
    }),
    view({
      memory: silent(20_000),
      instance: known(standby(position(6, 1000), { localWalReplayed: false, received: null }), NOW),
    }),
    view({
      memory: silent(20_000),
      instance: known(standby(position(6, 900)), NOW),
      remembered: { reported: position(6, 950) },
    }),
  ]
  for (const one of refused) assert.equal(outcome(one).actions.includes('T3'), false)
})

test('a reachable member that says it is primary stops a takeover', () => {
  const peers = peer('amber', position(6, 1500), { role: 'primary' })
  assert.equal(outcome(view({ peers, memory: silent(20_000) })).actions.includes('T3'), false)
})

test('a released leadership is taken at once, by the successor first', () => {
  const released = (successor: string | null) =>
    known(cluster({ leader: null, recordIs: { state: 'released', successor } }), NOW)
  assert.equal(outcome(view({ store: released('birch') })).rule, 'take')
  // First the others' reports must be from after the release.
  assert.equal(outcome(view({ store: released(null) })).rule, 'take-turn')
  assert.equal(outcome(view({ store: released(null), memory: { excludedSince: at(-300) } })).rule, 'take')
  assert.equal(
    outcome(view({ store: released('cedar'), memory: { excludedSince: at(-1000) } })).rule,
    'take-turn',
  )
  assert.equal(outcome(view({ store: released('cedar'), memory: { excludedSince: at(-2300) } })).rule, 'take')
})

test('after a clean stop nobody with less than the final position takes over while the old leader may', () => {
  const store = known(
    cluster({ leader: null, recordIs: { state: 'released', final: position(6, 3000) } }),
    NOW,
  )
  assert.equal(outcome(view({ store })).rule, 'take-blocked')
  assert.equal(outcome(view({ store, memory: { ...silent(20_000), excludedSince: at(-300) } })).rule, 'take')
})

test('a takeover gives a term and a timeline that nobody ever had', () => {
  const { record } = termChange(view({ memory: silent(20_000) }))
  assert.deepEqual([record.term, record.timelineMax, record.state], [6, 7, 'electing'])
  assert.equal(record.holder.install, 'birch-1')
})

test('a store that is another one, went back or lost the record freezes everything', () => {
  const frozen: readonly View[] = [
    leading({ store: leaderState({}, { clusterId: 'other' }) }),
    leading({ remembered: { termMax: 6 } }),
    leading({ remembered: { revisionMax: 91n } }),
    leading({ store: known(cluster({ term: null }), NOW) }),
    view({ memory: silent(60_000), remembered: { termMax: 6 } }),
    view({
      store: known(
        cluster({ term: null, damaged: [{ key: '/service/shop/vigil/term', reason: 'not JSON' }] }),
        NOW,
      ),
      remembered: { termMax: 0 },
    }),
  ]
  for (const one of frozen) assert.deepEqual(outcome(one), { rule: 'store-frozen', actions: [] })
})

test('a diverged copy is marked and stopped, rewound after the checkpoint, and never taken for a candidate', () => {
  const chain = [{ term: 5, timeline: 6, parent: 5, fork: lsn(900) }]
  const store = known(cluster({ recordIs: { chain } }), NOW)
  const ahead = view({ store, instance: known(standby(position(5, 950)), NOW) })
  assert.deepEqual(outcome(ahead), { rule: 'keep-evidence', actions: ['mark-seat', 'run-job'] })
  const kept = { ...ahead, memory: { ...ahead.memory, evidenceKept: true } }
  assert.deepEqual(outcome(kept), { rule: 'rewind-stop', actions: ['mark-seat', 'stop'] })
  const down = {
    guard: guard(DEAD),
    instance: lost('', NOW),
    directory: present,
    remembered: { seatState: 'diverged' as const },
  }
  assert.equal(outcome(view(down)).rule, 'rewind')
  const early = known(
    cluster({ members: [{ value: member('amber', { checkpointAfterPromote: false }), modRevision: 1n }] }),
    NOW,
  )
  assert.deepEqual(outcome(view({ ...down, store: early })).actions, [])
})

/** What only the copy has was kept before. */
const KEPT = { evidenceKept: true }

test('a promotion that nobody accepted makes a copy unusable when its number was given to another', () => {
  const own = view({
    instance: known(standby(position(6, 950)), NOW),
    remembered: { promotions: [{ term: 4, timeline: 6, lsn: lsn(900) }] },
    memory: KEPT,
  })
  assert.equal(outcome(own).rule, 'unusable-copy')
  const otherFork = view({ history: [{ timeline: 5, end: lsn(880) }], memory: KEPT })
  assert.equal(outcome(otherFork).rule, 'unusable-copy')
  const notGivenOut = view({ instance: known(standby(position(7, 950)), NOW), memory: KEPT })
  assert.equal(outcome(notGivenOut).rule, 'unusable-copy')
})

test('a number that the record gave out and nobody accepted is rewound', () => {
  const store = known(
    cluster({
      recordIs: {
        term: 7,
        timelineMax: 8,
        chain: [
          { term: 5, timeline: 6, parent: 5, fork: lsn(900) },
          { term: 7, timeline: 8, parent: 6, fork: lsn(950) },
        ],
      },
    }),
    NOW,
  )
  const lostRace = view({
    store,
    instance: known(standby(position(7, 940)), NOW),
    remembered: { promotions: [{ term: 6, timeline: 7, lsn: lsn(900) }] },
    memory: KEPT,
  })
  assert.equal(outcome(lostRace).rule, 'rewind-stop')
})

test('a copy that was never complete is cloned anew, a directory of another cluster is left alone', () => {
  const down = { guard: guard(DEAD), instance: lost('', NOW) }
  assert.equal(outcome(view({ ...down, directory: known({ kind: 'empty' }, NOW) })).rule, 'clone')
  const cut = known({ kind: 'unfinished', what: 'rewind' } as const, NOW)
  assert.equal(outcome(view({ ...down, directory: cut })).rule, 'clone')
  const foreign = known({ kind: 'present', control: control({ systemIdentifier: '42' }) } as const, NOW)
  assert.deepEqual(outcome(view({ ...down, directory: foreign })), {
    rule: 'foreign-data',
    actions: ['exit'],
  })
})

test('a promotion that was never recorded may still become the accepted history', () => {
  const store = known(cluster({ recordIs: { term: 7, state: 'electing', timelineMax: 8 } }), NOW)
  const streamed = view({ store, instance: known(standby(position(7, 2000)), NOW), memory: silent(20_000) })
  assert.equal(outcome(streamed).rule, 'take')
})

test('who gave up a moment ago leaves it to others, and not for ever', () => {
  const store = known(cluster({ leader: null, recordIs: { state: 'released' } }), NOW)
  const tired = (sinceMs: number) =>
    outcome(view({ store, memory: { heldOffUntil: at(20_000), excludedSince: at(-sinceMs) } })).rule
  assert.equal(tired(5200), 'take-turn')
  assert.equal(tired(5300), 'take')
})
