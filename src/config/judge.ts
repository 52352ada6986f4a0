// Collects findings about keys that are missing or don't go together, each at its place.
import type { Finding, FindingCode, Severity } from './finding.ts'
import { type MappingNode, placeOf } from './tree.ts'

export interface Judge {
  readonly findings: readonly Finding[]
  report(severity: Severity, code: FindingCode, path: readonly string[], words: Words): void
  /** The value, or null after a finding. */
  required<T>(value: T | null | undefined, path: readonly string[], expected: string, hint: string): T | null
  /** Whether a section is there. */
  section<T>(section: T | undefined, path: readonly string[], keys: string): section is T
  missingStore(): void
  failed(): boolean
}

export interface Words {
  readonly found: string
  readonly expected: string
  readonly hint: string
}

export function judgeOf(root: MappingNode, broken: readonly string[]): Judge {
  const findings: Finding[] = []
  // A key that is there and could not be read has its own finding; so has all that is below a broken section.
  const knownAsBroken = (path: readonly string[]) =>
    broken.some(key => path.join('.') === key || path.join('.').startsWith(`${key}.`))
  const judge: Judge = {
    findings,
    report: (severity, code, path, words) => {
      if (knownAsBroken(path)) return
      findings.push({ severity, code, key: path.join('.'), ...placeOf(root, path), ...words })
    },
    required: (value, path, expected, hint) => {
      if (value !== null && value !== undefined) return value
      judge.report('error', 'missing', path, { found: 'nothing', expected, hint })
      return null
    },
    section: (section, path, keys): section is NonNullable<typeof section> => {
      if (section !== undefined) return true
      const hint = `Add the section ${path.join('.')}: with ${keys}.`
      judge.required(null, path, 'this section', hint)
      return false
    },
    missingStore: () => {
      const other = OTHER_STORES.find(name => root.entries.has(name))
      if (other === undefined) judge.section(undefined, ['etcd3'], 'hosts: HOST:2379')
      else {
        const words = {
          found: `${other} as the store`,
          expected: 'etcd3',
          hint: 'Other stores are not supported yet.',
        }
        judge.report('error', 'missing', [other], words)
      }
    },
    failed: () => findings.some(finding => finding.severity === 'error'),
  }
  return judge
}

const OTHER_STORES = ['consul', 'zookeeper', 'exhibitor', 'kubernetes', 'raft']
