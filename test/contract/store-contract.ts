// What every consensus store must do for vigil, as a suite: run it against a new adapter before trusting it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { isVigilError } from '../../src/kernel/errors.ts'
import type { KeyValue, Transaction } from '../../src/ports/store.ts'
import { waitFor } from '../lab/wait.ts'
import {
  applied,
  keysOf,
  limit,
  put,
  type StoreUnderTest,
  type Subject,
  valuesOf,
  WAIT_MS,
  wakesFor,
  writes,
} from './contract-calls.ts'
import { faults } from './contract-faults.ts'

export function storeContract(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(name, { timeout: 300_000 }, () => {
    let store: StoreUnderTest
    let kv: KeyValue
    // Limits of calls don't keep a process alive; a call that waits for nothing else must.
    const alive = setInterval(() => {}, 1_000)
    before(async () => {
      store = await start()
      kv = store.connect()
    })
    after(async () => {
      clearInterval(alive)
      kv?.close()
      await store?.stop()
    })
    const use = (): Subject => ({ kv, store, prefix: `/contract/${randomBytes(6).toString('hex')}/` })
    readsAndWrites(use)
    comparisons(use)
    leases(use)
    watches(use)
    limits(use)
    faults(use)
  })
}

function readsAndWrites(use: () => Subject): void {
  test('an empty prefix lists nothing, at a revision of a named cluster', async () => {
    const { kv, prefix } = use()
    const snapshot = await kv.list(prefix, limit())
    assert.deepEqual(snapshot.entries, [])
    assert.ok(snapshot.revision >= 1n)
    assert.notEqual(snapshot.clusterId, '')
  })

  test('what one transaction writes has one revision, which is the one it reports', async () => {
    const { kv, prefix } = use()
    const before = await kv.list(prefix, limit())
    const result = await kv.transact(writes(put(`${prefix}a`, '1'), put(`${prefix}b`, '2')), limit())
    assert.ok(result.kind === 'applied')
    assert.ok(result.revision > before.revision)
    const after = await kv.list(prefix, limit())
    assert.deepEqual(after.entries, [
      { key: `${prefix}a`, value: '1', modRevision: result.revision, lease: null },
      { key: `${prefix}b`, value: '2', modRevision: result.revision, lease: null },
    ])
    assert.ok(after.revision >= result.revision)
    assert.equal(after.clusterId, result.clusterId)
  })

  test('a prefix lists no key of a neighbour', async () => {
    const { kv, prefix } = use()
    const inside = `${prefix}main/`
    await applied(kv, put(`${inside}x`, '1'), put(`${prefix}main2/x`, '1'), put(`${prefix}main0`, '1'))
    const { entries } = await kv.list(inside, limit())
    assert.deepEqual(keysOf(entries), [`${inside}x`])
  })

  test('any text comes back as it was written', async () => {
    const { kv, prefix } = use()
    const values = ['', '0', '{"a":1}', 'größer ≥ 1 \u{1f418}', ' \n\t"\\ ', 'x'.repeat(100_000)]
    await applied(kv, ...values.map((value, index) => put(`${prefix}${index}-ü`, value)))
    const { entries } = await kv.list(prefix, limit())
    assert.deepEqual(valuesOf(entries), values)
  })

  test('a deleted key is gone, and deleting it again is no failure', async () => {
    const { kv, prefix } = use()
    await applied(kv, put(`${prefix}a`, '1'))
    await applied(kv, { delete: `${prefix}a` })
    assert.deepEqual((await kv.list(prefix, limit())).entries, [])
    await applied(kv, { delete: `${prefix}a` })
  })

  test('a transaction that writes a key twice is refused as a whole', async () => {
    const { kv, prefix } = use()
    const result = await kv.transact(writes(put(`${prefix}a`, '1'), put(`${prefix}a`, '2')), limit())
    assert.equal(result.kind, 'failed')
    assert.deepEqual((await kv.list(prefix, limit())).entries, [])
  })

  test('another client sees what was applied', async () => {
    const { kv, store, prefix } = use()
    const result = await kv.transact(writes(put(`${prefix}a`, '1')), limit())
    const other = store.connect()
    try {
      const seen = await other.list(prefix, limit())
      assert.ok(result.kind === 'applied' && seen.revision >= result.revision)
      assert.deepEqual(valuesOf(seen.entries), ['1'])
    } finally {
      other.close()
    }
  })
}

