// `vigild --validate-config`: everything there is to say about a configuration, and whether it may be used.
import { type Finding, formatFinding } from './finding.ts'
import { type ConfigRequest, loadConfig } from './load.ts'

export interface ValidationReport {
  readonly text: string
  readonly exitCode: 0 | 1
}

/** At run time an unknown key is a warning; who asks for validation wants to hear of it as an error. */
export async function validateConfig(
  request: ConfigRequest & { readonly json?: boolean },
): Promise<ValidationReport> {
  const { findings } = await loadConfig(request)
  return reportFindings(findings, request)
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
