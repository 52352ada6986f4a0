// Who may change something. Every refusal is checked for having had no effect.
import assert from 'node:assert/strict'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import type { RestConfig } from '../../src/config/local-config.ts'
import type { Operation } from '../../src/operations/operation.ts'
import { OPERATIONS } from '../../src/operations/table.ts'
import { createWorld, guardedRest, openRest, serve, type World } from './api-world.ts'

const GUARDED: readonly Operation[] = OPERATIONS.filter(operation => operation.access === 'operator')

/** A body that would be accepted, so that only access stands against it. */
const BODIES: Readonly<Record<string, unknown>> = {
  switchover: { leader: 'amber', candidate: 'birch', scheduled_at: '2030-06-01T00:00:00Z' },
  failover: { candidate: 'birch' },
  'patch-config': { ttl: 20 },
  'put-config': { ttl: 20 },
}

interface Attempt {
  readonly path: string
  readonly operation: Operation
  readonly headers?: Record<string, string>
}

function attempt(url: string, { path, operation, headers = {} }: Attempt) {
  const body = BODIES[operation.name]
  return fetch(`${url}${path}`, {
    method: operation.method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

/** Everything that an operation could have touched. */
function traces(world: World): unknown {
  return {
    revision: world.store.revision,
    requests: world.requests.length,
    scheduled: world.desk.schedule.pending(),
  }
}

async function open(t: TestContext, rest: RestConfig) {
  const world = await createWorld()
  const { server, url, port } = await serve(world, rest)
  t.after(() => server.close())
  return { world, url, port }
}

test('something needs a password: the table says what', () => {
  const open = OPERATIONS.filter(operation => operation.changes && operation.access !== 'operator')
  assert.deepEqual(open, [])
  assert.ok(GUARDED.length >= 9)
})

for (const operation of GUARDED) {
  for (const path of operation.paths) {
    test(`${operation.method} ${path} without a password, or with a wrong one, is 401 and does nothing`, async t => {
      const { world, url } = await open(t, guardedRest)
      const before = traces(world)
      const wrong = [
        '',
        'Basic',
        'Basic !!!',
        basic('ada', 'wrong'),
        basic('eve', 'correct horse'),
        'Bearer correct horse',
      ]
      for (const authorization of wrong) {
        const response = await attempt(url, {
          path,
          operation,
          headers: authorization ? { authorization } : {},
        })
        assert.equal(response.status, 401, authorization)
        assert.match(response.headers.get('www-authenticate') ?? '', /^Basic realm="/)
        assert.doesNotMatch(await response.text(), /correct|ada/)
      }
      assert.deepEqual(traces(world), before)
    })
  }
}

test('the right password is accepted', async t => {
  const { world, url } = await open(t, guardedRest)
  const operation = GUARDED.find(row => row.name === 'reload')!
  const response = await attempt(url, {
    path: '/reload',
    operation,
    headers: { authorization: basic('ada', 'correct horse') },
  })
  assert.equal(response.status, 202)
  assert.equal(world.requests.length, 1)
})

test('what only reads needs no password', async t => {
  const { url } = await open(t, guardedRest)
  for (const path of [
    '/patroni',
    '/cluster',
    '/config',
    '/history',
    '/metrics',
    '/primary',
    '/status',
    '/explain',
  ])
    assert.notEqual((await fetch(`${url}${path}`)).status, 401, path)
})

test('an address outside the allowlist is 403 and does nothing; reading is not limited by it', async t => {
  const { world, url } = await open(t, {
    ...guardedRest,
    allowlist: ['192.0.2.0/24', '2001:db8::1', 'name.invalid'],
  })
  const before = traces(world)
  for (const operation of GUARDED) {
    const headers = { authorization: basic('ada', 'correct horse') }
    const response = await attempt(url, { path: operation.paths[0]!, operation, headers })
    assert.equal(response.status, 403, operation.name)
  }
  assert.deepEqual(traces(world), before)
  assert.equal((await fetch(`${url}/patroni`)).status, 200)
})

for (const allowlist of [['127.0.0.0/8'], ['192.0.2.7', '127.0.0.1'], ['localhost']]) {
  test(`an address in the allowlist ${allowlist} may`, async t => {
    const { url } = await open(t, { ...openRest, allowlist })
    assert.equal((await fetch(`${url}/reload`, { method: 'POST' })).status, 202)
  })
}

test('an empty allowlist lets nobody change anything', async t => {
  const { url } = await open(t, { ...openRest, allowlist: [] })
  assert.equal((await fetch(`${url}/reload`, { method: 'POST' })).status, 403)
})

test('a browser on another web site may not, even with the password', async t => {
  const { world, url } = await open(t, guardedRest)
  const headers = { authorization: basic('ada', 'correct horse'), 'sec-fetch-site': 'cross-site' }
  assert.equal(await rawStatus(url, 'POST /reload', headers), 403)
  assert.equal(world.requests.length, 0)
})

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** fetch() sets Sec-Fetch-* by itself. */
function rawStatus(url: string, line: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { port } = new URL(url)
  const lines = Object.entries({
    host: `127.0.0.1:${port}`,
    connection: 'close',
    'content-length': '0',
    ...headers,
  })
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), '127.0.0.1', () => {
      socket.write(
        `${line} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      )
    })
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])))
  })
}
