// Operations: what is checked before anything is written, what is written, and what is answered.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ClusterState } from '../../src/core/cluster.ts'
import type { TermRecord } from '../../src/core/term.ts'
import { later } from '../../src/kernel/time.ts'
import { OPERATIONS } from '../../src/operations/table.ts'
import {
  cluster,
  config,
  createWorld,
  member,
  peerReport,
  realNow,
  record,
  serve,
  view,
  type World,
  type WorldOptions,
} from './api-world.ts'

async function open(t: TestContext, options: WorldOptions = {}) {
  const world = await createWorld(options)
  const { server, url } = await serve(world)
  t.after(() => server.close())
  const ask = async (line: string, body?: unknown, headers: Record<string, string> = {}) => {
    const [method, path] = line.split(' ') as [string, string]
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text(), headers: response.headers }
  }
  return { world, ask }
}

/** What the agent would see: the store's own request, and the record as `change` makes it. */
function following(world: World, change: () => Partial<TermRecord>): void {
  world.show(() => {
    const failover = world.failover()
    const asked = failover && Object.keys(failover).length > 0
    return view({
      cluster: cluster({
        revision: world.store.revision,
        term: { value: { ...record, ...change() }, modRevision: world.store.revision },
        failover: asked
          ? { value: { leader: null, member: null, scheduledAt: null, ...failover }, modRevision: 3n }
          : null,
      }),
    })
  })
}

const birch: Partial<TermRecord> = {
  term: 13,
  holder: { name: 'birch', install: 'i-birch', seat: 's-birch', machine: 'm-birch' },
}

async function clearRequest(world: World): Promise<void> {
  const { failoverRevision } = await world.desk.records.read(AbortSignal.timeout(5000))
  await world.desk.records.replaceFailover(null, failoverRevision, AbortSignal.timeout(5000))
}

const SWITCH = { leader: 'amber', candidate: 'birch' }

test('a switchover is filed in the store and answered when the candidate leads', async t => {
  const { world, ask } = await open(t)
  let moved: Partial<TermRecord> = {}
  following(world, () => moved)
  const answer = ask('POST /switchover', SWITCH)
  await until(() => world.failover()?.member === 'birch')
  assert.deepEqual(world.failover(), { leader: 'amber', member: 'birch' })
  // The leader takes the request, hands over, and the successor serves.
  await clearRequest(world)
  moved = { state: 'handover', successor: 'birch' }
  await settle()
  moved = { ...birch, state: 'electing' }
  await settle()
  moved = birch
  assert.deepEqual(pick(await answer), { status: 200, text: 'Successfully switched over to "birch"' })
})

test('a switchover that ended at another member says so', async t => {
  const { world, ask } = await open(t)
  let moved: Partial<TermRecord> = {}
  following(world, () => moved)
  const answer = ask('POST /switchover', { leader: 'amber', candidate: 'cedar' })
  await until(() => world.failover()?.member === 'cedar')
  moved = birch
  assert.deepEqual(pick(await answer), {
    status: 200,
    text: 'Successfully switched over to "birch" instead of "cedar"',
  })
})

