// The read model: who leads, what protects it, how far the others are, what needs attention.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterState } from '../../src/core/cluster.ts'
import { statusOf } from '../../src/core/status.ts'
import type { View } from '../../src/core/view.ts'
import { later } from '../../src/kernel/time.ts'
import { at, cluster, decision, member, record, standby, view } from './api-world.ts'

const NOW = { mono: 1_000_000, boot: 1_000_000 }

function status(shown: View, afterMs = 0) {
  return statusOf(shown, { scope: 'main', now: later(NOW, afterMs), decision })
}

const amber = (change: Parameters<typeof view>[0] = {}) => view({ now: NOW, ...change })
const birch = (change: Parameters<typeof view>[0] = {}) => view({ now: NOW, name: 'birch', ...change })
const termIs = (change: Partial<typeof record>): ClusterState =>
  cluster({ term: { value: { ...record, ...change }, modRevision: 7n } })
const codes = (shown: View) => status(shown).warnings.map(warning => warning.code)

test('a member leads until its deadline on either clock, and not a moment longer', () => {
  const shown = amber({ deadlineInMs: 8000 })
  assert.equal(status(shown, 7999).local.leads, true)
  assert.equal(status(shown, 8000).local.leads, false)
  const suspended = { mono: NOW.mono + 10, boot: NOW.boot + 8000 }
  assert.equal(statusOf(shown, { scope: 'main', now: suspended, decision }).local.leads, false)
})

test('the time left to the deadline is counted from now, not from the look', () => {
  assert.equal(status(amber({ deadlineInMs: 8000 }), 3000).local.deadlineLeftMs, 5000)
  assert.equal(status(birch()).local.deadlineLeftMs, null)
})

for (const [what, shown] of [
  ['its guard is gone', amber({ guard: null })],
  ['its guard serves another term', amber({ guard: { term: 11 } })],
  [
    'the record names another installation',
    amber({ cluster: termIs({ holder: { ...record.holder, install: 'i-other' } }) }),
  ],
  ['the leadership was released', amber({ cluster: termIs({ state: 'released' }) })],
  ['the guard has fenced it', amber({ guard: { mode: 'fenced' } })],
] as const) {
  test(`a member does not lead when ${what}`, () => {
    assert.equal(status(shown).local.leads, false)
  })
}

test('nobody leads after a release, and the holder leads otherwise', () => {
  assert.equal(status(birch()).leader, 'amber')
  assert.equal(status(birch({ cluster: termIs({ state: 'released' }) })).leader, null)
})

test('a leader that has been silent for longer than its deadline can last leads no more', () => {
  const shown = birch()
  const silent: View = {
    ...shown,
    memory: { ...shown.memory, seen: { revision: 7n, at: later(NOW, -10_200) } },
  }
  assert.equal(status(silent).leader, null)
  assert.ok(codes(silent).includes('no-leader'))
})

test('without the store only what this member holds itself is said', () => {
  assert.equal(status(amber({ cluster: null })).leader, 'amber')
  assert.equal(status(birch({ cluster: null })).leader, null)
  assert.deepEqual(
    status(birch({ cluster: null })).members.map(row => row.name),
    ['birch'],
  )
})

test('beside Patroni agents the leader key says who leads', () => {
  const mixed = cluster({
    term: { value: { ...record, mixed: true }, modRevision: 7n },
    leader: { value: 'cedar', modRevision: 9n },
    members: [member('amber', 8001), member('cedar', 8003, { vigil: null })].map(value => ({
      value,
      modRevision: 7n,
    })),
  })
  assert.equal(status(amber({ cluster: mixed })).leader, 'cedar')
  assert.ok(codes(amber({ cluster: mixed })).includes('mixed-cluster'))
})

test('fencing names its layers, what is missing, and what the next grade takes', () => {
  const fencing = (guard: Parameters<typeof amber>[0]) => status(amber(guard)).local.fencing
  const watchdog = 'there is no /dev/watchdog'
  const layers = ['guard', 'pdeathsig', 'cgroup.kill', 'nftables']
  assert.deepEqual(fencing({}), {
    grade: 'B',
    layers,
    missing: ['watchdog'],
    obstacles: { watchdog },
    next: { grade: 'A', missing: ['watchdog'] },
    realtimeObstacle: null,
    oomObstacle: null,
    memoryObstacle: null,
  })
  const all = { 'cgroup.kill': null, nftables: null, watchdog: null, realtime: null }
  assert.deepEqual(
    [fencing({ guard: { obstacles: all } }).grade, fencing({ guard: { obstacles: all } }).next],
    ['A', null],
  )
  const withoutNft = fencing({ guard: { obstacles: { ...all, nftables: 'nft is not installed' } } })
  // A better layer further up does not make up for a missing one.
  assert.deepEqual([withoutNft.grade, withoutNft.next], ['C', { grade: 'B', missing: ['nftables'] }])
  const adopted = fencing({ guard: { adopted: true } })
  assert.deepEqual([adopted.grade, adopted.next?.missing], ['D', ['pdeathsig']])
  assert.equal(fencing({ guard: null }).grade, 'none')
})

