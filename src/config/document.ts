// Reads YAML text into a tree with places. The dialect is 1.1, as Patroni's reader has it: `on` and `yes` are true.
import {
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import type { Finding, Place } from './finding.ts'
import type { Entry, ListNode, MappingNode, Node, ScalarNode } from './tree.ts'

export interface ReadDocument {
  /** null: it could not be read, and a finding says why. */
  readonly root: Node | null
  readonly findings: readonly Finding[]
}

const TEXT_LENGTH_MAX = 1_048_576
const DEPTH_MAX = 64
/** Aliases can multiply a small file into a large tree. */
const NODES_MAX = 50_000

/** Never throws. */
export function readDocument(text: string, file: string): ReadDocument {
  const top: Place = { file, line: 1, column: 1 }
  if (text.length > TEXT_LENGTH_MAX) {
    const found = `${text.length} characters`
    return { root: null, findings: [syntax(top, found, `at most ${TEXT_LENGTH_MAX}`, 'Split the file.')] }
  }
  const lines = new LineCounter()
  try {
    const options = { version: '1.1', lineCounter: lines, prettyErrors: false, logLevel: 'error' } as const
    const document = parseDocument(text, options)
    const place = (offset: number | undefined): Place => {
      const { line, col } = lines.linePos(offset ?? 0)
      return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
    }
    const errors = document.errors.map(error => describeError(error.code, place(error.pos[0])))
    if (errors.length > 0) return { root: null, findings: errors }
    return convertDocument(document, place)
  } catch (error) {
    // The parser recurses: a text of nothing but brackets exhausts its stack.
    const found = error instanceof RangeError ? 'too many levels' : 'something that is not YAML'
    return { root: null, findings: [syntax(top, found, 'valid YAML', 'Check the file with a YAML checker.')] }
  }
}

interface Conversion {
  readonly document: Document
  readonly place: (offset: number | undefined) => Place
  readonly findings: Finding[]
  nodesLeft: number
}

function convertDocument(document: Document, place: Conversion['place']): ReadDocument {
  const conversion: Conversion = { document, place, findings: [], nodesLeft: NODES_MAX }
  const root = convert(document.contents, place(0), 0, conversion)
  return conversion.findings.some(finding => finding.severity === 'error')
    ? { root: null, findings: conversion.findings }
    : { root, findings: conversion.findings }
}

function convert(yaml: unknown, fallback: Place, depth: number, conversion: Conversion): Node {
  conversion.nodesLeft -= 1
  if (conversion.nodesLeft < 0 || depth > DEPTH_MAX) {
    const found = depth > DEPTH_MAX ? `more than ${DEPTH_MAX} levels` : `more than ${NODES_MAX} values`
    if (!conversion.findings.some(finding => finding.found === found))
      conversion.findings.push(syntax(fallback, found, 'a smaller configuration', ''))
    return nothing(fallback)
  }
  if (isAlias(yaml)) {
    const target = yaml.resolve(conversion.document)
    return target === undefined ? nothing(fallback) : convert(target, fallback, depth + 1, conversion)
  }
  if (isScalar(yaml)) return convertScalar(yaml, conversion.place(yaml.range?.[0]))
  if (isSeq(yaml)) {
    const at = conversion.place(yaml.range?.[0])
    const items = yaml.items.map(item => convert(item, at, depth + 1, conversion))
    return { kind: 'list', items, at } satisfies ListNode
  }
  if (isMap(yaml)) return convertMapping(yaml, depth, conversion)
  return nothing(fallback)
}

function convertScalar(yaml: Scalar, at: Place): ScalarNode {
  const { value } = yaml
  const source = yaml.type === 'PLAIN' ? (yaml.source ?? '') : String(value ?? '')
  // YAML 1.1 has dates, binary, `y` for true and numbers without end; a configuration means the characters.
  const kept =
    value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
  const meantAsText = !kept || /^[yn]$/i.test(source)
  return { kind: 'scalar', value: meantAsText ? source : (value as ScalarNode['value']), source, at }
}

function convertMapping(yaml: YAMLMap, depth: number, conversion: Conversion): MappingNode {
  const at = conversion.place(yaml.range?.[0])
  const entries = new Map<string, Entry>()
  const merged: Node[] = []
  for (const pair of yaml.items as Pair[]) {
    const keyAt = isScalar(pair.key) ? conversion.place(pair.key.range?.[0]) : at
    const key = keyText(pair.key)
    const node = convert(pair.value, keyAt, depth + 1, conversion)
    if (key === '<<') merged.push(...(node.kind === 'list' ? node.items : [node]))
    else if (key === null || key === '__proto__')
      conversion.findings.push(syntax(keyAt, key ?? 'a key that is not a word', 'a name as the key', ''))
    else entries.set(key, { node, at: keyAt })
  }
  for (const node of merged) {
    if (node.kind !== 'mapping') continue
    for (const [key, entry] of node.entries) if (!entries.has(key)) entries.set(key, entry)
  }
  return { kind: 'mapping', entries, at }
}

/** `on:` is the key "on", whatever YAML 1.1 makes of the word. */
function keyText(key: unknown): string | null {
  if (!isScalar(key)) return null
  return key.type === 'PLAIN' ? (key.source ?? '') : String(key.value)
}

function nothing(at: Place): ScalarNode {
  return { kind: 'scalar', value: null, source: '', at }
}

/** Sentences of our own: those of the parser repeat what stands in the file, which may be a password. */
const SYNTAX: Partial<Record<ErrorCode, readonly [found: string, expected: string, hint: string]>> = {
  DUPLICATE_KEY: ['a key that is already there', 'each key once', 'Remove one of the two.'],
  TAB_AS_INDENT: ['a tab', 'spaces as indentation', 'Replace the tab by spaces.'],
  BAD_INDENT: [
    'a line that is not aligned',
    'the same indentation for keys of one section',
    'Align the line.',
  ],
  BAD_ALIAS: [
    'an alias without its anchor',
    '*name only after &name',
    'Quote the value if it begins with *.',
  ],
  BAD_SCALAR_START: ['a value that begins with @ or `', 'quotes around it', 'Quote the value.'],
  BAD_DQ_ESCAPE: ['an unknown escape after \\', 'a known one, or single quotes', 'Use single quotes.'],
  MISSING_CHAR: [
    'something unfinished',
    'a closing quote, bracket, or ": "',
    'Look for one that is missing here or above.',
  ],
  BLOCK_AS_IMPLICIT_KEY: [
    'two keys on one line',
    'one key on a line',
    'Quote the value if it contains ": ".',
  ],
  MULTILINE_IMPLICIT_KEY: [
    'a key over several lines',
    'KEY: VALUE on a line',
    'Write the ":" after the key.',
  ],
  MULTIPLE_DOCS: ['a second document (---)', 'one document', 'Remove the --- or the rest.'],
  UNEXPECTED_TOKEN: ['something out of place', 'KEY: VALUE', 'Check quotes, brackets and indentation.'],
  RESOURCE_EXHAUSTION: ['too many levels', 'a smaller configuration', ''],
}

function describeError(code: ErrorCode, at: Place): Finding {
  const [found, expected, hint] = SYNTAX[code] ?? [
    `something that YAML does not allow (${code.toLowerCase().replaceAll('_', ' ')})`,
    'valid YAML',
    'Check quotes, brackets and indentation.',
  ]
  return syntax(at, found, expected, hint)
}

function syntax(at: Place, found: string, expected: string, hint: string): Finding {
  return { severity: 'error', code: 'syntax', key: '', ...at, found, expected, hint }
}
