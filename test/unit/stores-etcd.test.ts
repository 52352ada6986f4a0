// The etcd adapter against servers that answer badly, in pieces, late or never: made here, so no etcd is needed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isVigilError } from '../../src/kernel/errors.ts'
import type { Transaction } from '../../src/ports/store.ts'
import { openEtcd } from '../../src/stores/etcd/etcd.ts'
import { growthPerDay } from '../../src/stores/etcd/space.ts'
import { waitFor } from '../lab/wait.ts'
import {
  answering,
  applying,
  counted,
  type Handler,
  header,
  passTime,
  refusing,
  serving,
  silent,
  WAIT_MS,
} from './stores-fake-etcd.ts'

const put: Transaction = { compare: [], writes: [{ put: '/a', value: '1' }], readOnFailure: [] }
const limit = (ms = 5_000) => AbortSignal.timeout(ms)

const uncertain = [
  ['request timed out', 14, 'etcdserver: request timed out'],
  [
    'timed out with a failed leader',
    14,
    'etcdserver: request timed out, possibly due to previous leader failure',
  ],
  ['timed out with a lost connection', 14, 'etcdserver: request timed out, possibly due to connection lost'],
  ['leader changed', 14, 'etcdserver: leader changed'],
  ['server stopped', 14, 'etcdserver: server stopped'],
  ['unavailable without a reason', 14, 'transport is closing'],
  ['deadline exceeded', 4, 'context deadline exceeded'],
  ['cancelled', 1, 'context canceled'],
  ['dropped proposal', 2, 'raft proposal dropped'],
  ['database space exceeded: applied, then reported', 8, 'etcdserver: mvcc: database space exceeded'],
  ['an answer too long for the gateway', 8, 'grpc: received message larger than max'],
  ['corrupt cluster', 15, 'etcdserver: corrupt cluster'],
] as const

for (const [what, code, message] of uncertain) {
  test(`a write answered with "${what}" is unknown, and no other endpoint gets it`, async () => {
    const second = counted(applying)
    await serving([refusing(code, message), second.handler], async kv => {
      assert.deepEqual(await kv.transact(put, limit()), { kind: 'unknown', reason: message })
      assert.deepEqual(second.calls, [])
    })
  })
}

const certain = [
  ['duplicate key', 3, 'etcdserver: duplicate key given in txn request', 400],
  ['no such lease', 5, 'etcdserver: requested lease not found', 404],
  ['permission denied', 7, 'etcdserver: permission denied', 403],
  ['request too large', 3, 'etcdserver: request is too large', 400],
  ['too many requests', 8, 'etcdserver: too many requests', 429],
] as const

for (const [what, code, message, status] of certain) {
  test(`a write answered with "${what}" has certainly failed, and no other endpoint is asked`, async () => {
    const second = counted(applying)
    await serving([refusing(code, message, status), second.handler], async kv => {
      assert.deepEqual(await kv.transact(put, limit()), { kind: 'failed', reason: message })
      assert.deepEqual(second.calls, [])
    })
  })
}

test('a member that knows no leader did nothing: the next endpoint gets the write within the same call', async () => {
  await serving([refusing(14, 'etcdserver: no leader'), applying], async kv => {
    assert.equal((await kv.transact(put, limit())).kind, 'applied')
  })
  await serving([refusing(14, 'etcdserver: no leader'), silent], async kv => {
    assert.equal((await kv.transact(put, limit())).kind, 'unknown')
  })
})

const nonsense: readonly (readonly [string, Handler])[] = [
  ['something that is not JSON', answering('<html>busy</html>')],
  ['JSON of another kind', answering([1, 2, 3])],
  ['no header', answering({ succeeded: true })],
  ['a revision that is no number', answering({ header: { ...header, revision: '-1e9' }, succeeded: true })],
  ['a gateway in between that gave up', answering('bad gateway', 502)],
  ['a page that does not exist', answering('404 page not found', 404)],
  ['nothing but a closed connection', (_path, _body, response) => response.destroy()],
  [
    'half an answer',
    (_path, _body, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"header":')
      setTimeout(() => response.destroy(), 20)
    },
  ],
  [
    'an answer without an end',
    (_path, _body, response) => {
      response.writeHead(200)
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(1 << 20)));
      }
      response.on('drain', pour)
      pour()
    },
  ],
]

for (const [what, handler] of nonsense) {
  test(`a write answered with ${what} is unknown, a read ends with a named failure`, async () => {
    await serving([handler], async kv => {
      assert.equal((await kv.transact(put, limit())).kind, 'unknown')
      await assert.rejects(
        kv.list('/', limit()),
        error => isVigilError(error, 'STORE_UNREACHABLE') || isVigilError(error, 'STORE_REFUSED'),
      )
      assert.equal((await kv.grantLease(5_000, limit())).kind, 'failed')
      assert.equal((await kv.keepAlive('7', limit())).kind, 'failed')
    })
  })
}

test('an answer without an end is given up for its size, long before the time limit', async () => {
  let poured = 0
  const handler: Handler = (_path, _body, response) => {
    const pour = () => {
      for (let more = true; more && !response.destroyed && poured < 256; poured++) {
        more = response.write(Buffer.alloc(1 << 20))
      }
    }
    response.writeHead(200)
    response.on('drain', pour)
    pour()
  }
  await serving(
    [handler],
    async kv => {
      assert.equal((await kv.transact(put, limit(60_000))).kind, 'unknown')
      assert.ok(poured < 128, `${poured} MB were taken`)
    },
    { attemptLimitMs: 5_000 },
  )
})

