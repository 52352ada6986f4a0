// A leader that is unwell: what it does, and what it leaves to whom.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { obstacle } from '../../src/core/candidate.ts'
import { decide } from '../../src/core/decide.ts'
import { type DiskPlace, type Health, UNKNOWN_HEALTH } from '../../src/core/health.ts'
import { situationOf } from '../../src/core/situation.ts'
import { statusOf } from '../../src/core/status.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
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
  standby,
  type ViewChange,
  view,
} from './core-view.ts'

const GIB = 2 ** 30
const FINE: DiskPlace = { holds: ['data', 'wal'], freeBytes: 50 * GIB, totalBytes: 100 * GIB, failure: null }
const FULL: DiskPlace = { ...FINE, freeBytes: 0, failure: 'No space left on device' }
const STATE_FULL: DiskPlace = { ...FULL, holds: ['state'] }
const CEDAR = peer('cedar', position(6, 2000))
const NOBODY_FIT = peer('cedar', position(6, 2000), { promotable: false, trouble: 'data: full' })
const present = known({ kind: 'present', control: control() } as const, NOW)

function health(change: Partial<Health>): Health {
  return { ...UNKNOWN_HEALTH, places: [FINE], ...change }
}

const STALLED = health({ writesFailing: { since: at(-5000), reason: 'no answer' } })
const FULL_FOR_A_WHILE = health({ places: [FULL], placesFailingSince: at(-8000) })

function dead(change: ViewChange): ReturnType<typeof leading> {
  return leading({
    guard: guard({ ...DEAD, mode: 'armed', term: 5, deadline: at(8000) }),
    instance: lost('', NOW),
    directory: present,
    ...change,
  })
}

test('a primary that cannot write its WAL is killed, if a fit member can take over', () => {
  assert.deepEqual(outcome(leading({ health: STALLED, peers: CEDAR })), { rule: 'unfit', actions: ['kill'] })
})

test('a primary whose WAL can be written is stopped in order: nothing is lost', () => {
  const full = leading({ health: FULL_FOR_A_WHILE, peers: CEDAR })
  assert.deepEqual(outcome(full), { rule: 'unfit', actions: ['stop'] })
  const asked = { stopAskedAt: at(-1000), hung: true, lastAttemptAt: at(-10) }
  assert.equal(outcome(leading({ health: FULL_FOR_A_WHILE, peers: CEDAR, memory: asked })).rule, 'lead')
  const slow = { ...asked, stopAskedAt: at(-10_000) }
  assert.deepEqual(outcome(leading({ health: FULL_FOR_A_WHILE, peers: CEDAR, memory: slow })).actions, [
    'kill',
  ])
})

const SHUTTING = { reason: 'nft has ended', since: at(-1500) }
const shutting = (change: ViewChange = {}) =>
  leading({ guard: guard({ mode: 'armed', term: 5, deadline: at(4000), gateTrouble: SHUTTING }), ...change })

test('a primary whose port the kernel is about to shut hands over, if a fit member can take over', () => {
  assert.deepEqual(outcome(shutting({ peers: CEDAR })), { rule: 'unfit', actions: ['stop'] })
  const stopping = shutting({
    peers: CEDAR,
    memory: { stopAskedAt: at(-10), hung: true, lastAttemptAt: NOW },
  })
  assert.equal(outcome(stopping).rule, 'lead')
})

test('alone its agent ends and leaves PostgreSQL to a new one that can renew the gate, but not before the others were asked', () => {
  assert.deepEqual(outcome(shutting({ peers: NOBODY_FIT })), { rule: 'gate-stuck', actions: ['exit'] })
  const gateTrouble = { ...SHUTTING, since: at(-100) }
  const early = leading({ guard: guard({ mode: 'armed', term: 5, deadline: at(4000), gateTrouble }) })
  assert.equal(outcome(early).rule, 'lead')
  assert.equal(decide(early).memory.doubtful, true)
})

test('a standby behind a port that stays shut ends its agent too', () => {
  assert.equal(outcome(view({ guard: guard({ gateTrouble: SHUTTING }) })).rule, 'gate-stuck')
})

test('a short stall is no reason, and a longer one is allowed by a longer ttl', () => {
  const short = health({ writesFailing: { since: at(-4900), reason: 'no answer' } })
  assert.notEqual(outcome(leading({ health: short, peers: CEDAR })).rule, 'unfit')
  const config = { value: { ttl: 30 }, modRevision: 9n }
  const patient = leading({ store: leaderState({ ttl: 30_000 }, { config }), health: STALLED, peers: CEDAR })
  assert.notEqual(outcome(patient).rule, 'unfit')
})

