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

test('a leader renews each second, and not in between', () => {
  assert.deepEqual(
    outcome(leading({ memory: { configured: null, lastAttemptAt: at(-1000) } })).actions.slice(0, 1),
    ['T1'],
  )
  assert.equal(outcome(leading({ memory: { lastAttemptAt: at(-300) } })).actions.includes('T1'), false)
})

test('a renewal compares the exact revision that was read', () => {
  assert.equal(termChange(leading()).expected, 90n)
})

test('a lost leader key is put back, one with another name is a reason to fence', () => {
  const holder = { recordIs: undefined }
  assert.equal(termChange(leading({ store: leaderState({}, { leader: null, ...holder }) })).id, 'T1b')
  const foreign = leaderState({}, { leader: { value: 'amber', modRevision: 95n } })
  assert.equal(outcome(leading({ store: foreign })).rule, 'stale-primary')
})

test('a shorter ttl reaches the guard before the store', () => {
  const store = leaderState({ ttl: 20_000 })
  assert.equal(termChange(leading({ store })).before, 'lower')
  assert.equal(termChange(leading()).before, 'nothing')
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

test('without a guard nothing is renewed, and what runs is killed', () => {
  const gone = leading({ guard: null, memory: { guardMet: true } })
  assert.deepEqual(outcome(gone), { rule: 'guard-lost', actions: ['kill', 'ensure-guard'] })
  const mute = leading({ guard: { status: (ARMED as NonNullable<View['guard']>).status, echoAt: at(-700) } })
  assert.equal(outcome(mute).actions.includes('T1'), false)
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

test('a maintenance pause is never silence', () => {
  const store = known(cluster({ recordIs: { state: 'paused' } }), NOW)
  assert.equal(outcome(view({ store, memory: silent(600_000) })).actions.includes('T3'), false)
})

test('a released leadership is taken at once, by the successor first', () => {
  const released = (successor: string | null) =>
    known(cluster({ leader: null, recordIs: { state: 'released', successor } }), NOW)
  assert.equal(outcome(view({ store: released('birch') })).rule, 'take')
  assert.equal(outcome(view({ store: released(null) })).rule, 'take')
  assert.equal(
    outcome(view({ store: released('cedar'), memory: { excludedSince: at(-1000) } })).rule,
    'take-turn',
  )
  assert.equal(outcome(view({ store: released('cedar'), memory: { excludedSince: at(-2000) } })).rule, 'take')
})

test('after a clean stop nobody with less than the final position takes over while the old leader may', () => {
  const store = known(
    cluster({ leader: null, recordIs: { state: 'released', final: position(6, 3000) } }),
    NOW,
  )
  assert.equal(outcome(view({ store })).rule, 'take-blocked')
  assert.equal(outcome(view({ store, memory: silent(20_000) })).rule, 'take')
})

test('the successor of a handover takes over on the shutdown checkpoint', () => {
  const store = known(cluster({ recordIs: { state: 'handover', successor: 'birch' } }), NOW)
  assert.equal(outcome(view({ store })).actions.includes('T3'), false)
  assert.equal(outcome(view({ store, endsWithShutdown: true })).rule, 'take')
  const other = known(cluster({ recordIs: { state: 'handover', successor: 'cedar' } }), NOW)
  assert.equal(outcome(view({ store: other, endsWithShutdown: true })).actions.includes('T3'), false)
})

test('a takeover gives a term and a timeline that nobody ever had', () => {
  const { record } = termChange(view({ memory: silent(20_000) }))
  assert.deepEqual([record.term, record.timelineMax, record.state], [6, 7, 'electing'])
  assert.equal(record.holder.install, 'birch-1')
})

test('a leader whose PostgreSQL died takes a new term, and gives up after too many', () => {
  const dead = {
    guard: guard({ ...DEAD, mode: 'armed', term: 5, deadline: at(8000) }),
    instance: lost('', NOW),
    directory: present,
  }
  assert.deepEqual(outcome(leading(dead)), { rule: 'self-take', actions: ['T3'] })
  const often = { selfTakes: [at(-10_000), at(-20_000), at(-30_000)] }
  const released = leading({ ...dead, memory: often })
  assert.equal(outcome(released).rule, 'release-exhausted')
  assert.equal(termChange(released).before, 'drop')
})

test('a crashed primary comes up as a standby and is promoted under its new term only', () => {
  const electing = leaderState({ state: 'electing', term: 6, timelineMax: 7 })
  const armed6 = guard({ mode: 'armed', term: 6, deadline: at(8000) })
  const dead6 = guard({ ...DEAD, mode: 'armed', term: 6, deadline: at(8000) })
  const start = leading({ store: electing, guard: dead6, instance: lost('', NOW), directory: present })
  assert.equal(outcome(start).rule, 'promote-start')
  const up = leading({ store: electing, guard: armed6, instance: known(standby(position(6, 2000)), NOW) })
  assert.equal(outcome(up).actions.includes('promote'), true)
})

test('nothing is promoted before an own transaction has succeeded', () => {
  const electing = leaderState({ state: 'electing', term: 6, timelineMax: 7 })
  const restarted = leading({
    store: electing,
    guard: guard({ mode: 'armed', term: 6, deadline: at(8000) }),
    instance: known(standby(position(6, 2000)), NOW),
    memory: { settled: false },
  })
  assert.deepEqual(outcome(restarted), { rule: 'promote-settle', actions: ['T1'] })
})

test('a promotion to another timeline than the given one is killed and marked', () => {
  const wrong = leading({
    store: leaderState({ state: 'electing', timelineMax: 9 }),
    instance: known(primary(position(8, 2000)), NOW),
  })
  assert.deepEqual(outcome(wrong).actions, ['kill', 'mark-seat'])
})

test('a promotion is recorded with the chain of its history', () => {
  const promoted = leading({
    store: leaderState({ state: 'electing', term: 7, timelineMax: 8 }),
    guard: guard({ mode: 'armed', term: 7, deadline: at(8000) }),
    instance: known(primary(position(8, 2000)), NOW),
    history: [
      { timeline: 6, end: lsn(1500) },
      { timeline: 7, end: lsn(1800) },
    ],
  })
  const { id, record } = termChange(promoted)
  assert.equal(id, 'T4')
  assert.deepEqual(record.chain, [
    { term: 5, timeline: 6, fork: 900n },
    { term: 6, timeline: 7, fork: 1500n },
    { term: 7, timeline: 8, fork: 1800n },
  ])
})

test('a rebooted holder takes its own term over only with all that it had reported', () => {
  const store = leaderState({ at: position(6, 1000) })
  const back = { store, guard: guard(), instance: known(standby(position(6, 1000)), NOW) }
  assert.equal(outcome(leading(back)).rule, 'self-take-after-reboot')
  const less = { ...back, instance: known(standby(position(6, 999)), NOW) }
  assert.equal(outcome(leading(less)).actions.includes('T3'), false)
  const elsewhere = leading({ ...back, remembered: { servedTerm: 4 } })
  assert.equal(outcome(elsewhere).actions.includes('T3'), false)
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

test('a pause is recorded before the deadline is lifted, its end after it counts', () => {
  const config = { value: { ttl: 10, pause: true }, modRevision: 9n }
  const begin = termChange(leading({ store: leaderState({}, { config }) }))
  assert.deepEqual([begin.record.state, begin.before, begin.after], ['paused', 'nothing', 'unarm'])
  const unarmed = guard({ mode: 'unarmed', term: 5 })
  const end = termChange(leading({ store: leaderState({ state: 'paused' }), guard: unarmed }))
  assert.deepEqual([end.record.state, end.before, end.after], ['serving', 'arm', 'arm'])
})

test('in a maintenance pause nothing is started, stopped or promoted', () => {
  const config = { value: { ttl: 10, pause: true }, modRevision: 9n }
  const store = leaderState({ state: 'paused' }, { config })
  const dead = guard({ ...DEAD, mode: 'unarmed', term: 5 })
  const died = leading({ store, guard: dead, instance: lost('', NOW), directory: present })
  assert.deepEqual(outcome(died), { rule: 'paused', actions: [] })
  const standbyDown = view({
    store: known(cluster({ config, recordIs: { state: 'paused' } }), NOW),
    guard: guard(DEAD),
    instance: lost('', NOW),
    directory: present,
  })
  assert.deepEqual(outcome(standbyDown).actions, [])
})

test('a hung primary is killed, and the leadership given away if somebody can take it', () => {
  const mute = leading({
    instance: lost('', NOW),
    accepts: lost('', NOW),
    memory: { silentSince: at(-3000) },
  })
  assert.deepEqual(outcome(mute), { rule: 'hung', actions: ['kill'] })
  const dead = guard({ ...DEAD, mode: 'armed', term: 5, deadline: at(8000) })
  const killed = leading({ guard: dead, instance: lost('', NOW), directory: present, memory: { hung: true } })
  assert.equal(outcome(killed).rule, 'release-after-hang')
})

test('a stopped postmaster counts as hung although an old connection still answers', () => {
  const stopped = leading({ accepts: known(false, NOW), memory: { silentSince: at(-3000) } })
  assert.equal(outcome(stopped).rule, 'hung')
})

test('a diverged copy is marked and stopped, rewound after the checkpoint, and never taken for a candidate', () => {
  const chain = [{ term: 5, timeline: 6, fork: lsn(900) }]
  const store = known(cluster({ recordIs: { chain } }), NOW)
  const ahead = view({ store, instance: known(standby(position(5, 950)), NOW) })
  assert.deepEqual(outcome(ahead), { rule: 'rewind-stop', actions: ['mark-seat', 'stop'] })
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

test('a promotion that nobody accepted makes a copy unusable when its number was given to another', () => {
  const own = view({
    instance: known(standby(position(6, 950)), NOW),
    remembered: { promotions: [{ term: 4, timeline: 6, lsn: lsn(900) }] },
  })
  assert.equal(outcome(own).rule, 'unusable-copy')
  const otherFork = view({ history: [{ timeline: 5, end: lsn(880) }] })
  assert.equal(outcome(otherFork).rule, 'unusable-copy')
  const notGivenOut = view({ instance: known(standby(position(7, 950)), NOW) })
  assert.equal(outcome(notGivenOut).rule, 'unusable-copy')
})

test('a number that the record gave out and nobody accepted is rewound', () => {
  const store = known(
    cluster({
      recordIs: {
        term: 7,
        timelineMax: 8,
        chain: [
          { term: 5, timeline: 6, fork: lsn(900) },
          { term: 7, timeline: 8, fork: lsn(950) },
        ],
      },
    }),
    NOW,
  )
  const lostRace = view({
    store,
    instance: known(standby(position(7, 940)), NOW),
    remembered: { promotions: [{ term: 6, timeline: 7, lsn: lsn(900) }] },
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

test('a switchover needs a successor that answers, and is given up before the stop without one', () => {
  const failover = { value: { leader: 'birch', member: 'cedar', scheduledAt: null }, modRevision: 99n }
  const asked = { store: leaderState({}, { failover }) }
  const peers = peer('cedar', position(6, 2000))
  assert.deepEqual(outcome(leading({ ...asked, peers, memory: { lastAttemptAt: at(-100) } })).actions, [
    'run-job',
  ])
  assert.equal(
    outcome(leading({ ...asked, memory: { handoverSince: at(-4000) } })).actions.includes('put-failover'),
    true,
  )
  const handover = { store: leaderState({ state: 'handover', successor: 'cedar' }) }
  assert.equal(outcome(leading({ ...handover, memory: { handoverSince: at(-100) } })).rule, 'handover-abort')
  assert.equal(
    outcome(leading({ ...handover, peers, memory: { handoverSince: at(-100), lastAttemptAt: at(-1) } })).rule,
    'handover-stop',
  )
})

test('a new agent goes on serving when it finds a handover before the stop', () => {
  const restarted = leading({
    store: leaderState({ state: 'handover', successor: 'cedar' }),
    peers: peer('cedar', position(6, 2000)),
  })
  const { record } = termChange(restarted)
  assert.deepEqual([record.state, record.successor], ['serving', null])
})

test('a stopped leader in handover releases with the final position, after giving the term up', () => {
  const down = guard({ ...DEAD, mode: 'armed', term: 5, deadline: at(8000) })
  const clean = known(
    { kind: 'present', control: control({ state: 'shut down', shutdownEnd: lsn(2100) }) } as const,
    NOW,
  )
  const change = termChange(
    leading({
      store: leaderState({ state: 'handover', successor: 'cedar' }),
      guard: down,
      instance: lost('', NOW),
      directory: clean,
    }),
  )
  assert.deepEqual([change.id, change.before, change.leaderKey], ['T5', 'drop', 'delete'])
  assert.deepEqual(change.record.final, position(6, 2100))
})

test('an orderly end stops, releases and exits; a pause or an upgrade leaves PostgreSQL alone', () => {
  assert.equal(outcome(leading({ ending: 'stop', memory: { lastAttemptAt: at(-1) } })).rule, 'ending-stop')
  const down = guard({ ...DEAD, mode: 'armed', term: 5, deadline: at(8000) })
  assert.deepEqual(
    outcome(leading({ ending: 'stop', guard: down, instance: lost('', NOW), directory: present })).actions,
    ['T5', 'exit'],
  )
  assert.deepEqual(outcome(leading({ ending: 'leave' })).actions, ['exit'])
})

test('the store gone: a primary stops in order shortly before its deadline, a standby goes on', () => {
  const gone = lost('no answer', NOW)
  const near = guard({ mode: 'armed', term: 5, deadline: at(900) })
  assert.deepEqual(outcome(leading({ store: gone, guard: near })), {
    rule: 'store-lost-stop',
    actions: ['stop'],
  })
  assert.deepEqual(outcome(leading({ store: gone })).actions, [])
  assert.deepEqual(outcome(view({ store: gone, memory: silent(60_000) })).actions, [])
})

test('an attempt whose answer was lost counts from the moment it was sent', () => {
  const attempt = { nonce: 'mine', sentAt: at(-900), ttl: 10_000, term: 6, after: 'arm' as const, id: 'T3' }
  const store = leaderState({ term: 6, state: 'electing', nonce: 'mine' })
  const back = leading({
    store,
    guard: guard(),
    instance: known(standby(position(6, 2000)), NOW),
    memory: { attempts: [attempt], settled: false },
  })
  const [action] = decide(back).decision.actions
  assert(action?.kind === 'credit')
  assert.deepEqual(action.attempt.sentAt, at(-900))
})

test('a promotion that was never recorded may still become the accepted history', () => {
  const store = known(cluster({ recordIs: { term: 7, state: 'electing', timelineMax: 8 } }), NOW)
  const streamed = view({ store, instance: known(standby(position(7, 2000)), NOW), memory: silent(20_000) })
  assert.equal(outcome(streamed).rule, 'take')
})

test('the end of a pause after a reboot is a new term', () => {
  const store = leaderState({ state: 'paused' })
  const back = leading({ store, guard: guard(), instance: known(standby(position(6, 2000)), NOW) })
  assert.equal(outcome(back).rule, 'self-take-after-reboot')
  const died = leading({
    store,
    guard: guard({ ...DEAD, mode: 'unarmed', term: 5 }),
    instance: lost('', NOW),
    directory: present,
  })
  assert.deepEqual(outcome(died), { rule: 'pause-end', actions: ['T3'] })
})
