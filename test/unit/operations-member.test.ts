// Requests to one member, and dry runs of everything.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { later } from '../../src/kernel/time.ts'
import { OPERATIONS } from '../../src/operations/table.ts'
import { cluster, config, realNow, record, view } from './api-world.ts'
import { open, pick } from './operations-world.ts'

const SWITCH = { leader: 'amber', candidate: 'birch' }

const paused = () =>
  view({ cluster: cluster({ config: { value: { ...config, pause: true }, modRevision: 7n } }) })
const leaderless = () =>
  view({
    name: 'birch',
    cluster: cluster({ term: { value: { ...record, state: 'released' }, modRevision: 7n } }),
  })
test('a restart is asked of the agent and answered when it is done', async t => {
  const { world, ask } = await open(t)
  assert.deepEqual(pick(await ask('POST /restart')), { status: 200, text: 'restarted successfully' })
  assert.deepEqual(
    world.requests.map(({ kind }) => kind),
    ['restart'],
  )
})

test('a restart that the agent refuses is 503 with its words', async t => {
  const { world, ask } = await open(t)
  world.outcome(Promise.resolve({ kind: 'refused', text: 'the instance is starting' }))
  assert.deepEqual(pick(await ask('POST /restart')), { status: 503, text: 'the instance is starting' })
})

test('a restart that takes longer than its timeout is 503', async t => {
  const { world, ask } = await open(t)
  world.outcome(new Promise(() => {}))
  assert.equal((await ask('POST /restart', { timeout: 1 })).status, 503)
  assert.equal(world.requests.length, 1)
})

for (const [what, body, status] of [
  ['of another role', { role: 'replica' }, 503],
  ['when none is pending', { restart_pending: true }, 503],
  ['of an older PostgreSQL only', { postgres_version: '15.1' }, 503],
  ['of a role that is none', { role: 'boss' }, 400],
  ['of a version that is none', { postgres_version: 'new' }, 400],
  ['within no time', { timeout: 'soon' }, 400],
  ['at a time without a zone', { schedule: '2030-06-01T00:00' }, 400],
  ['in the past', { schedule: '2020-06-01T00:00Z' }, 422],
] as const) {
  test(`a restart ${what} is ${status} and asks nothing of the agent`, async t => {
    const { world, ask } = await open(t)
    assert.equal((await ask('POST /restart', body)).status, status)
    assert.equal(world.requests.length, 0)
  })
}

test('a restart under conditions that hold is done', async t => {
  const { world, ask } = await open(t)
  world.show(() => view({ pendingRestart: { max_connections: { oldValue: '100', newValue: '200' } } }))
  const body = { role: 'primary', restart_pending: 'true', postgres_version: '15.21', timeout: '30s' }
  assert.equal((await ask('POST /restart', body)).status, 200)
  assert.equal(world.requests.length, 1)
})

test('a scheduled restart is shown, refuses a second one, and can be withdrawn', async t => {
  const { world, ask } = await open(t)
  assert.equal((await ask('POST /restart', { schedule: '2030-06-01T00:00Z', role: 'primary' })).status, 202)
  assert.equal((await ask('POST /restart', { schedule: '2030-06-02T00:00Z' })).status, 409)
  const shown = JSON.parse((await ask('GET /patroni')).text) as { scheduled_restart: unknown }
  assert.deepEqual(shown.scheduled_restart, {
    schedule: '2030-06-01T00:00:00.000+00:00',
    postmaster_start_time: '2030-05-01 09:00:00.123000+00:00',
    role: 'primary',
  })
  assert.equal((await ask('DELETE /restart')).status, 200)
  assert.equal((await ask('DELETE /restart')).status, 404)
  assert.equal(world.requests.length, 0)
})

test('a restart cannot be scheduled in maintenance mode', async t => {
  const { ask } = await open(t, { view: paused })
  assert.equal((await ask('POST /restart', { schedule: '2030-06-01T00:00Z' })).status, 500)
})

test('a reload is asked of the agent', async t => {
  const { world, ask } = await open(t)
  assert.deepEqual(pick(await ask('POST /reload')), { status: 202, text: 'reload scheduled' })
  assert.deepEqual(
    world.requests.map(({ kind }) => kind),
    ['reload'],
  )
})

const standbyView = () => view({ name: 'birch' })

test('a new copy of the data is asked of a standby, and answered once it has begun', async t => {
  const { world, ask } = await open(t, { view: standbyView })
  assert.deepEqual(pick(await ask('POST /reinitialize', { force: true, 'from-leader': 'on' })), {
    status: 200,
    text: 'reinitialize started',
  })
  const [request] = world.requests
  assert.deepEqual({ ...request, id: '' }, { kind: 'reinitialise', id: '', force: true, fromLeader: true })
})

const cloning = () =>
  view({
    name: 'birch',
    instance: null,
    job: {
      order: {
        kind: 'clone',
        from: { name: 'amber', host: '10.0.0.1', port: 5432 },
        systemIdentifier: '7',
        seat: 's',
      },
      startedAt: later(realNow(), -1000),
      progress: null,
      state: 'running',
    },
  })

for (const [what, shown, body] of [
  ['of the leader', () => view(), {}],
  ['of the leader by force', () => view(), { force: true }],
  ['without a leader', leaderless, {}],
  ['while one is being made', cloning, {}],
] as const) {
  test(`a new copy ${what} is 503 and asks nothing of the agent`, async t => {
    const { world, ask } = await open(t, { view: shown })
    assert.equal((await ask('POST /reinitialize', body)).status, 503)
    assert.equal(world.requests.length, 0)
  })
}

test('by force a new copy is begun again', async t => {
  const { world, ask } = await open(t, { view: cloning })
  assert.equal((await ask('POST /reinitialize', { force: true })).status, 200)
  assert.equal(world.requests.length, 1)
})

const ACCEPTED: Readonly<Record<string, readonly [body: unknown, shown?: () => ReturnType<typeof view>]>> = {
  switchover: [SWITCH],
  failover: [{ candidate: 'birch' }],
  'patch-config': [{ ttl: 20 }],
  'put-config': [{ ttl: 20 }],
  reload: [undefined],
  restart: [undefined],
  reinitialize: [undefined, standbyView],
}

for (const operation of OPERATIONS.filter(row => row.changes && row.name in ACCEPTED)) {
  test(`a dry run of ${operation.name} says what would happen and does nothing`, async t => {
    const [body, shown] = ACCEPTED[operation.name]!
    const { world, ask } = await open(t, shown ? { view: shown } : {})
    const revision = world.store.revision
    const answer = await ask(`${operation.method} ${operation.paths[0]}?dry_run=true`, body)
    assert.equal(answer.status, 200)
    assert.match(answer.text, /^Dry run: would /)
    assert.equal(world.store.revision, revision)
    assert.equal(world.requests.length, 0)
  })
}