test('without anybody fit to lead an unfit primary goes on, and the others are asked', () => {
  for (const peers of [{}, NOBODY_FIT, peer('cedar', position(6, 2000), { noFailover: true })]) {
    const alone = leading({ health: STALLED, peers, memory: { lastAttemptAt: at(-1000) } })
    assert.equal(outcome(alone).rule, 'lead')
    assert.ok(!outcome(alone).actions.includes('kill'))
    assert.equal(decide(alone).memory.doubtful, true)
  }
})

test('a member that lags too far behind is not handed over to', () => {
  const far = leading({
    store: leaderState({}, { config: { value: { ttl: 10, maximum_lag_on_failover: 100 }, modRevision: 9n } }),
    health: STALLED,
    peers: peer('cedar', position(6, 1000)),
  })
  assert.notEqual(outcome(far).rule, 'unfit')
})

test('what an unfit primary was ended for is released with the final position, if the end was clean', () => {
  const clean = known(
    {
      kind: 'present',
      control: control({ state: 'shut down', shutdownEnd: position(6, 2100).lsn }),
    } as const,
    NOW,
  )
  const { decision } = decide(dead({ directory: clean, health: FULL_FOR_A_WHILE, memory: { hung: true } }))
  const [release] = decision.actions
  assert.ok(release?.kind === 'change-term' && release.id === 'T5')
  assert.deepEqual(release.record.final, position(6, 2100))
})

test('a dead leader on a full disk releases instead of being promoted again', () => {
  const full = health({ places: [FULL] })
  assert.deepEqual(outcome(dead({ health: full, peers: CEDAR })), { rule: 'release-unfit', actions: ['T5'] })
  const electing = dead({ store: leaderState({ state: 'electing' }), health: full, peers: CEDAR })
  assert.equal(outcome(electing).rule, 'release-unfit')
})

test('alone it keeps the leadership, renews, and starts nothing until the disk can be written', () => {
  const full = dead({ health: health({ places: [FULL] }), peers: NOBODY_FIT })
  assert.deepEqual(outcome(full), { rule: 'unfit-alone', actions: ['T1'] })
  assert.equal(outcome(dead({ health: health({}), peers: NOBODY_FIT })).rule, 'self-take')
})

test('a member that can remember nothing takes no new term', () => {
  const forgetful = health({ places: [FINE, STATE_FULL] })
  assert.equal(outcome(dead({ health: forgetful, peers: CEDAR })).rule, 'release-unfit')
  assert.equal(outcome(leading({ health: forgetful, peers: CEDAR })).rule, 'lead')
  assert.equal(outcome(view({ notKept: 'No space left on device' })).rule, 'memory-not-kept')
})

test('a death is not answered before the disks are asked, nor for long if they are silent', () => {
  const died = (signal: string | null) =>
    guard({
      ...DEAD,
      mode: 'armed',
      term: 5,
      deadline: at(8000),
      exit: { code: signal ? null : 1, signal, cause: 'self', output: '' },
    })
  const asked = { health: health({ diskAskedAt: at(-20) }), memory: { lastAttemptAt: at(-10) } }
  assert.deepEqual(outcome(dead({ ...asked, guard: died(null) })), { rule: 'disk-asked', actions: [] })
  // Who was killed has no quarrel with the disk.
  assert.equal(outcome(dead({ ...asked, guard: died('SIGKILL') })).rule, 'self-take')
  const silent = health({ diskAskedAt: at(-5000) })
  assert.equal(outcome(dead({ health: silent, peers: CEDAR })).rule, 'release-unfit')
})

test('an instance that hangs again and again is not killed each time while nobody else is there', () => {
  const alone = known(
    cluster({
      recordIs: {
        holder: { name: 'birch', install: 'birch-1', seat: 'birch-seat', machine: 'birch-machine' },
      },
      members: [{ value: member('birch'), modRevision: 60n }],
    }),
    NOW,
  )
  const memory = { silentSince: at(-3000), lastAttemptAt: at(-10) }
  const mute = { store: alone, instance: lost('', NOW), accepts: lost('', NOW) } as const
  assert.equal(outcome(leading({ ...mute, memory })).rule, 'hung')
  assert.equal(outcome(leading({ ...mute, memory: { ...memory, hungKilledAt: at(-20_000) } })).rule, 'lead')
  assert.equal(outcome(leading({ ...mute, memory: { ...memory, hungKilledAt: at(-60_000) } })).rule, 'hung')
})

