// Results as a table that a person reads: medians with their range, and how many times faster.
import { FAULTS, type FaultName } from '../../test/lab/faults.ts'
import type { Contestant } from './products.ts'
import type { Run, Series } from './series.ts'

export type Measured = Extract<Run, { kind: 'measured' }>

export interface Summary {
  readonly contestant: string
  readonly fault: FaultName
  readonly runs: number
  readonly failed: number
  /** Of the runs that were measured; null when none was. */
  readonly medianStallSeconds: number | null
  readonly minStallSeconds: number | null
  readonly maxStallSeconds: number | null
  readonly medianErrors: number | null
  /** Over all runs. */
  readonly rowsLost: number
  readonly rowsLostAfterReplication: number
  readonly lateAcknowledgements: number
  readonly runsWithTwoPrimaries: number
}

export function summarise({ contestant, fault, runs }: Series): Summary {
  const measured = runs.filter(run => run.kind === 'measured')
  const stalls = measured.map(run => run.stallSeconds)
  const sum = (pick: (run: Measured) => number) => measured.reduce((total, run) => total + pick(run), 0)
  return {
    contestant,
    fault,
    runs: runs.length,
    failed: runs.length - measured.length,
    medianStallSeconds: median(stalls),
    minStallSeconds: stalls.length > 0 ? Math.min(...stalls) : null,
    maxStallSeconds: stalls.length > 0 ? Math.max(...stalls) : null,
    medianErrors: median(measured.map(run => run.errors)),
    rowsLost: sum(run => run.lost),
    rowsLostAfterReplication: sum(run => run.lostAfterReplication),
    lateAcknowledgements: sum(run => run.late),
    runsWithTwoPrimaries: measured.filter(run => run.late > 0).length,
  }
}

/** One row for each fault, one column for each contestant, and the first contestant's advantage over each Patroni. */
export function formatTable(contestants: readonly Contestant[], summaries: readonly Summary[]): string {
  const faults = [...new Set(summaries.map(({ fault }) => fault))]
  const [first, ...rest] = contestants
  const rivals = first?.kind === 'vigil' ? rest.filter(({ kind }) => kind === 'patroni') : []
  const find = (contestant: Contestant, fault: FaultName) =>
    summaries.find(summary => summary.contestant === contestant.id && summary.fault === fault)
  const header = [
    '',
    ...contestants.map(({ title }) => title),
    ...rivals.map(({ title }) => `ratio to ${title}`),
  ]
  const rows = faults.flatMap(fault => {
    const cells = contestants.map(contestant => cell(find(contestant, fault)))
    const ratios = rivals.map(rival => ratio(find(first!, fault), find(rival, fault)))
    return [
      [FAULTS[fault].title, ...cells.map(({ stall }) => stall), ...ratios],
      ['', ...cells.map(({ harm }) => harm), ...rivals.map(() => '')],
    ]
  })
  return align([header, ...rows])
}

/** One sentence for each contestant about what must never happen, with the counts over all runs. */
export function formatSafety(contestants: readonly Contestant[], summaries: readonly Summary[]): string {
  return contestants
    .map(({ id, title }) => {
      const own = summaries.filter(({ contestant }) => contestant === id)
      const sum = (pick: (summary: Summary) => number) =>
        own.reduce((total, summary) => total + pick(summary), 0)
      const late = sum(({ lateAcknowledgements }) => lateAcknowledgements)
      const replicated = sum(({ rowsLostAfterReplication }) => rowsLostAfterReplication)
      return `${title}: ${late} acknowledgements by an old primary after the new one's first; ${sum(({ rowsLost }) => rowsLost)} rows lost, ${replicated} of them although they had been replicated`
    })
    .join('\n')
}

function cell(summary: Summary | undefined): { readonly stall: string; readonly harm: string } {
  if (!summary) return { stall: '-', harm: '' }
  const { medianStallSeconds, minStallSeconds, maxStallSeconds } = summary
  const failed = summary.failed > 0 ? `, ${summary.failed} of ${summary.runs} FAILED` : ''
  const range =
    summary.runs - summary.failed > 1
      ? ` (${minStallSeconds!.toFixed(2)} to ${maxStallSeconds!.toFixed(2)})`
      : ''
  const stall =
    medianStallSeconds === null ? 'no run succeeded' : `${medianStallSeconds.toFixed(2)} s${range}${failed}`
  const two =
    summary.runsWithTwoPrimaries > 0
      ? `, two primaries in ${summary.runsWithTwoPrimaries} of ${summary.runs}`
      : ''
  return { stall, harm: `${summary.medianErrors ?? '-'} errors, ${summary.rowsLost} rows lost${two}` }
}

function ratio(ours: Summary | undefined, theirs: Summary | undefined): string {
  const mine = ours?.medianStallSeconds ?? null
  const other = theirs?.medianStallSeconds ?? null
  if (mine === null || other === null || mine === 0) return '-'
  // A cluster with two primaries has no stall to compare with.
  if (theirs!.runsWithTwoPrimaries > 0 || ours!.runsWithTwoPrimaries > 0) return 'two primaries'
  return `${(other / mine).toFixed(1)} times faster`
}

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  const [header, ...body] = rows
  return [line(header!), widths.map(width => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n')
}
