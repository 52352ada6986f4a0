import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CUT, createNetwork } from '../../sim/network.ts'
import { createProcess } from '../../sim/process.ts'
import { seededRandom } from '../../sim/random.ts'
import { createScheduler } from '../../sim/scheduler.ts'
import { createStore } from '../../sim/store.ts'
import type { TransactionResult } from '../../src/ports/store.ts'

function world() {
  const scheduler = createScheduler(error => {
    throw error
  })
  const random = seededRandom(1)
  const network = createNetwork(scheduler, random, { lowMs: 1, highMs: 1 })
  const store = createStore({ scheduler, network, random })
  const process = createProcess('agent', { scheduler, frozen: () => false })
  const limit = (ms: number) => {
    const controller = new AbortController()
    scheduler.after(ms, () => controller.abort())
    return controller.signal
  }
  return { scheduler, network, store, kv: store.open(process, 'amber'), limit }
}

const putOnce = {
  compare: [{ key: 'k', absent: true as const }],
  writes: [{ put: 'k', value: '1' }],
  readOnFailure: ['k'],
}

test('a transaction whose answer is cut off is unknown to its sender, and applied', async () => {
  const { scheduler, network, store, kv, limit } = world()
  network.disturb('store', 'amber', CUT)
  let result: TransactionResult | null = null
  void kv.transact(putOnce, limit(50)).then(given => {
    result = given
  })
  await scheduler.run(() => false)
  assert.deepEqual(result, { kind: 'unknown', reason: 'no answer' })
  assert.equal(store.state.entry('k')?.value, '1')
})

test('the second of two equal transactions meets what the first wrote', async () => {
  const { scheduler, kv, limit } = world()
  const kinds: string[] = []
  for (let time = 0; time < 2; time++)
    void kv.transact(putOnce, limit(50)).then(({ kind }) => kinds.push(kind))
  await scheduler.run(() => false)
  assert.deepEqual(kinds, ['applied', 'conflict'])
})

test('a late request is applied after its sender gave up', async () => {
  const { scheduler, store, kv, limit } = world()
  Object.assign(store.faults, { lateChance: 1, lateMs: 10_000 })
  let appliedAt = 0
  let gaveUpAt = 0
  store.onApplied(() => {
    appliedAt = scheduler.now()
  })
  void kv.transact(putOnce, limit(50)).then(() => {
    gaveUpAt = scheduler.now()
  })
  await scheduler.run(() => false)
  assert.ok(gaveUpAt === 50 && appliedAt > gaveUpAt, `gave up at ${gaveUpAt}, applied at ${appliedAt}`)
})

test('a lease kept alive at an overtaken leader of the store runs out all the same', async () => {
  const { scheduler, store, kv, limit } = world()
  const seen: string[] = []
  void (async () => {
    const lease = await kv.grantLease(3000, limit(50))
    assert.equal(lease.kind, 'held')
    if (lease.kind !== 'held') return
    await kv.transact(
      { compare: [], writes: [{ put: 'leader', value: 'amber', lease: lease.lease }], readOnFailure: [] },
      limit(50),
    )
    store.faults.stuckFor.add('amber')
    scheduler.after(2500, () => void kv.keepAlive(lease.lease, limit(50)).then(({ kind }) => seen.push(kind)))
  })()
  await scheduler.run(() => false)
  assert.deepEqual(seen, ['held'])
  assert.equal(store.state.entry('leader'), undefined)
})
