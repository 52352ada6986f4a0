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
  NOW,
  outcome,
  peer,
  position,
  primary,
  record,
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

test('without a guard nothing is renewed, and what runs is killed', () => {
  const gone = leading({ guard: null, memory: { guardMet: true } })
  assert.deepEqual(outcome(gone), { rule: 'guard-lost', actions: ['kill', 'ensure-guard'] })
  const mute = leading({ guard: { status: (ARMED as NonNullable<View['guard']>).status, echoAt: at(-700) } })
  assert.equal(outcome(mute).actions.includes('T1'), false)
})

test('a maintenance pause is never silence', () => {
  const store = known(cluster({ recordIs: { state: 'paused' } }), NOW)
  assert.equal(outcome(view({ store, memory: silent(600_000) })).actions.includes('T3'), false)
})

test('the successor of a handover takes over on the shutdown checkpoint', () => {
  const store = known(cluster({ recordIs: { state: 'handover', successor: 'birch' } }), NOW)
  assert.equal(outcome(view({ store })).actions.includes('T3'), false)
  assert.equal(outcome(view({ store, endsWithShutdown: true })).rule, 'take')
  const other = known(cluster({ recordIs: { state: 'handover', successor: 'cedar' } }), NOW)
  assert.equal(outcome(view({ store: other, endsWithShutdown: true })).actions.includes('T3'), false)
})

test('a leader whose PostgreSQL died takes a new term, and gives up after too many', () => {
  const dead = {
    guard: guard({ ...DEAD, mode: 'armed', term: 5, deadline: at(8000) }),
    instance: lost('', NOW),
    directory: present,
  }
  assert.deepEqual(outcome(leading(dead)), { rule: 'self-take', actions: ['T3'] })
  const often = { selfTakes: [1, 2, 3, 4, 5].map(n => at(-10_000 * n)) }
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

test('a standby that was promoted before is promoted only under a new term', () => {
  const electing = leaderState({ state: 'electing', term: 7, timelineMax: 8 })
  const restarted = (comingUpFor: number) =>
    leading({
      store: electing,
      guard: guard({ mode: 'armed', term: 7, deadline: at(8000) }),
      instance: known(standby(position(8, 2000)), NOW),
      remembered: { promotions: [{ term: 7, timeline: 8, lsn: lsn(1800) }] },
      memory: { startingSince: at(-comingUpFor) },
    })
  assert.deepEqual(termChange(restarted(3000)).record.timelineMax, 9)
  // For a moment it may be the promotion itself.
  for (const kind of ['T3', 'promote']) assert.equal(outcome(restarted(100)).actions.includes(kind), false)
})

test('a promotion is recorded with the chain of its history', () => {
  const promoted = leading({
    store: leaderState({ state: 'electing', term: 7, timelineMax: 8 }),
    guard: guard({ mode: 'armed', term: 7, deadline: at(8000) }),
    instance: known(primary(position(8, 2000)), NOW),
    remembered: { promotions: [{ term: 7, timeline: 8, lsn: lsn(1800) }] },
    history: [
      { timeline: 6, end: lsn(1500) },
      { timeline: 7, end: lsn(1800) },
    ],
  })
  const { id, record } = termChange(promoted)
  assert.equal(id, 'T4')
  assert.deepEqual(record.chain, [
    { term: 5, timeline: 6, parent: 5, fork: 900n },
    { term: 6, timeline: 7, parent: 6, fork: 1500n },
    { term: 7, timeline: 8, parent: 7, fork: 1800n },
  ])
})

test('a rebooted holder takes its own term over only with all that it had reported', () => {
  const store = leaderState({ at: position(6, 1000) })
  const peers = { ...peer('amber', position(6, 900)), ...peer('cedar', position(6, 900)) }
  const back = { store, peers, guard: guard(), instance: known(standby(position(6, 1000)), NOW) }
  assert.equal(outcome(leading(back)).rule, 'self-take-after-reboot')
  assert.equal(
    outcome(leading({ ...back, peers: {} })).actions.includes('T3'),
    false,
    'the others are asked first',
  )
  const later = { ...peers, ...peer('cedar', position(7, 2000), { term: 6 }) }
  assert.equal(outcome(leading({ ...back, peers: later })).rule, 'store-frozen')
  const less = { ...back, instance: known(standby(position(6, 999)), NOW) }
  assert.equal(outcome(leading(less)).actions.includes('T3'), false)
  const elsewhere = leading({ ...back, remembered: { servedTerm: 4 } })
  assert.equal(outcome(elsewhere).actions.includes('T3'), false)
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
  const won = record({ term: 6, state: 'electing', nonce: 'mine' })
  const attempt = {
    nonce: 'mine',
    sentAt: at(-900),
    ttl: 10_000,
    term: 6,
    after: 'arm' as const,
    id: 'T3',
    base: 80n,
    record: won,
  }
  const store = leaderState(won)
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

test('the end of a pause after a reboot is a new term', () => {
  const store = leaderState({ state: 'paused' })
  const peers = { ...peer('amber', position(6, 900)), ...peer('cedar', position(6, 900)) }
  const back = leading({ store, peers, guard: guard(), instance: known(standby(position(6, 2000)), NOW) })
  assert.equal(outcome(back).rule, 'self-take-after-reboot')
  const died = leading({
    store,
    guard: guard({ ...DEAD, mode: 'unarmed', term: 5 }),
    instance: lost('', NOW),
    directory: present,
  })
  assert.deepEqual(outcome(died), { rule: 'pause-end', actions: ['T3'] })
})

test('a silent guard is not trusted with a deadline that is near', () => {
  const armed = (leftMs: number) => {
    const status = guard({ mode: 'armed', term: 5, deadline: at(leftMs) })
    return status && { status: status.status, echoAt: at(-700) }
  }
  assert.equal(outcome(leading({ guard: armed(1400), memory: { guardMet: true } })).rule, 'guard-lost')
  assert.equal(outcome(leading({ guard: armed(5000), memory: { guardMet: true } })).rule, 'guard-missing')
})

test('a guard that a new agent can not reach is not waited for without end', () => {
  const lost = (forMs: number) => outcome(leading({ guard: null, memory: { guardMissingSince: at(-forMs) } }))
  assert.deepEqual(lost(4000), { rule: 'guard-missing', actions: ['ensure-guard'] })
  assert.deepEqual(lost(5000), { rule: 'guard-lost', actions: ['kill', 'ensure-guard'] })
})

test('the bootstrap marker goes with the recorded promotion, not before', () => {
  const promoted = leading({
    store: leaderState({ state: 'electing' }),
    history: [{ timeline: 5, end: lsn(900) }],
  })
  assert.deepEqual(outcome(promoted).actions, ['ensure-standby-signal', 'T4', 'mark-served'])
})

test('a second attempt to end a pause does not move a deadline that the first has set', () => {
  const again = termChange(leading({ store: leaderState({ state: 'paused' }) }))
  assert.deepEqual([again.record.state, again.before, again.after], ['serving', 'nothing', 'arm'])
})
