// A configuration as it was written: each value with its characters and its place.
import type { Place } from './finding.ts'

export type Node = ScalarNode | ListNode | MappingNode

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** The characters between the quotes, or of the plain word. */
  readonly source: string
  readonly at: Place
}

export interface ListNode {
  readonly kind: 'list'
  readonly items: readonly Node[]
  readonly at: Place
}

export interface MappingNode {
  readonly kind: 'mapping'
  readonly entries: ReadonlyMap<string, Entry>
  readonly at: Place
}

export interface Entry {
  readonly node: Node
  /** Place of the key. */
  readonly at: Place
}

export function emptyMapping(at: Place): MappingNode {
  return { kind: 'mapping', entries: new Map(), at }
}

/** As JSON has it. */
export function plain(node: Node): unknown {
  return convert(node, scalar => scalar.value)
}

/** The same, with scalars as they were written: `0042` stays `0042`, `on` stays `on`. */
export function plainText(node: Node): unknown {
  return convert(node, scalar => (scalar.value === null ? null : scalar.source))
}

/** Sections are merged key by key; anything else in `upper` replaces what `lower` has. */
export function mergeTrees(lower: MappingNode, upper: MappingNode): MappingNode {
  const entries = new Map(lower.entries)
  for (const [key, entry] of upper.entries) {
    const below = entries.get(key)
    const both = below?.node.kind === 'mapping' && entry.node.kind === 'mapping'
    entries.set(
      key,
      both ? { ...entry, node: mergeTrees(below.node as MappingNode, entry.node as MappingNode) } : entry,
    )
  }
  return { kind: 'mapping', entries, at: lower.entries.size > 0 ? lower.at : upper.at }
}

/** The nearest place for a path: of the key itself, or of the last part that is there. */
export function placeOf(root: Node, keyPath: readonly (string | number)[]): Place {
  let node = root
  let at = root.at
  for (const part of keyPath) {
    const entry = node.kind === 'mapping' ? node.entries.get(String(part)) : undefined
    const item = node.kind === 'list' ? node.items[Number(part)] : undefined
    if (entry === undefined && item === undefined) return at
    node = entry?.node ?? item!
    at = entry?.at ?? node.at
  }
  return at
}

function convert(node: Node, scalar: (node: ScalarNode) => unknown): unknown {
  if (node.kind === 'scalar') return scalar(node)
  if (node.kind === 'list') return node.items.map(item => convert(item, scalar))
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, convert(entry.node, scalar)]))
}
