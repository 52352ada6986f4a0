// POST /vigil/seal: what a candidate sends arrives whole, and nothing else is taken for it.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createPeers } from '../../src/api/peers-client.ts'
import type { SealAnswer, SealRequest } from '../../src/core/synchronous/seal.ts'
import { createWorld, guardedRest, serve } from './api-world.ts'
import { position } from './core-view.ts'

const REQUEST: SealRequest = {
  cluster: '14841639068965178418',
  base: 9_007_199_254_740_993n,
  term: 7,
  candidate: { name: 'birch', install: 'i-birch' },
}
const SEALED: SealAnswer = {
  kind: 'sealed',
  name: 'cedar',
  install: 'i-cedar',
  seat: 's-cedar',
  seatState: 'ready',
  position: position(3, 0x5_0000_0000),
  base: REQUEST.base,
  isHolder: false,
}

async function open(t: TestContext, scope = 'main') {
  const world = await createWorld()
  const { server, url } = await serve(world, guardedRest)
  const { authentication } = guardedRest
  const peers = createPeers({
    scope,
    credentials: () => authentication,
    serverAnswers: () => Promise.resolve(false),
    own: { conn_url: 'postgres://10.0.0.2/postgres', api_url: 'http://10.0.0.2/patroni' },
  })
  t.after(() => {
    peers.close()
    return server.close()
  })
  const ask = (request = REQUEST) => peers.seal(`${url}/patroni`, request, AbortSignal.timeout(5000))
  const post = (body: unknown) =>
    fetch(`${url}/vigil/seal`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        authorization: `Basic ${Buffer.from(`${authentication?.username}:${authentication?.password}`).toString('base64')}`,
      },
    })
  return { world, ask, post }
}

test('the request and the answer arrive as they were sent, revisions beyond 2^53 too', async t => {
  const { world, ask } = await open(t)
  world.outcome(Promise.resolve({ kind: 'seal', answer: SEALED }))
  assert.deepEqual(await ask(), SEALED)
  const [filed] = world.requests
  assert.deepEqual(filed?.kind === 'seal' && filed.request, REQUEST)
  const refused: SealAnswer = { kind: 'refused', reason: "the leader's agent answers", revision: 12n }
  world.outcome(Promise.resolve({ kind: 'seal', answer: refused }))
  assert.deepEqual(await ask(), refused)
})

test('a member of another cluster is told so, and asks nothing of this one', async t => {
  const { world, ask } = await open(t, 'other')
  await assert.rejects(ask(), /412/)
  assert.deepEqual(world.requests, [])
})

const wire = { ...REQUEST, base: '10', scope: 'main' }
const WRONG: readonly (readonly [string, unknown])[] = [
  ['no revision', { ...wire, base: undefined }],
  ['a revision that is a number', { ...wire, base: 10 }],
  ['a negative revision', { ...wire, base: '-1' }],
  ['a revision that is too long', { ...wire, base: '9'.repeat(40) }],
  ['a term that is no number', { ...wire, term: '7' }],
  ['a term that nobody can take', { ...wire, term: 1 }],
  ['a fraction of a term', { ...wire, term: 7.5 }],
  ['no candidate', { ...wire, candidate: null }],
  ['a candidate without an installation', { ...wire, candidate: { name: 'birch' } }],
  ['an installation with a line break', { ...wire, candidate: { name: 'birch', install: 'a\nb' } }],
  ['a field that nobody knows', { ...wire, floor: 3 }],
  ['a list', [wire]],
  ['nothing', undefined],
]
for (const [what, body] of WRONG) {
  test(`${what} is 400 and does nothing`, async t => {
    const { world, post } = await open(t)
    assert.equal((await post(body)).status, 400)
    assert.deepEqual(world.requests, [])
  })
}
