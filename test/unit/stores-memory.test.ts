// The in-memory store against a model of what a consensus store is, under random interleavings, faults and time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Compare, KeyValue, Transaction, TransactionResult, Write } from '../../src/ports/store.ts'
import { createMemoryStore, type Fault, type MemoryClock } from '../../src/stores/memory.ts'

const KEYS = ['/p/a', '/p/b', '/p/c'] as const
const never = new AbortController().signal

/** Time that moves only when told; callbacks run in order. */
function manualClock(): MemoryClock & { advance(ms: number): void } {
  let now = 0
  let sequence = 0
  let timers: { at: number; order: number; callback: () => void }[] = []
  return {
    now: () => ({ mono: now, boot: now }),
    after(ms, callback) {
      const timer = { at: now + ms, order: sequence++, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter(other => other !== timer)
      }
    },
    advance(ms) {
      const until = now + ms
      for (;;) {
        const due = timers
          .filter(timer => timer.at <= until)
          .sort((a, b) => a.at - b.at || a.order - b.order)[0]
        if (!due) break
        timers = timers.filter(timer => timer !== due)
        now = Math.max(now, due.at)
        due.callback()
      }
      now = until
    },
  }
}

/** The whole of what a key-value store with revisions is, written as plainly as possible. */
interface Model {
  revision: bigint
  readonly keys: Map<string, { value: string; modRevision: bigint }>
}

function modelApply(model: Model, transaction: Transaction): 'applied' | 'conflict' | 'failed' {
  const touched = transaction.writes.map(keyOf)
  if (new Set(touched).size !== touched.length) return 'failed'
  for (const compare of transaction.compare) {
    const found = model.keys.get(compare.key)
    if ('absent' in compare && found) return 'conflict'
    if ('modRevision' in compare && (found?.modRevision ?? 0n) !== compare.modRevision) return 'conflict'
    if ('value' in compare && (!found || found.value !== compare.value)) return 'conflict'
  }
  const changes = transaction.writes.some(write => 'put' in write || model.keys.has(write.delete))
  if (changes) model.revision += 1n
  for (const write of transaction.writes) {
    if ('put' in write) model.keys.set(write.put, { value: write.value, modRevision: model.revision })
    else model.keys.delete(write.delete)
  }
  return 'applied'
}

const key = fc.constantFrom(...KEYS)
const value = fc.constantFrom('', '1', '2')
/** `back`: how many changes of the key ago; 0 is its present revision. */
const comparePlan = fc.oneof(
  fc.record({ kind: fc.constant('absent' as const), key }),
  fc.record({ kind: fc.constant('value' as const), key, value }),
  fc.record({ kind: fc.constant('revision' as const), key, back: fc.nat(2) }),
)
const write: fc.Arbitrary<Write> = fc.oneof(fc.record({ put: key, value }), fc.record({ delete: key }))
const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('none' as const) },
  fc.constantFrom<Fault>('refused', 'answer-lost', 'request-lost'),
  fc.record({ lateMs: fc.integer({ min: 1, max: 30 }) }),
)
const step = fc.oneof(
  fc.record({
    compare: fc.array(comparePlan, { maxLength: 2 }),
    writes: fc.array(write, { maxLength: 3 }),
    client: fc.nat(2),
    fault,
  }),
  fc.record({ advanceMs: fc.integer({ min: 1, max: 20 }) }),
)

test('under any interleaving of clients, faults and time the store is the one history of the model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const clock = manualClock()
      const store = createMemoryStore(clock)
      let nextFault: Fault = 'none'
      const clients = [0, 1, 2].map(() => store.open(() => nextFault))
      const model: Model = { revision: store.revision, keys: new Map() }
      const histories = new Map<string, bigint[]>()
      const late: { at: number; order: number; transaction: Transaction }[] = []
      const applyLate = (now: number) => {
        const due = late.filter(one => one.at <= now).sort((a, b) => a.at - b.at || a.order - b.order)
        for (const one of due) {
          modelApply(model, one.transaction)
          late.splice(late.indexOf(one), 1)
        }
      }
      for (const [order, one] of steps.entries()) {
        if ('advanceMs' in one) {
          clock.advance(one.advanceMs)
          applyLate(clock.now().mono)
        } else {
          const transaction = planned(one.compare, one.writes, model, histories)
          nextFault = one.fault
          const result = await clients[one.client]!.transact(transaction, never)
          nextFault = 'none'
          if (typeof one.fault === 'object' && 'lateMs' in one.fault) {
            late.push({ at: clock.now().mono + one.fault.lateMs, order, transaction })
          }
          check(result, one.fault, model, transaction)
        }
        await same(clients[0]!, model)
        for (const name of KEYS) remember(histories, name, model.keys.get(name)?.modRevision)
      }
    }),
    { numRuns: 300 },
  )
})

