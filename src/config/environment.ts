// PATRONI_* variables as a tree: the same keys as in the file, and above it.
import { nearest } from '../core/nearest.ts'
import { eachLeaf } from './check.ts'
import { readDocument } from './document.ts'
import type { Finding, Place } from './finding.ts'
import type { LeafMeta } from './leaf.ts'
import { type Entry, emptyMapping, type MappingNode, type Node } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Holds a whole file; read only where no file is given. */
export const WHOLE_CONFIGURATION = 'PATRONI_CONFIGURATION'

/** Never throws. Empty variables count as absent, as in Patroni. */
export function readEnvironment(environment: Environment): {
  readonly root: MappingNode
  readonly findings: readonly Finding[]
} {
  const known = knownVariables()
  const findings: Finding[] = []
  let root = emptyMapping(placeIn('environment'))
  for (const variable of Object.keys(environment).sort()) {
    const value = environment[variable]
    if (!variable.startsWith('PATRONI_') || variable === WHOLE_CONFIGURATION || !value) continue
    const name = OLD_NAMES[variable] ?? variable
    if (name !== variable && environment[name]) continue
    const target = known.get(name) ?? otherPart(name)
    if (target === null) findings.push(unknownVariable(variable, [...known.keys()]))
    else
      root = insert(root, target.path, {
        node: readVariable(variable, value, target.leaf),
        at: placeIn(variable),
      })
  }
  return { root, findings }
}

interface Target {
  readonly path: readonly string[]
  readonly leaf: LeafMeta | null
}

/** By name of the variable. */
export function knownVariables(): ReadonlyMap<string, Target> {
  const known = new Map<string, Target>()
  eachLeaf((path, leaf) => {
    const name = variableFor(path)
    if (name !== null) known.set(name, { path, leaf })
  })
  return known
}

const OLD_NAMES: Readonly<Record<string, string>> = {
  PATRONI_LOGLEVEL: 'PATRONI_LOG_LEVEL',
  PATRONI_LOGFORMAT: 'PATRONI_LOG_FORMAT',
  PATRONI_LOG_DATEFMT: 'PATRONI_LOG_DATEFORMAT',
}

/** Patroni gives no variable to `bootstrap`, `tags`, `watchdog`; passwords and programs have short names. */
function variableFor(path: readonly string[]): string | null {
  const [section, part] = path
  if (section === 'bootstrap' || section === 'tags' || section === 'watchdog') return null
  const short =
    part === 'authentication'
      ? section === 'postgresql'
        ? path.slice(2)
        : [section!, ...path.slice(2)]
      : path
  const words = part === 'bin_name' ? ['postgresql', 'bin', ...path.slice(2)] : short
  return `PATRONI_${words.join('_').toUpperCase()}`
}

/** Sections that are accepted whole. */
function otherPart(variable: string): Target | null {
  const match = /^PATRONI_(CONSUL|ZOOKEEPER|EXHIBITOR|KUBERNETES|RAFT|CITUS)_([A-Z0-9_]+)$/.exec(variable)
  return match ? { path: [match[1]!.toLowerCase(), match[2]!.toLowerCase()], leaf: null } : null
}

/** Lists and mappings are YAML, with or without the outer brackets. Any other value is what one YAML word means. */
function readVariable(variable: string, value: string, leaf: LeafMeta | null): Node {
  const at = placeIn(variable)
  const shape = leaf?.kind.shape
  const trimmed = value.trim()
  const bracketed = shape === 'list' ? `[${value}]` : `{${value}}`
  const open = shape === undefined || /^(-\s|[[{])/.test(trimmed)
  const read = [open ? value : bracketed, bracketed].map(text =>
    placed(readDocument(text, variable).root, at),
  )
  if (shape !== undefined) return read.find(node => node?.kind === shape) ?? verbatim(value, at)
  const word = read[0]
  return word?.kind === 'scalar' && word.value !== null ? { ...word, source: value } : verbatim(value, at)
}

function verbatim(value: string, at: Place): Node {
  return { kind: 'scalar', value, source: value, at }
}

/** A variable has no lines. */
function placed(node: Node | null, at: Place): Node | null {
  if (node === null || node.kind === 'scalar') return node && { ...node, at }
  if (node.kind === 'list') return { ...node, at, items: node.items.map(item => placed(item, at)!) }
  const entries = [...node.entries].map(
    ([key, entry]) => [key, { at, node: placed(entry.node, at)! }] as const,
  )
  return { kind: 'mapping', entries: new Map(entries), at }
}

function insert(root: MappingNode, path: readonly string[], entry: Entry): MappingNode {
  const [first, ...rest] = path
  const entries = new Map(root.entries)
  const child = entries.get(first!)?.node
  const below = child?.kind === 'mapping' ? child : emptyMapping(entry.at)
  entries.set(first!, rest.length === 0 ? entry : { node: insert(below, rest, entry), at: entry.at })
  return { ...root, entries }
}

function unknownVariable(variable: string, known: readonly string[]): Finding {
  const guess = nearest(variable, known)
  return {
    severity: 'warning',
    code: 'unknown-key',
    key: '',
    ...placeIn(variable),
    found: 'an unknown variable',
    expected: guess ?? 'a variable that Patroni has',
    hint: guess === null ? 'Remove it.' : 'Rename or remove it.',
  }
}

function placeIn(variable: string): Place {
  return { file: variable, line: null, column: null }
}
