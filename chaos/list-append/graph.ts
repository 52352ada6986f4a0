// Which transaction came before which: edges by what was written, read and overwritten, and by the clock.
import { elementKey, readsOf, type Transaction } from './history.ts'
import type { Orders } from './order.ts'

/** `ww` wrote before, `wr` was read by, `rw` did not see the write of, `rt` had ended when the other began. */
export type EdgeKind = 'ww' | 'wr' | 'rw' | 'rt'

export interface Edge {
  readonly from: number
  readonly to: number
  readonly kind: EdgeKind
}

export type Graph = ReadonlyMap<number, readonly Edge[]>

/** Linear in the length of the history: elements, reads, and for each begin the transactions that had just ended. */
export function dependencies(history: readonly Transaction[], orders: Orders): readonly Edge[] {
  return [...writeOrder(orders), ...readOrder(history, orders), ...clockOrder(history)]
}

/** The edges of some kinds, by where they begin. */
export function graphOf(edges: readonly Edge[], kinds: readonly EdgeKind[]): Graph {
  const graph = new Map<number, Edge[]>()
  for (const edge of edges) {
    if (!kinds.includes(edge.kind) || edge.from === edge.to) continue
    const outgoing = graph.get(edge.from)
    if (outgoing) outgoing.push(edge)
    else graph.set(edge.from, [edge])
  }
  return graph
}

function writeOrder({ lists, writerOf }: Orders): readonly Edge[] {
  const edges: Edge[] = []
  for (const [list, elements] of lists) {
    for (let index = 1; index < elements.length; index += 1) {
      const before = writerOf.get(elementKey(list, elements[index - 1]!))
      const after = writerOf.get(elementKey(list, elements[index]!))
      if (before && after && before !== after) edges.push({ from: before.id, to: after.id, kind: 'ww' })
    }
  }
  return edges
}

function readOrder(history: readonly Transaction[], { lists, writerOf }: Orders): readonly Edge[] {
  const unseen = unseenWriters(history, lists)
  const edges: Edge[] = []
  for (const transaction of history) {
    if (transaction.outcome !== 'committed') continue
    for (const { list, elements } of readsOf(transaction)) {
      const last = elements.at(-1)
      const writer = last === undefined ? undefined : writerOf.get(elementKey(list, last))
      if (writer && writer !== transaction) edges.push({ from: writer.id, to: transaction.id, kind: 'wr' })
      const order = lists.get(list)!
      const next = order[elements.length]
      const overwriters =
        next === undefined
          ? (unseen.get(list) ?? [])
          : [writerOf.get(elementKey(list, next))].filter(each => each !== undefined)
      for (const overwriter of overwriters) {
        if (overwriter !== transaction) edges.push({ from: transaction.id, to: overwriter.id, kind: 'rw' })
      }
    }
  }
  return edges
}

/** Committed appends that no read shows: they come after whatever was read, in an order that nobody knows. */
function unseenWriters(
  history: readonly Transaction[],
  lists: ReadonlyMap<number, readonly number[]>,
): ReadonlyMap<number, readonly Transaction[]> {
  const shown = new Set(
    [...lists].flatMap(([list, elements]) => elements.map(each => elementKey(list, each))),
  )
  const found = new Map<number, Transaction[]>()
  for (const transaction of history) {
    if (transaction.outcome !== 'committed') continue
    for (const operation of transaction.operations) {
      if (operation.kind !== 'append' || shown.has(elementKey(operation.list, operation.element))) continue
      const known = found.get(operation.list) ?? []
      if (known.at(-1) !== transaction) known.push(transaction)
      found.set(operation.list, known)
    }
  }
  return found
}

/**
 * Whoever had ended before another began came before it. Only the latest that ended are linked: the others follow. What
 * only reads is not bound to the clock: a primary that was replaced may answer with what it has.
 */
function clockOrder(history: readonly Transaction[]): readonly Edge[] {
  const writing = history.filter(
    ({ outcome, operations }) => outcome !== 'aborted' && operations.some(({ kind }) => kind === 'append'),
  )
  const moments = writing
    .flatMap(transaction => [
      { atNs: transaction.startedNs, begins: true, transaction },
      // Without an answer nobody could have waited for it.
      ...(transaction.outcome === 'committed'
        ? [{ atNs: transaction.endedNs, begins: false, transaction }]
        : []),
    ])
    .sort((a, b) => a.atNs - b.atNs || Number(b.begins) - Number(a.begins))
  let latest: Transaction[] = []
  const edges: Edge[] = []
  for (const { begins, transaction } of moments) {
    if (begins) {
      for (const before of latest) edges.push({ from: before.id, to: transaction.id, kind: 'rt' })
    } else {
      latest = latest.filter(before => before.endedNs >= transaction.startedNs)
      latest.push(transaction)
    }
  }
  return edges
}