function comparisons(use: () => Subject): void {
  test('a key is created only while it is absent', async () => {
    const { kv, prefix } = use()
    const key = `${prefix}a`
    const create = (value: string): Transaction => ({
      ...writes(put(key, value)),
      compare: [{ key, absent: true }],
    })
    assert.equal((await kv.transact(create('1'), limit())).kind, 'applied')
    assert.equal((await kv.transact(create('2'), limit())).kind, 'conflict')
    assert.deepEqual(valuesOf((await kv.list(prefix, limit())).entries), ['1'])
  })

  test('an empty value is a value: the key is not absent, and an absent key has no value', async () => {
    const { kv, prefix } = use()
    const key = `${prefix}a`
    const compared = async (compare: Transaction['compare'][number]) =>
      (await kv.transact({ compare: [compare], writes: [], readOnFailure: [] }, limit())).kind
    assert.equal(await compared({ key, value: '' }), 'conflict')
    await applied(kv, put(key, ''))
    assert.equal(await compared({ key, value: '' }), 'applied')
    assert.equal(await compared({ key, absent: true }), 'conflict')
  })

  test('a revision holds for exactly one state of a key, also when the key was deleted and made again', async () => {
    const { kv, prefix } = use()
    const key = `${prefix}a`
    const first = await applied(kv, put(key, '1'))
    const bound = (modRevision: bigint, value: string): Transaction => ({
      compare: [{ key, modRevision }],
      writes: [put(key, value)],
      readOnFailure: [key],
    })
    const second = await kv.transact(bound(first, '1'), limit())
    assert.ok(second.kind === 'applied')
    assert.equal((await kv.transact(bound(first, '3'), limit())).kind, 'conflict')
    await applied(kv, { delete: key })
    assert.equal((await kv.transact(bound(second.revision, '4'), limit())).kind, 'conflict')
    await applied(kv, put(key, '1'))
    assert.equal((await kv.transact(bound(second.revision, '5'), limit())).kind, 'conflict')
    assert.deepEqual(valuesOf((await kv.list(prefix, limit())).entries), ['1'])
  })

  test('a lost comparison writes nothing and shows the keys asked for, as they were at that moment', async () => {
    const { kv, prefix } = use()
    const [a, b, c] = [`${prefix}a`, `${prefix}b`, `${prefix}c`]
    const revision = await applied(kv, put(a, '1'), put(b, '2'))
    const result = await kv.transact(
      {
        compare: [
          { key: a, modRevision: revision },
          { key: b, value: 'other' },
        ],
        writes: [put(a, 'x'), { delete: b }, put(c, 'x')],
        readOnFailure: [a, c, b],
      },
      limit(),
    )
    assert.ok(result.kind === 'conflict')
    assert.ok(result.revision >= revision)
    assert.notEqual(result.clusterId, '')
    assert.deepEqual(
      [...result.entries],
      [
        { key: a, value: '1', modRevision: revision, lease: null },
        { key: b, value: '2', modRevision: revision, lease: null },
      ],
    )
    assert.deepEqual(valuesOf((await kv.list(prefix, limit())).entries), ['1', '2'])
  })

  test('of many writers on one revision exactly one wins', async () => {
    const { kv, store, prefix } = use()
    const key = `${prefix}a`
    const others = Array.from({ length: 8 }, () => store.connect())
    try {
      for (let round = 0; round < 5; round++) {
        const revision = await applied(kv, put(key, `round ${round}`))
        const results = await Promise.all(
          others.map((other, index) =>
            other.transact(
              {
                compare: [{ key, modRevision: revision }],
                writes: [put(key, String(index))],
                readOnFailure: [key],
              },
              limit(),
            ),
          ),
        )
        const winners = results.flatMap((result, index) => (result.kind === 'applied' ? [String(index)] : []))
        assert.equal(winners.length, 1)
        assert.equal(results.filter(result => result.kind === 'conflict').length, others.length - 1)
        assert.deepEqual(valuesOf((await kv.list(prefix, limit())).entries), winners)
      }
    } finally {
      for (const other of others) other.close()
    }
  })
}