test('a switchover that the leader refuses is 503, with its reason', async t => {
  const { world, ask } = await open(t)
  following(world, () => ({}))
  const answer = ask('POST /switchover', SWITCH)
  await until(() => world.failover()?.member === 'birch')
  world.decisions.push({
    sequence: 5,
    at: '2030-05-01T10:00:01Z',
    rule: 'switchover-begin',
    because: { refused: "birch can't be promoted now" },
    actions: [],
    stoppedBy: null,
    term: 12,
  })
  await clearRequest(world)
  const { status, text } = await answer
  assert.equal(status, 503)
  assert.match(text, /birch can't be promoted now/)
})

test('a look at the store from before the request decides nothing', async t => {
  const { world, ask } = await open(t)
  const stale = view({ cluster: cluster({ revision: 1n }) })
  world.show(() => stale)
  const answer = ask('POST /switchover', SWITCH)
  await until(() => world.failover()?.member === 'birch')
  await settle()
  following(world, () => birch)
  assert.equal((await answer).status, 200)
})

test('a failover to a named candidate needs no leader', async t => {
  const { world, ask } = await open(t)
  let moved: Partial<TermRecord> = { state: 'released' }
  following(world, () => moved)
  const answer = ask('POST /failover', { candidate: 'birch' })
  await until(() => world.failover()?.member === 'birch')
  assert.deepEqual(world.failover(), { member: 'birch' })
  moved = birch
  assert.deepEqual(pick(await answer), { status: 200, text: 'Successfully failed over to "birch"' })
})

const paused = () =>
  view({ cluster: cluster({ config: { value: { ...config, pause: true }, modRevision: 7n } }) })
const leaderless = () =>
  view({
    name: 'birch',
    cluster: cluster({ term: { value: { ...record, state: 'released' }, modRevision: 7n } }),
  })
const unfit = (change: Parameters<typeof member>[2]): ClusterState =>
  cluster({
    members: [member('amber', 8001), member('birch', 8002, change)].map(value => ({
      value,
      modRevision: 7n,
    })),
  })

const REFUSALS: readonly (readonly [
  what: string,
  line: string,
  body: unknown,
  status: number,
  options?: WorldOptions,
])[] = [
  ['without the leader', 'POST /switchover', { candidate: 'birch' }, 400],
  ['naming another leader', 'POST /switchover', { leader: 'birch' }, 412],
  ['to the leader itself', 'POST /switchover', { leader: 'amber', candidate: 'amber' }, 400],
  ['to nobody who exists', 'POST /switchover', { leader: 'amber', candidate: 'dogwood' }, 412],
  ['with a field of another type', 'POST /switchover', { leader: ['amber'] }, 400],
  ['without a time zone', 'POST /switchover', { ...SWITCH, scheduled_at: '2030-06-01T00:00:00' }, 400],
  ['in the past', 'POST /switchover', { ...SWITCH, scheduled_at: '2029-06-01T00:00:00Z' }, 422],
  ['at a time that is none', 'POST /switchover', { ...SWITCH, scheduled_at: 'tomorrow' }, 422],
  ['without a leader', 'POST /switchover', SWITCH, 412, { view: leaderless }],
  [
    'in maintenance mode, scheduled',
    'POST /switchover',
    { ...SWITCH, scheduled_at: '2030-06-01T00:00:00Z' },
    400,
    { view: paused },
  ],
  [
    'in maintenance mode, without a candidate',
    'POST /switchover',
    { leader: 'amber' },
    400,
    { view: paused },
  ],
  ['in maintenance mode', 'POST /switchover', SWITCH, 412, { view: paused }],
  ['to a member that does not answer', 'POST /switchover', SWITCH, 412, { peer: () => null }],
  [
    'to a member that says nofailover',
    'POST /switchover',
    SWITCH,
    412,
    { peer: () => ({ ...peerReport, noFailover: true }) },
  ],
  [
    'to a member tagged nofailover',
    'POST /switchover',
    SWITCH,
    412,
    { view: () => view({ cluster: unfit({ tags: { nofailover: true } }) }) },
  ],
  [
    'to a member of priority 0',
    'POST /switchover',
    { leader: 'amber' },
    412,
    { view: () => view({ cluster: unfit({ tags: { failover_priority: 0 } }) }) },
  ],
  [
    'to a member that is being cloned',
    'POST /switchover',
    SWITCH,
    412,
    { view: () => view({ cluster: unfit({ state: 'creating replica', replicationState: null }) }) },
  ],
  ['without the store', 'POST /switchover', SWITCH, 503, { view: () => view({ cluster: null }) }],
  ['before the first look', 'POST /switchover', SWITCH, 503, { view: () => null }],
  ['failover without a candidate', 'POST /failover', {}, 400],
  ['failover at a time', 'POST /failover', { candidate: 'birch', scheduled_at: '2030-06-01T00:00:00Z' }, 400],
]

for (const [what, line, body, status, options] of REFUSALS) {
  test(`a change of the leader ${what} is ${status}, and nothing is written`, async t => {
    const { world, ask } = await open(t, options)
    const revision = world.store.revision
    assert.equal((await ask(line, body)).status, status)
    assert.equal((await ask(line.replace(/$/, '?dry_run=true'), body)).status, status)
    assert.equal(world.store.revision, revision)
  })
}

test('a switchover for later is filed and can be withdrawn once', async t => {
  const { world, ask } = await open(t)
  const later = { ...SWITCH, scheduled_at: '2030-06-01 02:30+02' }
  assert.deepEqual(pick(await ask('POST /switchover', later)), { status: 202, text: 'Switchover scheduled' })
  assert.deepEqual(world.failover(), {
    leader: 'amber',
    member: 'birch',
    scheduled_at: '2030-06-01T00:30:00.000+00:00',
  })
  assert.equal((await ask('DELETE /switchover?dry_run=1')).status, 200)
  assert.equal((await ask('DELETE /switchover')).status, 200)
  assert.deepEqual(world.failover(), {})
  assert.equal((await ask('DELETE /switchover')).status, 404)
})

test('a request whose answer was lost is read back before anything is said', async t => {
  const lostOnce = new Set(['transact'])
  const { world, ask } = await open(t, { fault: verb => (lostOnce.delete(verb) ? 'answer-lost' : 'none') })
  const answer = await ask('POST /switchover', { ...SWITCH, scheduled_at: '2030-06-01T00:00:00Z' })
  assert.equal(answer.status, 202)
  assert.equal(world.failover()?.member, 'birch')
})

test('a request that never arrived is not said to be filed', async t => {
  const { world, ask } = await open(t, { fault: verb => (verb === 'transact' ? 'request-lost' : 'none') })
  const answer = await ask('POST /switchover', { ...SWITCH, scheduled_at: '2030-06-01T00:00:00Z' })
  assert.equal(answer.status, 503)
  assert.deepEqual(world.failover(), {})
})

// --- configuration ---

const storedConfig = (world: World) =>
  JSON.parse(world.store.entries.get(world.keys.config)!.value) as unknown

test('PATCH /config merges, deletes with null, and answers the whole', async t => {
  const { world, ask } = await open(t)
  const answer = await ask('PATCH /config', {
    ttl: 20,
    loop_wait: null,
    postgresql: { parameters: { work_mem: '8MB' } },
  })
  const expected = { ttl: 20, postgresql: { parameters: { work_mem: '8MB' } } }
  assert.equal(answer.status, 200)
  assert.deepEqual(JSON.parse(answer.text), expected)
  assert.deepEqual(storedConfig(world), expected)
})

test('a value that cannot be used is 400 with the key, and nothing is written', async t => {
  const { world, ask } = await open(t)
  const answer = await ask('PATCH /config', { ttl: 'soon' })
  assert.equal(answer.status, 400)
  assert.match(answer.text, /ttl: found soon, expected a number of seconds/)
  assert.deepEqual(storedConfig(world), config)
})

test('PUT /config replaces the whole', async t => {
  const { world, ask } = await open(t)
  assert.equal((await ask('PUT /config', { ttl: 30 })).status, 200)
  assert.deepEqual(storedConfig(world), { ttl: 30 })
})

test('a change on top of a revision that has passed is 409', async t => {
  const { world, ask } = await open(t)
  const seen = world.store.entries.get(world.keys.config)!.modRevision
  assert.equal((await ask('PATCH /config', { ttl: 20 }, { 'if-match': `"${seen}"` })).status, 200)
  assert.equal((await ask('PATCH /config', { ttl: 25 }, { 'if-match': `"${seen}"` })).status, 409)
  assert.equal((await ask('PATCH /config', { ttl: 25 }, { 'if-match': 'abc' })).status, 400)
  assert.deepEqual((storedConfig(world) as { ttl: number }).ttl, 20)
})

test('two changes at the same moment: one is 409, none is lost unseen', async t => {
  const { world, ask } = await open(t)
  const answers = await Promise.all([20, 25, 30].map(ttl => ask('PATCH /config', { ttl })))
  const written = answers.filter(answer => answer.status === 200)
  assert.ok(written.length >= 1)
  for (const answer of answers) assert.ok([200, 409].includes(answer.status), String(answer.status))
  assert.ok(
    written.some(answer => JSON.parse(answer.text).ttl === (storedConfig(world) as { ttl: number }).ttl),
  )
})

test('a configuration whose answer was lost is read back', async t => {
  const { ask } = await open(t, { fault: verb => (verb === 'transact' ? 'answer-lost' : 'none') })
  assert.equal((await ask('PATCH /config', { ttl: 20 })).status, 200)
})

test('without a configuration PATCH is 503', async t => {
  const { world, ask } = await open(t)
  await world.store
    .open()
    .transact(
      { compare: [], writes: [{ delete: world.keys.config }], readOnFailure: [] },
      AbortSignal.timeout(5000),
    )
  assert.equal((await ask('PATCH /config', { ttl: 20 })).status, 503)
})

// --- requests to the member ---

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

// --- dry runs ---

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

function pick({ status, text }: { readonly status: number; readonly text: string }) {
  return { status, text }
}

/** Long enough for a look or two of whoever waits; nothing depends on how many. */
function settle(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 300))
}

async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 30_000
  while (!condition()) {
    assert.ok(performance.now() < limit, 'it did not come about in 30 s')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
