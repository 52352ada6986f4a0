// Compares what was written with the schema: every value read, every finding at its line.
import { ZodDefault, ZodObject, ZodOptional, type ZodType } from 'zod'
import { DYNAMIC_KEYS } from '../core/dynamic-keys.ts'
import { nearest } from '../core/nearest.ts'
import type { Finding, FindingCode, Severity } from './finding.ts'
import { isSecretKey, shown } from './finding.ts'
import { type LeafMeta, leafValue, leaves } from './leaf.ts'
import { configSchema, OPEN_SECTIONS, type WrittenConfig } from './schema.ts'
import type { Entry, MappingNode, Node } from './tree.ts'
import { plain } from './tree.ts'

export interface CheckedConfig {
  /** What could be read; keys with an error are absent. */
  readonly written: WrittenConfig
  readonly findings: readonly Finding[]
}

/** Never throws. */
export function checkTree(root: MappingNode): CheckedConfig {
  const walk: Walk = { findings: [] }
  const input = walkSection(configSchema, root, [], walk)
  const result = configSchema.safeParse(input)
  if (result.success) return { written: result.data, findings: walk.findings }
  const wrong = result.error.issues.map(issue => issue.path.map(String))
  const findings = wrong.map(path => wrongValue(path, root))
  // Without the keys that could not be read the rest is readable, and worth checking further.
  const written = configSchema.parse(wrong.reduce(without, input))
  return { written, findings: [...walk.findings, ...findings] }
}

/** The leaf at a path of the schema, or null. */
export function leafAt(path: readonly string[]): LeafMeta | null {
  let schema: ZodType | undefined = configSchema
  for (const part of path) {
    const section: ZodType = unwrap(schema)
    if (!(section instanceof ZodObject) || !Object.hasOwn(section.shape, part)) return null
    schema = section.shape[part] as ZodType
  }
  return leaves.get(unwrap(schema)) ?? null
}

/** Calls `visit` for each leaf of the schema, in order. */
export function eachLeaf(visit: (path: readonly string[], leaf: LeafMeta) => void): void {
  const descend = (schema: ZodType, path: readonly string[]) => {
    const inner = unwrap(schema)
    const leaf = leaves.get(inner)
    if (leaf) visit(path, leaf)
    else if (inner instanceof ZodObject)
      for (const [key, child] of Object.entries(inner.shape)) descend(child as ZodType, [...path, key])
  }
  descend(configSchema, [])
}

interface Walk {
  readonly findings: Finding[]
}

type Input = Readonly<Record<string, unknown>>

/** Sections become objects for the schema; what is in a leaf stays a tree node. */
function walkSection(section: ZodObject, node: MappingNode, path: readonly string[], walk: Walk): Input {
  const input: Record<string, unknown> = {}
  for (const [key, entry] of node.entries) {
    const at = [...path, key]
    if (!Object.hasOwn(section.shape, key)) {
      if (!OPEN_SECTIONS.includes(path.join('.'))) walk.findings.push(unknownKey(at, entry, section))
      continue
    }
    const inner = unwrap(section.shape[key] as ZodType)
    const empty = entry.node.kind === 'scalar' && entry.node.value === null
    if (empty) continue
    if (!(inner instanceof ZodObject)) {
      input[key] = entry.node
      if (leaves.get(inner)?.use !== 'used') walk.findings.push(unusedKey(at, entry, leaves.get(inner)!))
    } else if (entry.node.kind === 'mapping') input[key] = walkSection(inner, entry.node, at, walk)
    else {
      const expected = `a section with keys such as ${Object.keys(inner.shape).slice(0, 3).join(', ')}`
      walk.findings.push(
        finding('error', 'wrong-type', at, entry, { expected, hint: 'Indent its keys below it.' }),
      )
    }
  }
  return input
}

interface Words {
  readonly found?: string
  readonly expected: string
  readonly hint: string
}

function finding(
  severity: Severity,
  code: FindingCode,
  path: readonly string[],
  entry: Entry,
  words: Words,
): Finding {
  const key = path.join('.')
  return { severity, code, key, ...entry.at, found: shown(key, plain(entry.node)), ...words }
}