function leases(use: () => Subject): void {
  const SHORTEST_MS = 2_000

  test('a key lives as long as its lease is kept alive, and goes when it is not', async () => {
    const { kv, prefix } = use()
    const key = `${prefix}a`
    const granted = await kv.grantLease(SHORTEST_MS, limit())
    assert.ok(granted.kind === 'held')
    assert.ok(granted.ttlMs >= SHORTEST_MS)
    await applied(kv, put(key, '1', granted.lease))
    assert.equal((await kv.list(prefix, limit())).entries[0]?.lease, granted.lease)

    const until = performance.now() + 2 * granted.ttlMs
    while (performance.now() < until) {
      const kept = await kv.keepAlive(granted.lease, limit())
      assert.ok(kept.kind === 'held' && kept.ttlMs === granted.ttlMs)
      assert.equal((await kv.list(prefix, limit())).entries.length, 1)
      await new Promise(resolve => setTimeout(resolve, 200))
    }
    await waitFor('the key of the abandoned lease is gone', WAIT_MS, async () => {
      return (await kv.list(prefix, limit())).entries.length === 0
    })
    assert.equal((await kv.keepAlive(granted.lease, limit())).kind, 'gone')
  })

  test('a key that is written again without the lease stays', async () => {
    const { kv, prefix } = use()
    const granted = await kv.grantLease(SHORTEST_MS, limit())
    assert.ok(granted.kind === 'held')
    await applied(kv, put(`${prefix}kept`, '1', granted.lease), put(`${prefix}lost`, '1', granted.lease))
    await applied(kv, put(`${prefix}kept`, '2'))
    await waitFor('the other key is gone', WAIT_MS, async () => {
      return (await kv.list(prefix, limit())).entries.length === 1
    })
    const [kept] = (await kv.list(prefix, limit())).entries
    assert.deepEqual([kept?.key, kept?.lease], [`${prefix}kept`, null])
  })

  test('an unknown lease is gone, and a transaction that needs it is refused as a whole', async () => {
    const { kv, prefix } = use()
    assert.equal((await kv.keepAlive('987654321', limit())).kind, 'gone')
    const transaction = writes(put(`${prefix}a`, '1'), put(`${prefix}b`, '1', '987654321'))
    assert.equal((await kv.transact(transaction, limit())).kind, 'failed')
    assert.deepEqual((await kv.list(prefix, limit())).entries, [])
    const compared = { ...transaction, compare: [{ key: `${prefix}c`, value: 'x' }] }
    assert.equal((await kv.transact(compared, limit())).kind, 'conflict')
  })
}

function watches(use: () => Subject): void {
  test('a watch wakes for changes and deletions by anybody, and for nothing after it was stopped', async () => {
    const { kv, store, prefix } = use()
    const other = store.connect()
    let woken = 0
    const watch = kv.watch(prefix, () => woken++)
    try {
      await wakesFor(() => woken, other, prefix)
      const before = woken
      await applied(other, { delete: `${prefix}wake` })
      await waitFor('the deletion woke the watch', WAIT_MS, () => woken > before)
      watch.stop()
      const stopped = woken
      const sentinel = { woken: 0 }
      const second = kv.watch(prefix, () => sentinel.woken++)
      await wakesFor(() => sentinel.woken, other, prefix)
      second.stop()
      assert.equal(woken, stopped)
    } finally {
      other.close()
    }
  })
}

function limits(use: () => Subject): void {
  test('a call whose time is over already is certain not to have been made', async () => {
    const { kv, prefix } = use()
    const over = AbortSignal.abort()
    assert.equal((await kv.transact(writes(put(`${prefix}a`, '1')), over)).kind, 'failed')
    assert.equal((await kv.grantLease(5_000, over)).kind, 'failed')
    assert.equal((await kv.keepAlive('1', over)).kind, 'failed')
    await assert.rejects(kv.list(prefix, over), error => isVigilError(error, 'STORE_UNREACHABLE'))
    assert.deepEqual((await kv.list(prefix, limit())).entries, [])
  })

  test('a closed client does nothing more, and closing twice is harmless', async () => {
    const { kv, store, prefix } = use()
    const other = store.connect()
    let woken = 0
    other.watch(prefix, () => woken++)
    await wakesFor(() => woken, kv, prefix)
    other.close()
    other.close()
    const stopped = woken
    assert.equal((await other.transact(writes(put(`${prefix}a`, '1')), limit())).kind, 'failed')
    await assert.rejects(other.list(prefix, limit()), error => isVigilError(error, 'STORE_UNREACHABLE'))
    await applied(kv, put(`${prefix}b`, '1'))
    assert.equal(woken, stopped)
  })
}
