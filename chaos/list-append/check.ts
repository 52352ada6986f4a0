// Judges a history of list transactions: what is in it that its isolation level promises never to be.
import { components, shortestPath } from './cycles.ts'
import { dependencies, type Edge, type EdgeKind, graphOf } from './graph.ts'
import type { Anomaly, AnomalyKind, FinalLists, IsolationLevel, Transaction } from './history.ts'
import { orderElements } from './order.ts'

export interface CheckOptions {
  readonly level: IsolationLevel
  /** What is there at the end; then every committed append must be among it. */
  readonly final?: FinalLists | null
}

/** One way to go in a circle, from the worst on: what may be in it, and which edge must be. */
interface CycleKind {
  readonly kind: AnomalyKind
  readonly edges: readonly EdgeKind[]
  /** The cycle goes through an edge of this kind once, and through none of it elsewhere unless `edges` has it too. */
  readonly through: EdgeKind
  readonly promisedFrom: IsolationLevel
}

const STRENGTH: Readonly<Record<IsolationLevel, number>> = {
  'read committed': 1,
  'repeatable read': 2,
  serializable: 3,
}

const CYCLES: readonly CycleKind[] = [
  { kind: 'G0', through: 'ww', edges: ['ww'], promisedFrom: 'read committed' },
  { kind: 'G1c', through: 'wr', edges: ['ww', 'wr'], promisedFrom: 'read committed' },
  { kind: 'G-single', through: 'rw', edges: ['ww', 'wr'], promisedFrom: 'repeatable read' },
  { kind: 'G2', through: 'rw', edges: ['ww', 'wr', 'rw'], promisedFrom: 'serializable' },
  { kind: 'G0-realtime', through: 'ww', edges: ['ww', 'rt'], promisedFrom: 'read committed' },
  { kind: 'G1c-realtime', through: 'wr', edges: ['ww', 'wr', 'rt'], promisedFrom: 'read committed' },
  { kind: 'G-single-realtime', through: 'rw', edges: ['ww', 'wr', 'rt'], promisedFrom: 'repeatable read' },
]

/** Everything that the level forbids; of each kind of cycle one example for each knot of transactions. */
export function checkLists(history: readonly Transaction[], options: CheckOptions): readonly Anomaly[] {
  const { level, final = null } = options
  const orders = orderElements(history, level, final)
  // Without one order for each list there is nothing that edges could follow.
  if (orders.anomalies.some(({ kind }) => kind === 'incompatible-order' || kind === 'duplicate-element'))
    return orders.anomalies
  const edges = dependencies(history, orders)
  const explained = new Set<number>()
  const cycles = CYCLES.filter(({ promisedFrom }) => STRENGTH[level] >= STRENGTH[promisedFrom]).flatMap(
    kind => cyclesOf(kind, edges, explained),
  )
  return [...orders.anomalies, ...cycles]
}

/** A knot that a worse kind explains already is not reported again as a milder one. */
function cyclesOf(kind: CycleKind, edges: readonly Edge[], explained: Set<number>): readonly Anomaly[] {
  const whole = graphOf(edges, [...new Set([...kind.edges, kind.through])])
  const rest = graphOf(edges, kind.edges)
  return components(whole).flatMap(knot => {
    if ([...knot].some(vertex => explained.has(vertex))) return []
    for (const vertex of knot) {
      for (const edge of whole.get(vertex) ?? []) {
        if (edge.kind !== kind.through || !knot.has(edge.to)) continue
        const back = shortestPath(rest, edge.to, vertex, knot)
        if (back === null) continue
        const cycle = [edge, ...back]
        for (const { from } of cycle) explained.add(from)
        return [
          { kind: kind.kind, transactions: cycle.map(({ from }) => from), explanation: describeCycle(cycle) },
        ]
      }
    }
    return []
  })
}

function describeCycle(cycle: readonly Edge[]): string {
  return `${cycle.map(({ from, kind }) => `${from} -${kind}->`).join(' ')} ${cycle[0]!.from}`
}
