// `vigild --validate-config`: everything there is to say about a configuration, and whether it may be used.
import { type Finding, formatFinding, type Severity, sortFindings } from './finding.ts'
import { type ConfigRequest, type LoadedConfig, loadConfig } from './load.ts'
import type { LocalConfig } from './local-config.ts'

export interface ValidationReport {
  readonly text: string
  readonly exitCode: 0 | 1
}

/** What is wrong with the machine rather than with the text: no such directory, a port in use, no answer. */
export interface EnvironmentProblem {
  readonly severity: Severity
  /** The key that led there, such as `['postgresql', 'data_dir']`. */
  readonly key: readonly string[]
  readonly found: string
  readonly expected: string
  readonly hint: string
}

/** Looks at one thing on this machine. Never throws; has its own time limit. */
export type EnvironmentCheck = (config: LocalConfig) => Promise<readonly EnvironmentProblem[]>

export interface ValidationRequest extends ConfigRequest {
  readonly json?: boolean
  /** Run only if the text itself is in order. */
  readonly checks?: readonly EnvironmentCheck[]
}

/** At run time an unknown key is a warning; who asks for validation wants to hear of it as an error. */
export async function validateConfig(request: ValidationRequest): Promise<ValidationReport> {
  const loaded = await loadConfig(request)
  const machine = await checkEnvironment(loaded, request.checks ?? [])
  return reportFindings(sortFindings([...loaded.findings, ...machine]), request)
}

/** The findings of all checks, each at the line of its key. Also for the start of an agent. */
export async function checkEnvironment(
  { config, placeOf }: LoadedConfig,
  checks: readonly EnvironmentCheck[],
): Promise<readonly Finding[]> {
  if (config === null) return []
  const problems = (await Promise.all(checks.map(check => check(config)))).flat()
  return problems.map(({ key, ...problem }) => ({
    ...problem,
    code: 'environment',
    key: key.join('.'),
    ...placeOf(key),
  }))
}

export function reportFindings(
  findings: readonly Finding[],
  { file, json = false }: { readonly file: string | null; readonly json?: boolean },
): ValidationReport {
  const judged = findings.map(promote)
  const exitCode = judged.some(finding => finding.severity === 'error') ? 1 : 0
  if (json) return { text: JSON.stringify({ valid: exitCode === 0, findings: judged }, null, 2), exitCode }
  const summary = `${file ?? 'environment'}: ${exitCode === 0 ? 'valid' : 'not valid'}${countText(judged)}`
  return { text: [...judged.map(formatFinding), summary].join('\n'), exitCode }
}

function promote(finding: Finding): Finding {
  return finding.code === 'unknown-key' ? { ...finding, severity: 'error' } : finding
}

function countText(findings: readonly Finding[]): string {
  const counts = (['error', 'warning', 'note'] as const).flatMap(severity => {
    const count = findings.filter(finding => finding.severity === severity).length
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? '' : 's'}`]
  })
  return counts.length === 0 ? '' : ` (${counts.join(', ')})`
}
