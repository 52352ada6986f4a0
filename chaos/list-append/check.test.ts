// Histories made by hand: each anomaly is found, and each level complains about nothing that it does not promise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../sim/random.ts'
import { checkLists } from './check.ts'
import { ISOLATION_LEVELS, type IsolationLevel, type Operation, type Transaction } from './history.ts'

let clock = 0

/** `a1.7` appends 7 to list 1, `r1:5,7` reads it, `r1:` reads it empty, `r1?` reads it without an answer. */
function transaction(id: number, text: string, more: Partial<Transaction> = {}): Transaction {
  const operations = text.split(' ').map((word): Operation => {
    const [, kind, list, rest] = /^([ar])(\d+)[.:?]?(.*)$/.exec(word)!
    if (kind === 'a') return { kind: 'append', list: Number(list), element: Number(rest) }
    const elements = word.endsWith('?') ? null : rest === '' ? [] : rest!.split(',').map(Number)
    return { kind: 'read', list: Number(list), elements }
  })
  // All at once, unless a test says otherwise: nobody waits for anybody.
  return {
    id,
    outcome: 'committed',
    operations,
    startedNs: 0,
    endedNs: 1_000_000,
    reign: 'amber on timeline 1',
    ...more,
  }
}

function after(): Pick<Transaction, 'startedNs' | 'endedNs'> {
  clock += 10
  return { startedNs: clock, endedNs: clock + 5 }
}

function kinds(
  history: readonly Transaction[],
  level: IsolationLevel,
  final?: ReadonlyMap<number, readonly number[]>,
) {
  return [...new Set(checkLists(history, { level, final: final ?? null }).map(({ kind }) => kind))].sort()
}

test('a serial history is in order at every level', () => {
  const history = [
    transaction(1, 'a1.1 r1:1', after()),
    transaction(2, 'r1:1 a1.2 a2.3', after()),
    transaction(3, 'r2:3 r1:1,2 a1.4', after()),
    transaction(4, 'r1:1,2,4', after()),
  ]
  for (const level of ISOLATION_LEVELS) assert.deepEqual(kinds(history, level), [])
})

test('G0: two transactions that overwrite each other', () => {
  const history = [transaction(1, 'a1.1 a2.1'), transaction(2, 'a1.2 a2.2'), transaction(3, 'r1:1,2 r2:2,1')]
  assert.ok(kinds(history, 'read committed').includes('G0'))
})

test('G1a: an element of an aborted transaction is read', () => {
  const history = [transaction(1, 'a1.1', { outcome: 'aborted' }), transaction(2, 'r1:1')]
  assert.deepEqual(kinds(history, 'read committed'), ['G1a'])
})

test('G1b: a transaction is read in its middle', () => {
  const history = [transaction(1, 'a1.1 a1.2'), transaction(2, 'r1:1'), transaction(3, 'r1:1,2')]
  assert.ok(kinds(history, 'read committed').includes('G1b'))
})

test('G1c: two transactions have read each other', () => {
  const history = [transaction(1, 'a1.1 r2:2'), transaction(2, 'a2.2 r1:1')]
  assert.deepEqual(kinds(history, 'read committed'), ['G1c'])
})

test('G-single: half of another transaction was seen; read committed allows that', () => {
  const history = [transaction(1, 'a1.1 a2.2'), transaction(2, 'r1:1 r2:'), transaction(3, 'r2:2')]
  assert.deepEqual(kinds(history, 'repeatable read'), ['G-single'])
  assert.deepEqual(kinds(history, 'read committed'), [])
})

test('G-single: a lost update', () => {
  const history = [transaction(1, 'r1: a1.1'), transaction(2, 'r1: a1.2'), transaction(3, 'r1:1,2')]
  assert.deepEqual(kinds(history, 'repeatable read'), ['G-single'])
})

test('G2: write skew, which only serializable forbids', () => {
  const history = [transaction(1, 'r1: a2.1'), transaction(2, 'r2: a1.2'), transaction(3, 'r1:2 r2:1')]
  assert.deepEqual(kinds(history, 'serializable'), ['G2'])
  assert.deepEqual(kinds(history, 'repeatable read'), [])
})