test('a silent endpoint ends an attempt by itself; a read goes on to the next, a write does not', async () => {
  const second = counted(answering({ header, kvs: [], succeeded: true }))
  await serving([silent, second.handler], async kv => {
    assert.equal((await kv.transact(put, limit(30_000))).kind, 'unknown')
    assert.deepEqual(second.calls, [])
  })
  await serving([silent, second.handler], async kv => {
    assert.equal((await kv.list('/', limit(30_000))).revision, 5n)
    // Set aside: the write does not meet it any more.
    assert.equal((await kv.transact(put, limit(30_000))).kind, 'applied')
  })
})

test('a read does not wait for the end of a silent endpoint, and the next write does not meet it', async () => {
  const second = counted(applying)
  await serving(
    [silent, second.handler],
    async kv => {
      // The attempt at the silent one alone would outlast the limit.
      assert.equal((await kv.list('/', limit(7_500))).revision, 5n)
      assert.equal((await kv.transact(put, limit(7_500))).kind, 'applied')
    },
    { attemptLimitMs: 8_000 },
  )
})

test('an endpoint set aside is asked in the background before a write is risked on it again', async () => {
  let broken = true
  const first = counted((path, body, response, request) =>
    (broken ? silent : applying)(path, body, response, request),
  )
  await serving([first.handler, applying], async kv => {
    await kv.transact(put, limit())
    const before = first.calls.length
    await waitFor('a question in the background', WAIT_MS, async () => {
      passTime(1_000)
      assert.equal((await kv.transact(put, limit())).kind, 'applied')
      return first.calls.length > before
    })
    // It did not answer, so writes still go elsewhere.
    assert.equal(first.calls.at(-1), '/v3/kv/range')
    broken = false
    await waitFor('writes come back', WAIT_MS, async () => {
      passTime(1_000)
      assert.equal((await kv.transact(put, limit())).kind, 'applied')
      return first.calls.at(-1) === '/v3/kv/txn'
    })
    assert.equal(first.calls.at(-2), '/v3/kv/range')
  })
})

test('with every endpoint failing each gets its turn', async () => {
  const endpoints = [
    counted(refusing(14, 'etcdserver: request timed out')),
    counted(refusing(14, 'etcdserver: request timed out')),
  ]
  await serving(
    endpoints.map(endpoint => endpoint.handler),
    async kv => {
      for (let round = 0; round < 4; round++) await kv.transact(put, limit())
      assert.deepEqual(
        endpoints.map(endpoint => endpoint.calls.filter(path => path === '/v3/kv/txn').length),
        [2, 2],
      )
    },
  )
})

test('an unknown lease has no ttl in its answer, an error of the stream is a failure', async () => {
  await serving([answering({ result: { header, ID: '7' } })], async kv => {
    assert.deepEqual(await kv.keepAlive('7', limit()), { kind: 'gone' })
  })
  await serving([answering({ error: { grpc_code: 14, message: 'etcdserver: no leader' } })], async kv => {
    assert.equal((await kv.keepAlive('7', limit())).kind, 'failed')
  })
  await serving([answering({ header, ID: '7', TTL: '9' })], async kv => {
    assert.deepEqual(await kv.grantLease(5_000, limit()), { kind: 'held', lease: '7', ttlMs: 9_000 })
  })
})

test('the token is fetched once, sent with every call, and renewed once when it is refused', async () => {
  const tokens: (string | undefined)[] = []
  let issued = 0
  const handler: Handler = (path, body, response, request) => {
    if (path === '/v3/auth/authenticate')
      return answering({ header, token: `token-${++issued}` })(path, body, response, request)
    tokens.push(request.headers.authorization)
    if (issued === 1 && tokens.length === 3)
      return refusing(16, 'etcdserver: invalid auth token', 401)(path, body, response, request)
    return applying(path, body, response, request)
  }
  await serving(
    [handler],
    async kv => {
      for (let round = 0; round < 4; round++) assert.equal((await kv.transact(put, limit())).kind, 'applied')
      assert.deepEqual(tokens, ['token-1', 'token-1', 'token-1', 'token-2', 'token-2'])
    },
    { credentials: { username: 'u', password: 'p' } },
  )
})

test('a token that cannot be had leaves the write unsent', async () => {
  for (const handler of [
    silent,
    refusing(14, 'etcdserver: request timed out'),
    refusing(3, 'etcdserver: authentication failed, invalid user ID or password', 400),
  ]) {
    const paths = counted(handler)
    await serving(
      [paths.handler],
      async kv => {
        assert.equal((await kv.transact(put, limit())).kind, 'failed')
        assert.deepEqual(paths.calls, ['/v3/auth/authenticate'])
      },
      { credentials: { username: 'u', password: 'p' } },
    )
  }
})

test('endpoints are checked before anybody is asked', () => {
  for (const endpoints of [[], ['ftp://x:1'], ['http://'], ['']]) {
    assert.throws(
      () => openEtcd({ endpoints }),
      error => isVigilError(error, 'CONFIG_INVALID'),
    )
  }
})

test('growth is told per day, and not from two looks at once', () => {
  const look = (bytes: number, revision: bigint) => ({ version: '3.4.23', bytes, bytesInUse: null, revision })
  assert.deepEqual(growthPerDay(look(1_000, 10n), look(3_000, 70n), 60_000), {
    bytesPerDay: 2_880_000,
    revisionsPerDay: 86_400,
  })
  assert.deepEqual(growthPerDay(look(3_000, 10n), look(1_000, 10n), 60_000), {
    bytesPerDay: 0,
    revisionsPerDay: 0,
  })
  assert.equal(growthPerDay(look(1, 1n), look(2, 2n), 0), null)
})
