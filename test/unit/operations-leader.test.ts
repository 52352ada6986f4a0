// Changes of the leader: what is checked before anything is written, what is written, and what is answered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterState } from '../../src/core/cluster.ts'
import type { TermRecord } from '../../src/core/term.ts'
import {
  cluster,
  config,
  member,
  peerReport,
  record,
  view,
  type World,
  type WorldOptions,
} from './api-world.ts'
import { open, pick } from './operations-world.ts'

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
