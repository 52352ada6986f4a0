// The part of the contract in which something goes wrong: what an outcome may then be called, and how it goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isVigilError } from '../../src/kernel/errors.ts'
import type { KeyValue, TransactionResult } from '../../src/ports/store.ts'
import { waitFor } from '../lab/wait.ts'
import {
  applied,
  keysOf,
  limit,
  put,
  SHORT_MS,
  type Subject,
  valuesOf,
  WAIT_MS,
  wakesFor,
  works,
  writes,
} from './contract-calls.ts'

export function faults(use: () => Subject): void {
  test('a write whose answer was lost is unknown, and is there when read back', async () => {
    const { kv, store, prefix } = use()
    const key = `${prefix}a`
    const revision = await applied(kv, put(key, 'before'))
    await store.faults.loseAnswers()
    const bound = {
      compare: [{ key, modRevision: revision }],
      writes: [put(key, 'after')],
      readOnFailure: [key],
    }
    const result = await kv.transact(bound, limit(SHORT_MS))
    await store.faults.heal()
    assert.equal(result.kind, 'unknown')
    await waitFor('the write is there', WAIT_MS, async () => {
      return valuesOf((await kv.list(prefix, limit())).entries).includes('after')
    })
    // The same attempt again loses its comparison and is shown what it had done itself.
    const again = await kv.transact(bound, limit())
    assert.ok(again.kind === 'conflict')
    assert.deepEqual(valuesOf(again.entries), ['after'])
  })

  test('with nobody listening a write has certainly failed, and everything works again afterwards', async () => {
    const { kv, store, prefix } = use()
    await applied(kv, put(`${prefix}before`, '1'))
    await store.faults.refuse()
    // The first may meet a connection that was open; from then on there is none.
    await kv.transact(writes(put(`${prefix}first`, '1')), limit(SHORT_MS))
    const result = await kv.transact(writes(put(`${prefix}second`, '1')), limit(SHORT_MS))
    assert.equal(result.kind, 'failed')
    assert.equal((await kv.grantLease(5_000, limit(SHORT_MS))).kind, 'failed')
    await assert.rejects(kv.list(prefix, limit(SHORT_MS)), error => isVigilError(error, 'STORE_UNREACHABLE'))
    await store.faults.heal()
    await works(kv, prefix)
    assert.equal(keysOf((await kv.list(prefix, limit())).entries).includes(`${prefix}second`), false)
  })

  test('a store that stands still ends no call later than its limit, and no write as failed', async () => {
    const { kv, store, prefix } = use()
    await applied(kv, put(`${prefix}a`, '1'))
    await store.faults.freeze()
    const begin = performance.now()
    const outcomes = await Promise.all([
      kv.transact(writes(put(`${prefix}b`, '1')), limit(SHORT_MS)),
      kv.grantLease(5_000, limit(SHORT_MS)),
      kv.list(prefix, limit(SHORT_MS)).then(
        () => ({ kind: 'answered' }),
        (error: unknown) => ({ kind: isVigilError(error) ? error.code : 'other' }),
      ),
    ])
    const took = performance.now() - begin
    await store.faults.heal()
    assert.deepEqual(
      outcomes.map(outcome => outcome.kind),
      ['unknown', 'failed', 'STORE_UNREACHABLE'],
    )
    assert.ok(took < SHORT_MS + 5_000, `the calls took ${took} ms`)
    await works(kv, prefix)
  })

  test('cut connections are made again, and a watch goes on', async () => {
    const { kv, store, prefix } = use()
    let woken = 0
    const watch = kv.watch(prefix, () => woken++)
    try {
      await wakesFor(() => woken, kv, prefix)
      for (let round = 0; round < 3; round++) {
        await store.faults.cut()
        await works(kv, prefix)
        await wakesFor(() => woken, kv, prefix)
      }
    } finally {
      watch.stop()
    }
  })

  test('a restart keeps everything: values, revisions, the cluster; and a watch goes on', async () => {
    const { kv, store, prefix } = use()
    let woken = 0
    const watch = kv.watch(prefix, () => woken++)
    try {
      await applied(kv, put(`${prefix}a`, '1'))
      const before = await kv.list(prefix, limit())
      await store.faults.restart()
      await works(kv, `${prefix}works/`)
      const after = await kv.list(`${prefix}a`, limit())
      assert.deepEqual(after.entries, before.entries)
      assert.equal(after.clusterId, before.clusterId)
      assert.ok(after.revision >= before.revision)
      await wakesFor(() => woken, kv, prefix)
    } finally {
      watch.stop()
    }
  })

  test('while the lead moves, no acknowledged write is lost and none counts twice', async () => {
    const { kv, store, prefix } = use()
    const key = `${prefix}counter`
    await applied(kv, put(key, '0'))
    let sure = 0
    let unsure = 0
    for (let round = 0; round < 4; round++) {
      const move = store.faults.moveLeader()
      for (let step = 0; step < 15; step++) {
        const result = await increment(kv, key)
        if (result === 'applied') sure++
        if (result === 'unknown') unsure++
      }
      await move
    }
    await works(kv, `${prefix}works/`)
    const [entry] = (await kv.list(key, limit())).entries
    const value = Number(entry?.value)
    assert.ok(value >= sure && value <= sure + unsure, `${value} is not within ${sure} + ${unsure} unknown`)
    assert.ok(sure > 0)
  })
}

/** Reads and adds one, bound to the revision read. */
async function increment(kv: KeyValue, key: string): Promise<TransactionResult['kind'] | 'unread'> {
  try {
    const [entry] = (await kv.list(key, limit(SHORT_MS))).entries
    const compare = [{ key, modRevision: entry!.modRevision }]
    const change = { compare, writes: [put(key, String(Number(entry!.value) + 1))], readOnFailure: [] }
    return (await kv.transact(change, limit(SHORT_MS))).kind
  } catch (error) {
    if (!isVigilError(error, 'STORE_UNREACHABLE')) throw error
    return 'unread'
  }
}