test('an asynchronous cluster with a hole in its fencing is an alarm, one that can not lose commits is not', () => {
  const hole = { guard: { obstacles: { 'cgroup.kill': null, nftables: 'nft is not installed' } } }
  assert.ok(codes(amber(hole)).includes('fencing-weak'))
  assert.ok(!codes(amber()).includes('fencing-weak'))
  const view = amber(hole)
  assert.ok(
    !codes({ ...view, settings: { ...view.settings, synchronousMode: 'quorum' } }).includes('fencing-weak'),
  )
})

test('a member whose guard refuses promotions is not promotable and says why', () => {
  const forbids = 'a watchdog is required: there is no /dev/watchdog'
  const view = amber({ name: 'birch', guard: { forbids } })
  assert.equal(status(view).local.promotable, false)
  assert.equal(status(amber({ name: 'birch' })).local.promotable, true)
  assert.ok(codes(view).includes('may-not-lead'))
})

test('lags are counted from the furthest position known of the leader, and never below nothing', () => {
  const rows = status(amber()).members
  assert.deepEqual(
    rows.map(({ name, lag, receiveLag, replayLag }) => [name, lag, receiveLag, replayLag]),
    [
      ['amber', null, null, null],
      ['birch', 256, 256, 512],
      ['cedar', 256, 256, 512],
    ],
  )
  const behind = termIs({ at: { timeline: 3, lsn: at('0/1000') } })
  const oldLeader = {
    ...behind,
    members: [member('amber', 8001, { xlogLocation: at('0/2000') }), member('birch', 8002)].map(value => ({
      value,
      modRevision: 7n,
    })),
  }
  assert.equal(status(birch({ cluster: oldLeader })).members.find(row => row.name === 'birch')?.lag, 0)
})

test('without a leader no lag is known', () => {
  assert.deepEqual(
    status(birch({ cluster: termIs({ state: 'released' }) })).members.map(row => row.lag),
    [null, null, null],
  )
})

test('addresses come from the connection URLs, IPv6 without brackets', () => {
  const one = cluster({
    members: [member('cedar', 8003, { connUrl: 'postgres://[2001:db8::1]:5433/postgres' })].map(value => ({
      value,
      modRevision: 7n,
    })),
  })
  const row = status(amber({ cluster: one })).members.find(({ name }) => name === 'cedar')
  assert.deepEqual([row?.host, row?.port], ['2001:db8::1', 5433])
})

for (const [code, shown] of [
  ['store-lost', birch({ cluster: null })],
  ['store-frozen', birch({ cluster: termIs({ term: 11 }) })],
  [
    'key-damaged',
    birch({ cluster: cluster({ damaged: [{ key: '/service/main/sync', reason: 'not JSON' }] }) }),
  ],
  ['no-leader', birch({ cluster: termIs({ state: 'released' }) })],
  ['primary-without-leadership', amber({ guard: { mode: 'standby', term: null, deadline: null } })],
  ['guard-lost', birch({ guard: null })],
  ['fenced', birch({ guard: { mode: 'fenced' } })],
  ['instance-adopted', amber({ guard: { adopted: true } })],
  ['not-streaming', birch({ instance: { ...standby, replicationState: null } })],
  ['replay-paused', birch({ instance: { ...standby, replayPaused: true } })],
  [
    'slot-lost',
    birch({
      instance: {
        ...standby,
        slots: [{ name: 's', kind: 'logical', active: false, restartLsn: null, walStatus: 'lost' }],
      },
    }),
  ],
  ['pending-restart', birch({ pendingRestart: { max_connections: { oldValue: '1', newValue: '2' } } })],
  ['never-leader', birch({ tags: { nofailover: true } })],
  ['paused', birch({ cluster: cluster({ config: { value: { pause: true }, modRevision: 2n } }) })],
] as const) {
  test(`${code} is told`, () => {
    assert.ok(codes(shown).includes(code), String(codes(shown)))
  })
}

test('a healthy cluster has nothing to tell', () => {
  assert.deepEqual(codes(amber()), [])
  assert.deepEqual(codes(birch()), [])
})

test('settings that change nothing yet are said aloud', () => {
  const shown = amber()
  const set: View = {
    ...shown,
    settings: { ...shown.settings, synchronousMode: 'on', failsafeMode: true, standbyCluster: {} },
  }
  assert.deepEqual(codes(set).sort(), ['standby-cluster'])
})

test('alarms come before notices', () => {
  const severities = status(birch({ guard: null, tags: { nofailover: true } })).warnings.map(
    ({ severity }) => severity,
  )
  assert.deepEqual(severities, [...severities].sort())
  assert.ok(severities.includes('alarm') && severities.includes('notice'))
})

for (const [what, shown, expected] of [
  ['in good health', birch(), true],
  ['that is the primary', amber(), false],
  [
    'whose copy has diverged',
    { ...birch(), remembered: { ...birch().remembered, seatState: 'diverged' } },
    false,
  ],
  ['whose agent is ending', { ...birch(), ending: 'stop' }, false],
  ['whose store went backward', birch({ cluster: termIs({ term: 11 }) }), false],
] as const) {
  test(`a member ${what} is ${expected ? '' : 'not '}promotable by its own word`, () => {
    assert.equal(status(shown as View).local.promotable, expected)
  })
}
