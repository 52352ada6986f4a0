// Changes of the dynamic configuration: merged, checked, never over somebody else's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { config, type World } from './api-world.ts'
import { open } from './operations-world.ts'

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
