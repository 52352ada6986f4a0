// What one agent learns from another over REST: from vigil's answers, and from Patroni's.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { createPeers } from '../../src/api/peers-client.ts'
import { at, createWorld, serve, standby, type ViewChange, view } from './api-world.ts'

const OPTIONS = {
  serverAnswers: () => Promise.resolve(false),
  scope: 'main',
  own: { conn_url: 'postgres://10.0.0.1:5432/postgres', api_url: 'http://10.0.0.1:8008/patroni' },
}

async function reportFrom(t: TestContext, url: string) {
  const peers = createPeers(OPTIONS)
  t.after(() => peers.close())
  return peers.report(url, AbortSignal.timeout(10_000))
}

async function vigil(t: TestContext, change: ViewChange) {
  const world = await createWorld({ view: () => view(change) })
  const { server, url } = await serve(world)
  t.after(() => server.close())
  return reportFrom(t, `${url}/patroni`)
}

async function patroni(t: TestContext, body: unknown, status = 200) {
  const server = createServer((_, response) => {
    response.writeHead(status)
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as net.AddressInfo
  return reportFrom(t, `http://127.0.0.1:${port}/patroni`)
}

test('a standby of vigil', async t => {
  assert.deepEqual(await vigil(t, { name: 'birch' }), {
    name: 'birch',
    install: 'i-birch',
    role: 'standby',
    position: { timeline: 3, lsn: at('0/4FFFF00') },
    pendingRestart: false,
    noFailover: false,
    promotable: true,
    trouble: null,
    term: 12,
    seat: 's-birch',
    seatState: 'ready',
  })
})

test('a primary of vigil is not promotable', async t => {
  const report = await vigil(t, {})
  assert.deepEqual(
    [report.role, report.promotable, report.position],
    ['primary', false, { timeline: 3, lsn: at('0/5000000') }],
  )
})

for (const [what, change] of [
  ['whose guard is gone', { guard: null }],
  ['that has been fenced', { guard: { mode: 'fenced' } }],
  [
    'that has not used up its local WAL',
    { instance: { ...standby, localWalReplayed: false, received: null } },
  ],
] as const) {
  test(`a standby ${what} is not promotable`, async t => {
    assert.equal((await vigil(t, { name: 'birch', ...change })).promotable, false)
  })
}

test('a member without PostgreSQL has no role and no position', async t => {
  const report = await vigil(t, { name: 'birch', instance: null })
  assert.deepEqual([report.role, report.position, report.promotable], ['none', null, false])
})

test('tags and pending restarts are told', async t => {
  const report = await vigil(t, {
    name: 'birch',
    tags: { nofailover: true },
    pendingRestart: { max_connections: { oldValue: '1', newValue: '2' } },
  })
  assert.deepEqual([report.noFailover, report.pendingRestart], [true, true])
})

test('a standby of Patroni: the further one of received and replayed', async t => {
  const body = {
    state: 'running',
    role: 'replica',
    timeline: 3,
    xlog: { received_location: 100, replayed_location: 90, replayed_timestamp: null, paused: false },
    tags: { failover_priority: 0 },
    patroni: { version: '3.0.2', scope: 'main' },
  }
  assert.deepEqual(await patroni(t, body), {
    name: '',
    install: null,
    role: 'standby',
    position: { timeline: 3, lsn: 100n },
    pendingRestart: false,
    noFailover: true,
    promotable: false,
    trouble: null,
    term: null,
    seat: null,
    seatState: 'ready',
  })
})

test('a primary of Patroni answers 503 on a path that is not its own, and is understood', async t => {
  const body = { state: 'running', role: 'master', timeline: 3, xlog: { location: 100 } }
  assert.equal((await patroni(t, body, 503)).role, 'primary')
})

for (const [what, body] of [
  ['text', 'hello'],
  ['a list', []],
  ['a position that is none', { role: 'replica', xlog: { location: 'high' } }],
] as const) {
  test(`an answer that is ${what} is no report`, async t => {
    await assert.rejects(patroni(t, body))
  })
}

test('an agent that accepts and never answers costs no more than the limit', async t => {
  const server = net.createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as net.AddressInfo
  const peers = createPeers(OPTIONS)
  t.after(() => peers.close())
  await assert.rejects(peers.report(`http://127.0.0.1:${port}/patroni`, AbortSignal.timeout(50)))
})

test('an address that is no HTTP address is refused', async t => {
  await assert.rejects(reportFrom(t, 'file:///etc/passwd'))
})

test('a redirect is not followed', async t => {
  const server = createServer((_, response) =>
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as net.AddressInfo
  await assert.rejects(reportFrom(t, `http://127.0.0.1:${port}/patroni`), SyntaxError)
})
