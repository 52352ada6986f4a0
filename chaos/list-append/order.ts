// The order of each list's elements, and everything that is wrong without looking at cycles.
import {
  type Anomaly,
  elementKey,
  type FinalLists,
  type IsolationLevel,
  readsOf,
  type Transaction,
} from './history.ts'

export interface Orders {
  /** The longest read of each list. */
  readonly lists: ReadonlyMap<number, readonly number[]>
  readonly writerOf: ReadonlyMap<string, Transaction>
  readonly anomalies: readonly Anomaly[]
}

export function orderElements(
  history: readonly Transaction[],
  level: IsolationLevel,
  final: FinalLists | null,
): Orders {
  const writerOf = writers(history)
  const lists = new Map<number, readonly number[]>(final ?? [])
  const committed = history.filter(({ outcome }) => outcome === 'committed')
  for (const transaction of committed) {
    for (const { list, elements } of readsOf(transaction)) {
      // Once every element is looked at by itself, a list with a repetition would order nothing.
      if (elements.length > (lists.get(list)?.length ?? -1)) lists.set(list, elements)
    }
  }
  const anomalies = [
    ...committed.flatMap(transaction => wrongReads(transaction, lists, writerOf)),
    ...committed.flatMap(transaction => wrongWithin(transaction, level)),
    ...[...lists].flatMap(([list, elements]) => wrongElements(list, elements, writerOf)),
    ...(final ? [...wrongFinal(final, lists), ...lostAppends(committed, final)] : []),
  ]
  return { lists, writerOf, anomalies }
}

function writers(history: readonly Transaction[]): ReadonlyMap<string, Transaction> {
  const found = new Map<string, Transaction>()
  for (const transaction of history) {
    for (const operation of transaction.operations) {
      if (operation.kind !== 'append') continue
      const key = elementKey(operation.list, operation.element)
      if (found.has(key)) throw new Error(`the workload appended ${key} twice`)
      found.set(key, transaction)
    }
  }
  return found
}

/** Reads against the order of their list, and of what others had not finished. */
function wrongReads(
  transaction: Transaction,
  lists: ReadonlyMap<number, readonly number[]>,
  writerOf: ReadonlyMap<string, Transaction>,
): readonly Anomaly[] {
  return readsOf(transaction).flatMap(({ list, elements }) => {
    const found: Anomaly[] = []
    const order = lists.get(list)!
    const different = elements.findIndex((element, index) => element !== order[index])
    if (different >= 0) {
      found.push({
        kind: 'incompatible-order',
        transactions: [transaction.id],
        explanation: `list ${list} was read as ${tail(elements)} and as ${tail(order)}: they differ at place ${different}`,
      })
    }
    const last = elements.at(-1)
    const writer = last === undefined ? undefined : writerOf.get(elementKey(list, last))
    if (writer && writer !== transaction && lastAppend(writer, list) !== last) {
      found.push({
        kind: 'G1b',
        transactions: [writer.id, transaction.id],
        explanation: `transaction ${transaction.id} read list ${list} up to ${last}, in the middle of transaction ${writer.id}`,
      })
    }
    return found
  })
}

/** Elements that nobody wrote, that were taken back, or that stand there twice. Each list once, not each read. */
function wrongElements(
  list: number,
  elements: readonly number[],
  writerOf: ReadonlyMap<string, Transaction>,
): readonly Anomaly[] {
  const seen = new Set<number>()
  return elements.flatMap((element): readonly Anomaly[] => {
    const writer = writerOf.get(elementKey(list, element))
    const twice = seen.has(element)
    seen.add(element)
    const about = `element ${element} of list ${list}`
    if (twice)
      return [{ kind: 'duplicate-element', transactions: [], explanation: `${about} stands there twice` }]
    if (!writer)
      return [{ kind: 'unwritten-element', transactions: [], explanation: `${about} was written by nobody` }]
    if (writer.outcome !== 'aborted') return []
    return [
      {
        kind: 'G1a',
        transactions: [writer.id],
        explanation: `${about} was read, and its transaction ${writer.id} was aborted`,
      },
    ]
  })
}

/** A transaction must see its own appends, and above read committed nothing else may change under it. */
function wrongWithin(transaction: Transaction, level: IsolationLevel): readonly Anomaly[] {
  const expected = new Map<number, { before: readonly number[] | null; own: readonly number[] }>()
  const found: Anomaly[] = []
  for (const operation of transaction.operations) {
    const { before, own } = expected.get(operation.list) ?? { before: null, own: [] }
    if (operation.kind === 'append') {
      expected.set(operation.list, { before, own: [...own, operation.element] })
      continue
    }
    if (operation.elements === null) continue
    const { elements } = operation
    const ownSeen = own.every((element, index) => elements[elements.length - own.length + index] === element)
    const others = elements.slice(0, elements.length - own.length)
    const steady = before === null || level === 'read committed' || same(before, others)
    if (!ownSeen || !steady) {
      found.push({
        kind: 'internal',
        transactions: [transaction.id],
        explanation: `transaction ${transaction.id} read list ${operation.list} as ${tail(elements)} after ${
          before === null ? 'appending' : `reading ${tail(before)} and appending`
        } ${own.join(', ') || 'nothing'}`,
      })
    }
    // Above read committed others' elements can't come between one's own, so what was read first stays the base.
    expected.set(operation.list, level === 'read committed' ? { before, own } : { before: others, own })
  }
  return found
}

function wrongFinal(final: FinalLists, lists: ReadonlyMap<number, readonly number[]>): readonly Anomaly[] {
  return [...final].flatMap(([list, elements]) => {
    const order = lists.get(list)!
    const consistent = elements.length === order.length && same(elements, order)
    if (consistent) return []
    return [
      {
        kind: 'incompatible-order' as const,
        transactions: [],
        explanation: `list ${list} ends as ${tail(elements)}, and was once read as ${tail(order)}`,
      },
    ]
  })
}

function lostAppends(committed: readonly Transaction[], final: FinalLists): readonly Anomaly[] {
  const present = new Set(
    [...final].flatMap(([list, elements]) => elements.map(each => elementKey(list, each))),
  )
  return committed.flatMap(transaction =>
    transaction.operations.flatMap((operation): readonly Anomaly[] => {
      if (operation.kind !== 'append') return []
      if (present.has(elementKey(operation.list, operation.element))) return []
      return [
        {
          kind: 'lost-append',
          transactions: [transaction.id],
          explanation: `element ${operation.element} of list ${operation.list} was committed by transaction ${transaction.id} and is not there`,
        },
      ]
    }),
  )
}

function lastAppend(transaction: Transaction, list: number): number | undefined {
  const last = transaction.operations.findLast(each => each.kind === 'append' && each.list === list)
  return last?.kind === 'append' ? last.element : undefined
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((element, index) => element === other[index])
}

function tail(elements: readonly number[]): string {
  const SHOWN = 6
  return elements.length <= SHOWN ? `[${elements.join(' ')}]` : `[... ${elements.slice(-SHOWN).join(' ')}]`
}