test('of any set of writers bound to one revision, in any order and with answers lost, at most one changes it', async () => {
  const writers = fc.array(fc.constantFrom<Fault>('none', 'answer-lost', 'request-lost', 'refused'), {
    minLength: 2,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(writers, async faults => {
      const store = createMemoryStore(manualClock())
      const first = await store
        .open()
        .transact({ compare: [], writes: [{ put: '/t', value: 'start' }], readOnFailure: [] }, never)
      assert.ok(first.kind === 'applied')
      const results: TransactionResult[] = []
      for (const [index, one] of faults.entries()) {
        const transaction: Transaction = {
          compare: [{ key: '/t', modRevision: first.revision }],
          writes: [{ put: '/t', value: `writer ${index}` }],
          readOnFailure: ['/t'],
        }
        results.push(await store.open(() => one).transact(transaction, never))
      }
      assert.ok(store.revision <= first.revision + 1n)
      assert.ok(results.filter(result => result.kind === 'applied').length <= 1)
      // The first that arrived won, whether it heard of it or not.
      const winner = faults.findIndex(one => one === 'none' || one === 'answer-lost')
      assert.equal(store.entries.get('/t')?.value, winner < 0 ? 'start' : `writer ${winner}`)
    }),
  )
})

test('a lease ends exactly when its time has passed since the last keep-alive', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 15 }), { maxLength: 12 }), async gaps => {
      const clock = manualClock()
      const kv = createMemoryStore(clock).open()
      const granted = await kv.grantLease(10, never)
      assert.ok(granted.kind === 'held')
      await kv.transact(
        { compare: [], writes: [{ put: '/p/a', value: '', lease: granted.lease }], readOnFailure: [] },
        never,
      )
      let alive = true
      for (const gap of gaps) {
        clock.advance(gap)
        alive &&= gap < 10
        assert.equal((await kv.list('/p/', never)).entries.length, alive ? 1 : 0)
        assert.equal((await kv.keepAlive(granted.lease, never)).kind, alive ? 'held' : 'gone')
      }
    }),
  )
})

test('a watcher hears of an expired lease without anybody asking', async () => {
  const clock = manualClock()
  const kv = createMemoryStore(clock).open()
  const granted = await kv.grantLease(10, never)
  assert.ok(granted.kind === 'held')
  await kv.transact(
    { compare: [], writes: [{ put: '/p/a', value: '', lease: granted.lease }], readOnFailure: [] },
    never,
  )
  clock.advance(1)
  let woken = 0
  kv.watch('/p/', () => woken++)
  clock.advance(8)
  assert.equal(woken, 0)
  clock.advance(1)
  clock.advance(0)
  assert.equal(woken, 1)
})

function planned(
  plans: readonly ({ key: string } & (
    | { kind: 'absent' }
    | { kind: 'value'; value: string }
    | { kind: 'revision'; back: number }
  ))[],
  writes: readonly Write[],
  model: Model,
  histories: ReadonlyMap<string, bigint[]>,
): Transaction {
  const compare = plans.map((plan): Compare => {
    if (plan.kind === 'absent') return { key: plan.key, absent: true }
    if (plan.kind === 'value') return { key: plan.key, value: plan.value }
    const now = model.keys.get(plan.key)?.modRevision ?? 0n
    const earlier = histories.get(plan.key) ?? []
    return {
      key: plan.key,
      modRevision: plan.back === 0 ? now : (earlier[earlier.length - 1 - plan.back] ?? 0n),
    }
  })
  return { compare, writes, readOnFailure: [...KEYS] }
}

function check(result: TransactionResult, fault: Fault, model: Model, transaction: Transaction): void {
  if (fault === 'refused') return void assert.equal(result.kind, 'failed')
  if (fault === 'request-lost' || typeof fault === 'object') return void assert.equal(result.kind, 'unknown')
  const expected = modelApply(model, transaction)
  if (fault === 'answer-lost') return void assert.equal(result.kind, 'unknown')
  assert.equal(result.kind, expected)
  if (result.kind === 'applied') assert.equal(result.revision, model.revision)
  if (result.kind === 'conflict') {
    assert.deepEqual(
      new Map(
        result.entries.map(entry => [entry.key, { value: entry.value, modRevision: entry.modRevision }]),
      ),
      model.keys,
    )
  }
}

async function same(kv: KeyValue, model: Model): Promise<void> {
  const { entries, revision } = await kv.list('/p/', never)
  assert.equal(revision, model.revision)
  const found = entries.map(
    entry => [entry.key, { value: entry.value, modRevision: entry.modRevision }] as const,
  )
  assert.deepEqual(new Map(found), model.keys)
}

function remember(histories: Map<string, bigint[]>, name: string, revision: bigint | undefined): void {
  const history = histories.get(name) ?? []
  if (revision !== undefined && history.at(-1) !== revision) history.push(revision)
  histories.set(name, history)
}

function keyOf(write: Write): string {
  return 'put' in write ? write.put : write.delete
}
