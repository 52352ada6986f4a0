// Bodies as Patroni's clients read them, metrics, and the table in docs/rest.md.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ApiServer } from '../../src/api/server.ts'
import type { View } from '../../src/core/view.ts'
import { restReference } from '../../src/operations/reference.ts'
import { golden } from '../golden/config/golden.ts'
import { at, cluster, createWorld, member, realNow, record, serve, view, type World } from './api-world.ts'

let world: World
let server: ApiServer
let url: string

before(async () => {
  world = await createWorld()
  ;({ server, url } = await serve(world))
})
after(() => server.close())

async function get(path: string, shown: View | null) {
  world.show(() => shown)
  const response = await fetch(`${url}${path}`)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** Times that pass while a test runs would make every run different. */
function steady(text: string): string {
  const volatile = /"(age_ms|deadline_left_ms|silence_ms|for_ms|lost_for_ms)": ?(\d+(\.\d+)?)/g
  return `${JSON.stringify(JSON.parse(text), null, 2).replace(volatile, '"$1": "..."')}\n`
}

const clone = {
  order: {
    kind: 'clone',
    from: { name: 'amber', host: '10.0.0.1', port: 5432 },
    systemIdentifier: '7345678901234567890',
    seat: 's',
  },
  startedAt: realNow(),
  progress: { bytesDone: 1_000_000, bytesTotal: 4_000_000 },
  state: 'running',
} as const

const SHOWN: Readonly<Record<string, () => View>> = {
  leader: () => view({ pendingRestart: { max_connections: { oldValue: '100', newValue: '200' } } }),
  standby: () => view({ name: 'birch', tags: { nofailover: true, others: { zone: 'north' } } }),
  cloning: () => view({ name: 'cedar', instance: null, job: clone }),
  'store-lost': () => view({ name: 'birch', cluster: null }),
}

for (const [name, shown] of Object.entries(SHOWN)) {
  test(`GET /patroni of a member that is ${name}`, async () => {
    const answer = await get('/patroni', shown())
    assert.equal(answer.status, 200)
    golden(`test/golden/api/patroni-${name}.json`, steady(answer.text))
  })
  test(`GET /status of a member that is ${name}`, async () => {
    const answer = await get('/status', shown())
    assert.equal(answer.status, 200)
    golden(`test/golden/api/status-${name}.json`, steady(answer.text))
  })
}

test('GET /cluster has one row a member, by name, with lags', async () => {
  const scheduled = { leader: 'amber', member: 'birch', scheduledAt: '2030-05-02T03:00:00+00:00' }
  const members = [
    member('cedar', 8003, {
      state: 'creating replica',
      replicationState: null,
      xlogLocation: null,
      receiveLsn: null,
      replayLsn: null,
      timeline: null,
    }),
    member('amber', 8001),
    member('birch', 8002, { tags: { clonefrom: true }, xlogLocation: at('0/4000000') }),
  ]
  const state = cluster({
    failover: { value: scheduled, modRevision: 8n },
    members: members.map(value => ({ value, modRevision: 7n })),
    config: { value: { pause: true }, modRevision: 7n },
  })
  const answer = await get('/cluster', view({ cluster: state }))
  assert.equal(answer.status, 200)
  golden('test/golden/api/cluster.json', steady(answer.text))
})

test('nobody leads in /cluster once the leader has certainly gone', async () => {
  const released = cluster({ term: { value: { ...record, state: 'released' }, modRevision: 9n } })
  const answer = await get('/cluster', view({ name: 'birch', cluster: released }))
  const roles = (JSON.parse(answer.text) as { members: { role: string }[] }).members.map(row => row.role)
  assert.ok(!roles.includes('leader'))
})

test('documents of the cluster are 503 without the store', async () => {
  for (const path of ['/cluster', '/history', '/config'])
    assert.equal((await get(path, view({ cluster: null }))).status, 503, path)
})

test('GET /config carries its revision as an ETag, and is 502 while there is none', async () => {
  const answer = await get('/config', view())
  assert.equal(answer.headers.get('etag'), '"2"')
  assert.deepEqual(JSON.parse(answer.text), {
    ttl: 10,
    loop_wait: 2,
    postgresql: { parameters: { work_mem: '4MB' } },
  })
  assert.equal((await get('/config', view({ cluster: cluster({ config: null }) }))).status, 502)
})

test('GET /history gives the rows as they are', async () => {
  const rows = JSON.parse((await get('/history', view())).text) as unknown[][]
  assert.equal(rows.length, 2)
  assert.deepEqual(rows[1], [
    2,
    67109024,
    'no recovery target specified',
    '2030-04-30T09:00:00+00:00',
    'amber',
  ])
})

test('GET /explain gives the recorded decisions', async () => {
  world.decisions.push({
    sequence: 1,
    at: '2030-05-01T09:59:00.000Z',
    rule: 'take',
    because: { exclusion: 'waited-out' },
    actions: ['change-term'],
    stoppedBy: null,
    term: 11,
  })
  const answer = JSON.parse((await get('/explain', view())).text) as { leader: string; decisions: unknown[] }
  assert.equal(answer.leader, 'amber')
  assert.deepEqual(answer.decisions[0], {
    sequence: 1,
    at: '2030-05-01T09:59:00.000Z',
    rule: 'take',
    because: { exclusion: 'waited-out' },
    actions: ['change-term'],
    stopped_by: null,
    term: 11,
  })
})

test('GET /logs gives the last lines, as many as asked for', async () => {
  assert.deepEqual(JSON.parse((await get('/logs?lines=1', view())).text), { lines: ['second line'] })
})

test('an unknown path is 404, a known one with another method 405 with what is possible', async () => {
  assert.equal((await get('/nothing', view())).status, 404)
  const response = await fetch(`${url}/patroni`, { method: 'DELETE' })
  assert.equal(response.status, 405)
  assert.equal(response.headers.get('allow'), 'GET, HEAD, OPTIONS')
})

test('HEAD of a document has its status and no body', async () => {
  world.show(() => view())
  const response = await fetch(`${url}/cluster`, { method: 'HEAD' })
  assert.equal(response.status, 200)
  assert.equal(await response.text(), '')
})

const SAMPLE = /^[a-z_]+\{([a-z_]+="(\\.|[^"\\])*",?)*\} -?\d+(\.\d+)?$/

for (const [name, shown] of Object.entries(SHOWN)) {
  test(`metrics of a member that is ${name} are valid, each name described once and kept together`, async () => {
    const { text, status } = await get('/metrics', shown())
    assert.equal(status, 200)
    const lines = text.trimEnd().split('\n')
    const samples = lines.filter(line => !line.startsWith('#'))
    for (const line of samples) assert.match(line, SAMPLE)
    const names = samples.map(line => line.slice(0, line.indexOf('{')))
    const groups = names.filter((metric, index) => metric !== names[index - 1])
    assert.equal(new Set(groups).size, groups.length, 'samples of one name are apart')
    for (const metric of groups) {
      assert.equal(lines.filter(line => line.startsWith(`# HELP ${metric} `)).length, 1, metric)
      assert.equal(lines.filter(line => line.startsWith(`# TYPE ${metric} `)).length, 1, metric)
    }
    assert.equal(
      new Set(samples.map(line => line.slice(0, line.lastIndexOf(' ')))).size,
      samples.length,
      'a sample twice',
    )
  })
}

test('metrics have Patroni’s names and labels', async () => {
  const { text } = await get('/metrics', view())
  assert.match(text, /^patroni_primary\{scope="main",name="amber"\} 1$/m)
  assert.match(text, /^patroni_xlog_location\{scope="main",name="amber"\} 83886080$/m)
  assert.match(text, /^patroni_version\{scope="main",name="amber"\} 040104$/m)
  assert.match(text, /^vigil_member_lag_bytes\{scope="main",name="amber",member="birch"\} 256$/m)
})

test('docs/rest.md is made from the table of operations', () => {
  golden('docs/rest.md', restReference())
})
