// What the demonstration prints: a table for people, one object for programs, and where the members can be reached.
import type { Cluster } from '../../test/lab/cluster.ts'
import type { Fault } from '../../test/lab/faults.ts'
import { SUPERUSER } from '../../test/lab/member.ts'
import type { Trial } from '../../test/lab/trial.ts'

export interface Shown {
  readonly key: string
  readonly fault: Fault
}

export interface FaultReport {
  readonly stall_s: number
  readonly errors: number
  readonly rows_acknowledged: number
  readonly rows_lost: number
}

export function jsonReport(shown: readonly Shown[], trials: readonly Trial[]): Record<string, FaultReport> {
  return Object.fromEntries(shown.map(({ key }, index) => [key, reportOf(trials[index]!)]))
}

function reportOf({ verdict }: Trial): FaultReport {
  return {
    stall_s: Number(verdict.stallSeconds.toFixed(3)),
    errors: verdict.errors,
    rows_acknowledged: verdict.acknowledged,
    rows_lost: verdict.lost.length,
  }
}

export function showTable(shown: readonly Shown[], trials: readonly Trial[]): string {
  const rows = shown.map(({ fault }, index) => {
    const { stall_s, errors, rows_acknowledged, rows_lost } = reportOf(trials[index]!)
    return [
      fault.title,
      `${stall_s.toFixed(2)} s`,
      String(errors),
      String(rows_acknowledged),
      String(rows_lost),
    ]
  })
  const header = ['what happened', 'no writes for', 'errors seen', 'rows acknowledged', 'rows lost']
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map(row => row[column]!.length)),
  )
  const line = (row: readonly string[]) =>
    row
      .map((text, column) => (column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!)))
      .join('   ')
  return [line(header), widths.map(width => '-'.repeat(width)).join('   '), ...rows.map(line)].join('\n')
}

export function addresses(cluster: Cluster): string {
  const { members } = cluster
  const hosts = members.map(({ server }) => server.host).join(',')
  const ports = members.map(({ server }) => server.port).join(',')
  const file = `${members[0]!.host.directory}/${members[0]!.name}.yml`
  return [
    ...members.map(
      ({ name, server, restUrl }) =>
        `${name.padEnd(6)} PostgreSQL ${server.host}:${server.port}   REST ${restUrl}/cluster`,
    ),
    '',
    `PGPASSWORD=${SUPERUSER.password} psql "host=${hosts} port=${ports} user=${SUPERUSER.user} dbname=postgres target_session_attrs=read-write"`,
    `bin/vigil -c ${file} status`,
  ].join('\n')
}
