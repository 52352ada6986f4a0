// What happened in a run, line by line. Two runs of one seed must give the same bytes.
import { createHash } from 'node:crypto'
import type { TrueTime } from './scheduler.ts'

export interface SimLog {
  line(where: string, text: string): void
  lines(): readonly string[]
  /** Of everything so far. */
  hash(): string
}

export function createLog(now: () => TrueTime): SimLog {
  const lines: string[] = []
  return {
    line: (where, text) => lines.push(`${(now() / 1000).toFixed(4).padStart(9)}  ${where.padEnd(7)} ${text}`),
    lines: () => lines,
    hash: () => createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16),
  }
}
