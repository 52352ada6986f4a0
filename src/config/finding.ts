// What was found in a configuration: data first, one line of text second, and never a secret in either.

/** `error`: the agent cannot run with it. `warning`: it runs, and something is not as written. `note`: for information. */
export type Severity = 'error' | 'warning' | 'note'

export type FindingCode =
  | 'unreadable'
  | 'syntax'
  | 'missing'
  | 'wrong-type'
  | 'bad-value'
  | 'unknown-key'
  | 'doubtful'
  | 'not-used-yet'
  | 'ignored'
  /** The text is right; the machine is not as it says. */
  | 'environment'

/** Where something is written: a file, or a variable of the environment (without line and column). */
export interface Place {
  readonly file: string
  readonly line: number | null
  readonly column: number | null
}

export interface Finding extends Place {
  readonly severity: Severity
  readonly code: FindingCode
  /** Path of the key, such as `postgresql.listen`; empty for the document. */
  readonly key: string
  /** As it may be shown: quoted, shortened, secrets hidden. */
  readonly found: string
  readonly expected: string
  /** What to do. */
  readonly hint: string
}

/** `FILE:LINE: key: found VALUE, expected WHAT. fix`. Only what is no error says so, as compilers do. */
export function formatFinding(finding: Finding): string {
  const place = finding.line === null ? finding.file : `${finding.file}:${finding.line}`
  const severity = finding.severity === 'error' ? '' : `${finding.severity}: `
  const key = finding.key === '' ? '' : `${finding.key}: `
  const hint = finding.hint === '' ? '' : ` ${finding.hint}`
  return `${place}: ${severity}${key}found ${finding.found}, expected ${finding.expected}.${hint}`
}

/** By file, then line, then severity. */
export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  const rank = { error: 0, warning: 1, note: 2 }
  return [...findings].sort(
    (a, b) =>
      compareText(a.file, b.file) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0) ||
      rank[a.severity] - rank[b.severity],
  )
}

const SHOWN_LENGTH = 60
const SECRET_KEY = /pass|secret|token|auth_data|credential|api_?key/i

/** Keys whose value must not be shown, wherever they stand. `pgpass` names a file. */
export function isSecretKey(key: string): boolean {
  return key.split('.').some(part => SECRET_KEY.test(part) && part !== 'pgpass')
}

/** A value as a message may show it. */
export function shown(key: string, value: unknown): string {
  if (value === undefined) return 'nothing'
  if (isSecretKey(key)) return 'a hidden value'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a mapping'
  if (typeof value !== 'string') return String(value)
  const escaped = JSON.stringify(withoutCredentials(value))
  return escaped.length <= SHOWN_LENGTH ? escaped : `${escaped.slice(0, SHOWN_LENGTH)}..."`
}

/** Connection strings and commands carry passwords inside. */
function withoutCredentials(value: string): string {
  return value
    .replace(/(:\/\/[^/@\s:]*:)\S*@/g, '$1***@')
    .replace(/((?:pass\w*|secret|token)\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s'"]+)/gi, '$1***')
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
