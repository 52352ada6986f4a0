// What a client may cost, and that others are served meanwhile.
import assert from 'node:assert/strict'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { VigilError } from '../../src/kernel/errors.ts'
import { createWorld, openRest, serve, view, type WorldOptions } from './api-world.ts'

async function open(t: TestContext, options: WorldOptions = {}) {
  const world = await createWorld(options)
  const { server, url, port } = await serve(world)
  t.after(() => server.close())
  return { world, url, port }
}

test('a body of more than 64 KiB is 413, announced or not, and nothing is written', async t => {
  const { world, url } = await open(t)
  const revision = world.store.revision
  const large = JSON.stringify({ ttl: 20, x: 'y'.repeat(64 * 1024) })
  assert.equal((await fetch(`${url}/config`, { method: 'PATCH', body: large })).status, 413)
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(large))
      controller.close()
    },
  })
  const options = { method: 'PATCH', body: chunked, duplex: 'half' } as RequestInit
  assert.equal((await fetch(`${url}/config`, options)).status, 413)
  assert.equal(world.store.revision, revision)
})

for (const [what, body] of [
  ['no JSON', '{ttl: 20}'],
  ['no object', '[1]'],
  ['an object that would replace a prototype', '{"__proto__": {"ttl": 20}}'],
  ['an object nested too deeply', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`],
  ['nothing', ''],
] as const) {
  test(`a body that is ${what} is 400, and nothing is written`, async t => {
    const { world, url } = await open(t)
    const revision = world.store.revision
    const response = await fetch(`${url}/config`, { method: 'PATCH', body })
    assert.equal(response.status, 400)
    assert.equal(world.store.revision, revision)
  })
}

test('a client that never finishes its request is cut off', async t => {
  const { port } = await open(t)
  const startedAt = performance.now()
  const text = await new Promise<string>(resolve => {
    const socket = net.connect(port, '127.0.0.1', () =>
      socket.write('GET /patroni HTTP/1.1\r\nhost: x\r\nx-slow: '),
    )
    const drip = setInterval(() => socket.write('a'), 200)
    let received = ''
    socket.on('data', chunk => {
      received += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(drip)
      resolve(received)
    })
  })
  assert.doesNotMatch(text, /^HTTP\/1\.1 2/)
  assert.ok(performance.now() - startedAt < 60_000)
})

test('a client that holds as many connections as it can gets no more, and is served again after it lets go', async t => {
  const { port, url } = await open(t)
  const sockets = await Promise.all(
    Array.from({ length: 80 }, async () => {
      const socket = net.connect(port, '127.0.0.1')
      socket.on('error', () => {})
      await new Promise(resolve => socket.once('connect', resolve))
      return socket
    }),
  )
  const open64 = () => sockets.filter(socket => !socket.destroyed && socket.readable)
  await until(() => open64().length === 64)
  await assert.rejects(fetch(`${url}/liveness`))
  for (const socket of sockets) socket.destroy()
  await untilTrue(async () => (await fetch(`${url}/liveness`).catch(() => null))?.status === 200)
})

test('headers larger than 16 KiB are refused', async t => {
  const { url } = await open(t)
  const response = await fetch(`${url}/patroni`, { headers: { 'x-large': 'a'.repeat(20_000) } })
  assert.equal(response.status, 431)
})

test('an error inside is told to nobody outside', async t => {
  const failing = () => {
    throw new Error('secret detail in /etc/somewhere')
  }
  const { url } = await open(t, { view: failing })
  const response = await fetch(`${url}/status`)
  assert.equal(response.status, 500)
  const body = await response.text()
  assert.doesNotMatch(body, /secret|somewhere|at /)
})

test('operations that are waited for are bounded', async t => {
  const { world, url } = await open(t, { view: () => view() })
  world.outcome(new Promise(() => {}))
  const restarts = Array.from({ length: 8 }, () =>
    fetch(`${url}/restart?`, { method: 'POST', body: '{"timeout": 20}', signal: t.signal }).catch(() => null),
  )
  await until(() => world.requests.length === 8)
  const ninth = await fetch(`${url}/restart`, { method: 'POST' })
  assert.equal(ninth.status, 503)
  assert.equal(world.requests.length, 8)
  assert.equal((await fetch(`${url}/liveness`)).status, 200)
  void restarts
})

test('an address that is taken is named, with the key to change', async t => {
  const { port } = await open(t)
  const world = await createWorld()
  const taken = { ...openRest, listen: { hosts: ['127.0.0.1'], port } }
  await assert.rejects(serve(world, taken), (error: unknown) => {
    assert.ok(error instanceof VigilError)
    assert.equal(error.code, 'PORT_IN_USE')
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*restapi\\.listen`))
    return true
  })
})

async function until(condition: () => boolean): Promise<void> {
  await untilTrue(async () => condition())
}

async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 30_000
  while (!(await condition())) {
    assert.ok(performance.now() < limit, 'it did not come about in 30 s')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