function unknownKey(path: readonly string[], entry: Entry, section: ZodObject): Finding {
  const found = 'an unknown key'
  const name = path.at(-1)!
  const elsewhere = (path.length === 1 ? OTHER_PLACES.get(name) : undefined) ?? onlyPlaceOf(name)
  const guess = nearest(name, Object.keys(section.shape))
  if (elsewhere !== undefined)
    return finding('warning', 'unknown-key', path, entry, {
      found,
      expected: elsewhere,
      hint: 'Move it there.',
    })
  const expected = guess ?? `a key of ${path.length === 1 ? 'the file' : path.slice(0, -1).join('.')}`
  const hint = guess === null ? 'Remove it.' : 'Rename or remove it.'
  return finding('warning', 'unknown-key', path, entry, { found, expected, hint })
}

/** Dynamic keys are often written at the top of the file. */
const OTHER_PLACES: ReadonlyMap<string, string> = new Map(
  Object.keys(DYNAMIC_KEYS).map(key => [key, `bootstrap.dcs.${key}, or the dynamic configuration`]),
)

/** Where the only key of this name belongs; a name that several sections have says nothing. */
function onlyPlaceOf(name: string): string | undefined {
  const places: string[] = []
  eachLeaf(path => {
    if (path.at(-1) === name) places.push(path.join('.'))
  })
  return places.length === 1 ? places[0] : undefined
}

function unusedKey(path: readonly string[], entry: Entry, leaf: LeafMeta): Finding {
  if (leaf.use === 'ignored')
    return finding('note', 'ignored', path, entry, { expected: 'nothing', hint: `Ignored: ${leaf.about}.` })
  return finding('note', 'not-used-yet', path, entry, {
    expected: 'nothing yet',
    hint: 'It is not used yet.',
  })
}

/** The value at `path` is not of its kind; for a list, the first item that is not. */
function wrongValue(path: readonly string[], root: MappingNode): Finding {
  const leaf = leafAt(path)
  const entry = entryAt(root, path)
  if (leaf === null || entry === null)
    throw new Error(`invariant broken: no leaf or value at ${path.join('.')}`)
  const key = path.join('.')
  const culprit = culpritIn(entry.node, leaf)
  const code =
    culprit.kind === 'scalar' && (leaf.kind.shape === undefined || culprit !== entry.node)
      ? 'bad-value'
      : 'wrong-type'
  const place = culprit === entry.node ? entry.at : culprit.at
  const value = culprit.kind === 'scalar' && leaf.kind.text ? culprit.source : plain(culprit)
  const hint = isSecretKey(key) ? 'Quote it if it contains special characters.' : ''
  return {
    severity: 'error',
    code,
    key,
    ...place,
    found: shown(key, value),
    expected: leaf.kind.expected,
    hint,
  }
}

function culpritIn(node: Node, leaf: LeafMeta): Node {
  if (node.kind !== 'list' || leaf.kind.shape !== 'list') return node
  const alone = (item: Node): Node => ({ kind: 'list', items: [item], at: item.at })
  return node.items.find(item => leaf.kind.read(leafValue(leaf.kind, alone(item))) === undefined) ?? node
}

function entryAt(root: MappingNode, path: readonly string[]): Entry | null {
  let entry: Entry = { node: root, at: root.at }
  for (const part of path) {
    const next: Entry | undefined = entry.node.kind === 'mapping' ? entry.node.entries.get(part) : undefined
    if (next === undefined) return null
    entry = next
  }
  return entry
}

function without(input: Input, path: readonly string[]): Input {
  const [first, ...rest] = path
  if (first === undefined) return input
  const { [first]: child, ...others } = input
  return rest.length === 0 ? others : { ...others, [first]: without(child as Input, rest) }
}

function unwrap(schema: ZodType): ZodType {
  return schema instanceof ZodOptional || schema instanceof ZodDefault
    ? unwrap(schema.unwrap() as ZodType)
    : schema
}