test('real time: a later writer that missed an earlier one, and one that came before it', () => {
  const overwritten = [
    transaction(1, 'a1.1', after()),
    transaction(2, 'a1.2', after()),
    transaction(3, 'r1:2,1'),
  ]
  assert.deepEqual(kinds(overwritten, 'read committed'), ['G0-realtime'])
  const missed = [
    transaction(4, 'a1.1', after()),
    transaction(5, 'r1: a2.1', after()),
    transaction(6, 'r1:1'),
  ]
  assert.deepEqual(kinds(missed, 'repeatable read'), ['G-single-realtime'])
  const readsTheFuture = [transaction(7, 'a1.1 r2:2', after()), transaction(8, 'a2.2', after())]
  assert.deepEqual(kinds(readsTheFuture, 'read committed'), ['G1c-realtime'])
})

test('what only reads may be answered by a primary that was replaced', () => {
  const history = [
    transaction(1, 'a1.1', after()),
    transaction(2, 'r1:', after()),
    transaction(3, 'r1:1', after()),
  ]
  assert.deepEqual(kinds(history, 'serializable'), [])
})

test('internal: a transaction does not see its own append, or sees a list change', () => {
  assert.deepEqual(kinds([transaction(1, 'a1.1 r1:')], 'read committed'), ['internal'])
  const changed = [transaction(2, 'r1: r1:3'), transaction(3, 'a1.3')]
  assert.ok(kinds(changed, 'repeatable read').includes('internal'))
  assert.deepEqual(kinds(changed, 'read committed'), [])
})

test('reads that are no prefix of each other, repeated elements and elements of nobody', () => {
  const split = [
    transaction(1, 'a1.1'),
    transaction(2, 'a1.2'),
    transaction(3, 'r1:1'),
    transaction(4, 'r1:2'),
  ]
  assert.deepEqual(kinds(split, 'read committed'), ['incompatible-order'])
  assert.deepEqual(kinds([transaction(1, 'a1.1'), transaction(2, 'r1:1,1')], 'read committed'), [
    'duplicate-element',
  ])
  assert.deepEqual(kinds([transaction(2, 'r1:9')], 'read committed'), ['unwritten-element'])
})

test('a committed append that is not there at the end is lost; an unknown one may be either', () => {
  const history = [transaction(1, 'a1.1'), transaction(2, 'a1.2', { outcome: 'unknown' })]
  assert.deepEqual(kinds(history, 'read committed', new Map([[1, [1]]])), [])
  assert.deepEqual(kinds(history, 'read committed', new Map([[1, [1, 2]]])), [])
  assert.deepEqual(kinds(history, 'read committed', new Map([[1, [2]]])), ['lost-append'])
  const forgotten = [...history, transaction(3, 'r1:1')]
  assert.ok(kinds(forgotten, 'read committed', new Map([[1, []]])).includes('incompatible-order'))
})

test('an answer that was never seen says nothing', () => {
  assert.deepEqual(
    kinds([transaction(1, 'r1? a1.1', { outcome: 'unknown' }), transaction(2, 'r1:1')], 'serializable'),
    [],
  )
})

test('fifty thousand serial transactions are judged in seconds, and one bad one among them is found', () => {
  const random = seededRandom(1)
  const state = new Map<number, number[]>()
  const history: Transaction[] = []
  for (let id = 1; id <= 50_000; id += 1) {
    const list = Math.floor(id / 100)
    const elements = state.get(list) ?? []
    state.set(list, elements)
    const reads: Operation = { kind: 'read', list, elements: [...elements] }
    const appends: Operation = { kind: 'append', list, element: id }
    const writes = random.chance(0.5)
    if (writes) elements.push(id)
    history.push({ ...transaction(id, 'r1?', after()), operations: writes ? [reads, appends] : [reads] })
  }
  assert.deepEqual(kinds(history, 'serializable'), [])
  const victim = history.findLast(({ id, operations }) => id % 100 > 50 && operations.length === 2)!
  const [read, append] = victim.operations as readonly [Operation & { kind: 'read' }, Operation]
  const stale = { ...victim, operations: [{ ...read, elements: read.elements!.slice(0, -2) }, append] }
  const spoilt = history.map(each => (each === victim ? stale : each))
  assert.notDeepEqual(kinds(spoilt, 'repeatable read'), [])
})
