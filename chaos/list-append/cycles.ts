// Cycles of a graph: which vertices lie on one (Tarjan), and a short one to show.
import type { Edge, Graph } from './graph.ts'

/** Strongly connected components of more than one vertex. Iterative: histories are deeper than a stack. */
export function components(graph: Graph): readonly ReadonlySet<number>[] {
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const onStack = new Set<number>()
  const stack: number[] = []
  const found: ReadonlySet<number>[] = []
  const open = (vertex: number) => {
    index.set(vertex, index.size)
    low.set(vertex, index.get(vertex)!)
    stack.push(vertex)
    onStack.add(vertex)
    return { vertex, next: 0 }
  }
  const close = (vertex: number) => {
    if (low.get(vertex) !== index.get(vertex)) return
    const members = new Set<number>()
    for (;;) {
      const member = stack.pop()!
      onStack.delete(member)
      members.add(member)
      if (member === vertex) break
    }
    if (members.size > 1) found.push(members)
  }
  const lower = (vertex: number, value: number) => low.set(vertex, Math.min(low.get(vertex)!, value))
  for (const root of graph.keys()) {
    if (index.has(root)) continue
    const path = [open(root)]
    for (;;) {
      const frame = path.at(-1)
      if (!frame) break
      const edge = graph.get(frame.vertex)?.[frame.next]
      if (edge) {
        frame.next += 1
        if (!index.has(edge.to)) path.push(open(edge.to))
        else if (onStack.has(edge.to)) lower(frame.vertex, index.get(edge.to)!)
        continue
      }
      close(frame.vertex)
      path.pop()
      const above = path.at(-1)
      if (above) lower(above.vertex, low.get(frame.vertex)!)
    }
  }
  return found
}

/** A shortest way from one vertex to another that stays within `inside`; null when there is none. */
export function shortestPath(
  graph: Graph,
  from: number,
  to: number,
  inside: ReadonlySet<number>,
): readonly Edge[] | null {
  const reachedBy = new Map<number, Edge>()
  let border = [from]
  while (border.length > 0) {
    const next: number[] = []
    for (const vertex of border) {
      for (const edge of graph.get(vertex) ?? []) {
        if (!inside.has(edge.to) || reachedBy.has(edge.to)) continue
        reachedBy.set(edge.to, edge)
        if (edge.to === to) return backwards(reachedBy, from, to)
        next.push(edge.to)
      }
    }
    border = next
  }
  return null
}

function backwards(reachedBy: ReadonlyMap<number, Edge>, from: number, to: number): readonly Edge[] {
  const path: Edge[] = []
  let vertex = to
  do {
    const edge = reachedBy.get(vertex)!
    path.unshift(edge)
    vertex = edge.from
  } while (vertex !== from)
  return path
}
