// What load balancers are told, by role, deadline, lag and tags.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isHealth } from '../../src/api/router.ts'
import type { ApiServer } from '../../src/api/server.ts'
import type { View } from '../../src/core/view.ts'
import { later } from '../../src/kernel/time.ts'
import { OPERATIONS } from '../../src/operations/table.ts'
import { cluster, createWorld, realNow, record, serve, standby, view, type World } from './api-world.ts'

let world: World
let server: ApiServer
let url: string

before(async () => {
  world = await createWorld()
  ;({ server, url } = await serve(world))
})
after(() => server.close())

async function statusOf(path: string, shown: View | null, method = 'GET'): Promise<number> {
  world.show(() => shown)
  const response = await fetch(`${url}${path}`, { method })
  await response.arrayBuffer()
  return response.status
}

const birch = (change: Parameters<typeof view>[0] = {}) => view({ name: 'birch', ...change })

const PRIMARY_PATHS = [
  '/',
  '/primary',
  '/master',
  '/read-write',
  '/leader',
  '/read-only',
  '/read-only-sync',
  '/readiness',
]

for (const path of PRIMARY_PATHS) {
  test(`${path} is 200 on a leader that holds its deadline`, async () => {
    assert.equal(await statusOf(path, view()), 200)
  })
  test(`${path} is 503 as soon as the deadline has passed, even before the agent looks again`, async () => {
    const now = realNow()
    assert.equal(await statusOf(path, view({ now: later(now, -900), deadlineInMs: 800 })), 503)
  })
  test(`${path} is 503 on a leader whose PostgreSQL does not answer`, async () => {
    assert.equal(await statusOf(path, view({ instance: null })), 503)
  })
}

test('a primary whose record names another installation is not the primary', async () => {
  const taken = cluster({
    term: {
      value: { ...record, term: 13, holder: { ...record.holder, install: 'i-birch' } },
      modRevision: 9n,
    },
  })
  assert.equal(await statusOf('/primary', view({ cluster: taken })), 503)
})

test('a released leadership is nobody’s, although the deadline has not come', async () => {
  const released = cluster({ term: { value: { ...record, state: 'released' }, modRevision: 9n } })
  assert.equal(await statusOf('/primary', view({ cluster: released })), 503)
})

test('without the store a primary is one until its deadline', async () => {
  assert.equal(await statusOf('/primary', view({ cluster: null })), 200)
  assert.equal(await statusOf('/primary', view({ cluster: null, guard: null })), 503)
})

test('in a maintenance pause the primary stays one without a deadline', async () => {
  const paused = cluster({ term: { value: { ...record, state: 'paused' }, modRevision: 9n } })
  const shown = view({ cluster: paused, paused: true, guard: { mode: 'unarmed', term: 12, deadline: null } })
  assert.equal(await statusOf('/primary', shown), 200)
})

test('a promoted-by-hand PostgreSQL under a guard without a term is no primary', async () => {
  assert.equal(
    await statusOf('/primary', view({ guard: { mode: 'standby', term: null, deadline: null } })),
    503,
  )
})

test('a streaming standby is a replica and not a primary', async () => {
  for (const path of ['/replica', '/read-only', '/async', '/asynchronous', '/health', '/readiness'])
    assert.equal(await statusOf(path, birch()), 200, path)
  for (const path of ['/', '/primary', '/leader', '/sync', '/quorum', '/standby-leader'])
    assert.equal(await statusOf(path, birch()), 503, path)
})

test('noloadbalance keeps a standby out of /replica but not out of /health', async () => {
  assert.equal(await statusOf('/replica', birch({ tags: { noloadbalance: true } })), 503)
  assert.equal(await statusOf('/health', birch({ tags: { noloadbalance: true } })), 200)
})

// The leader is at 0/5000000 and this standby has replayed 0/4FFFE00: 512 bytes behind.
for (const [lag, expected] of [
  ['512', 200],
  ['511', 503],
  ['1kB', 200],
  ['1MB', 200],
  ['nonsense', 503],
] as const) {
  test(`/replica?lag=${lag} is ${expected} for a standby 512 bytes behind`, async () => {
    assert.equal(await statusOf(`/replica?lag=${lag}`, birch()), expected)
  })
}

test('replication_state filters standbys', async () => {
  assert.equal(await statusOf('/replica?replication_state=streaming', birch()), 200)
  assert.equal(await statusOf('/replica?replication_state=in%20archive%20recovery', birch()), 503)
})

test('tag filters compare text as it is and other values in lower case', async () => {
  const tags = { others: { zone: 'North', ssd: true } }
  assert.equal(await statusOf('/replica?tag_zone=North&tag_ssd=TRUE', birch({ tags })), 200)
  assert.equal(await statusOf('/replica?tag_zone=north', birch({ tags })), 503)
  assert.equal(await statusOf('/replica?tag_rack=7', birch({ tags })), 503)
})

test('tag filters are ignored where a primary is asked for', async () => {
  assert.equal(await statusOf('/primary?tag_rack=7', view()), 200)
})

test('readiness compares what is replayed, or what is received when asked to', async () => {
  assert.equal(await statusOf('/readiness?lag=300', birch()), 503)
  assert.equal(await statusOf('/readiness?lag=300&mode=write', birch()), 200)
  assert.equal(await statusOf('/readiness', birch({ instance: { ...standby, replicationState: null } })), 503)
})

test('liveness follows the loop: a look older than the ttl and a wait is dead', async () => {
  assert.equal(await statusOf('/liveness', view({ now: later(realNow(), -5000) })), 200)
  assert.equal(await statusOf('/liveness', view({ now: later(realNow(), -60_000) })), 503)
  assert.equal(await statusOf('/liveness', null), 200)
})

test('before the first look nobody is anything', async () => {
  for (const operation of OPERATIONS.filter(isHealth)) {
    if (operation.name === 'liveness') continue
    assert.equal(await statusOf(operation.paths[0], null), 503, operation.name)
  }
})

test('HEAD and OPTIONS give the status of every health check without a body', async () => {
  for (const operation of OPERATIONS.filter(isHealth)) {
    for (const method of ['HEAD', 'OPTIONS']) {
      for (const shown of [view(), birch()]) {
        const expected = await statusOf(operation.paths[0], shown)
        assert.equal(
          await statusOf(operation.paths[0], shown, method),
          expected,
          `${method} ${operation.name}`,
        )
      }
    }
  }
})

test('paths are compared exactly, as they were sent', async () => {
  for (const path of ['/primary/', '/PRIMARY', '/%70rimary', '//primary', '/replica/leader', '/primary;x']) {
    assert.equal(await statusOf(path, view()), 404, path)
  }
})