test('not fit to be promoted: disks that fail, two crashes in recovery, replay that is held back', () => {
  const copy = standby(position(6, 1000))
  const against = (change: ViewChange) => obstacle(situationOf(view(change)))
  assert.equal(against({}), null)
  assert.match(against({ health: health({ places: [FULL] }) })!, /No space left/)
  assert.match(against({ health: health({ places: [FINE, STATE_FULL] }) })!, /No space left/)
  assert.match(against({ health: health({ places: [{ ...FINE, freeBytes: 1e6 }] }) })!, /segment/)
  assert.match(against({ health: health({ diskAskedAt: at(-5000) }) })!, /does not answer/)
  assert.match(against({ memory: { crashes: [at(-10), at(-20)] } })!, /crashed twice/)
  assert.equal(against({ memory: { crashes: [at(-10)] } }), null)
  assert.match(against({ instance: known({ ...copy, applyDelayed: true }, NOW) })!, /apply_delay/)
  // A paused replay goes on with the promotion.
  assert.equal(against({ instance: known({ ...copy, replayPaused: true }, NOW) }), null)
})

test('crashes in recovery are counted at the next start, and forgotten after a minute without one', () => {
  const exit = { code: 1, signal: null, cause: 'self', output: '' } as const
  const down = view({
    guard: guard({ ...DEAD, exit }),
    instance: lost('', NOW),
    directory: present,
    memory: { starts: [at(-3000)], crashes: [at(-3000)] },
  })
  assert.equal(outcome(down).rule, 'start-standby')
  assert.equal(decide(down).memory.crashes.length, 2)
  const soon = view({ memory: { starts: [at(-59_000)], crashes: [at(-60_000)] } })
  assert.equal(decide(soon).memory.crashes.length, 1)
  const later = view({ memory: { starts: [at(-60_000)], crashes: [at(-61_000)] } })
  assert.deepEqual(decide(later).memory.crashes, [])
})

test('a standby is not started on a disk that fails, nor before the disk has answered', () => {
  const down = { guard: guard(DEAD), instance: lost('', NOW), directory: present } as const
  assert.deepEqual(outcome(view({ ...down, health: health({ places: [FULL] }) })).actions, [])
  assert.deepEqual(outcome(view({ ...down, health: health({ diskAskedAt: at(-20) }) })).actions, [])
  assert.deepEqual(outcome(view({ ...down, health: health({}) })).actions, ['start'])
})

test('status says what is wrong with disks, blocks and memory, alarms first', () => {
  const codes = (change: ViewChange, make = view) => {
    const { warnings } = statusOf(make(change), { scope: 'test', now: NOW, decision: null })
    const own = /^(cannot-write|disk-|state-disk|checksum|not-fit)/
    return warnings.filter(({ code }) => own.test(code)).map(({ code, severity }) => `${severity} ${code}`)
  }
  assert.deepEqual(codes({ health: health({}) }), [])
  assert.deepEqual(codes({ health: health({ places: [FULL] }) }), ['alarm disk-failing'])
  assert.deepEqual(codes({ health: health({ diskAskedAt: at(-5000) }) }), ['alarm disk-failing'])
  assert.deepEqual(codes({ health: health({ places: [FINE, STATE_FULL] }) }), ['alarm state-disk'])
  assert.deepEqual(codes({ notKept: 'No space left on device' }), ['alarm state-disk'])
  assert.deepEqual(codes({ health: STALLED }, leading), ['alarm cannot-write'])
  const withFree = (freeBytes: number, totalBytes: number) =>
    codes({ health: health({ places: [{ ...FINE, freeBytes, totalBytes }] }) })
  assert.deepEqual(withFree(9 * GIB, 100 * GIB), ['notice disk-low'])
  // A tenth of much is no shortage.
  assert.deepEqual(withFree(90 * GIB, 1000 * GIB), [])
  assert.deepEqual(withFree(GIB, 100 * GIB), ['alarm disk-almost-full'])
  assert.deepEqual(withFree(60 * 2 ** 20, GIB), ['alarm disk-almost-full'])
  const damaged = known(standby(position(6, 1000), { checksumFailures: 3 }), NOW)
  assert.deepEqual(codes({ health: health({}), instance: damaged }), ['alarm checksum-failures'])
  assert.deepEqual(codes({ memory: { crashes: [at(-10), at(-20)] } }), ['notice not-fit'])
})
