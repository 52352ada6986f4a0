// Timeline history files: where each earlier timeline ended.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Lsn, parseLsn, type Timeline } from '../../kernel/lsn.ts'
import type { HistoryLine } from '../../ports/engine.ts'
import { readIfPresent, removeDurably, writeDurably } from './durable.ts'

/** Oldest first; null when there is no such file. Timeline 1 has none and needs none. */
export async function readHistory(
  dataDirectory: string,
  timeline: Timeline,
): Promise<readonly HistoryLine[] | null> {
  if (timeline === 1) return []
  const text = await readIfPresent(historyPath(dataDirectory, timeline))
  return text === null ? null : parseHistory(text)
}

/** Comments and damaged lines are left out, as PostgreSQL's own reader does with comments. */
export function parseHistory(text: string): readonly HistoryLine[] {
  return text.split('\n').flatMap(line => {
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line)
    const end = match ? parseLsn(match[2]!) : null
    return match && end !== null ? [{ timeline: Number(match[1]), end }] : []
  })
}

/** The timeline that the WAL just before `lsn` belongs to, in the history of `newest`. */
export function timelineAt(history: readonly HistoryLine[], newest: Timeline, lsn: Lsn): Timeline {
  return history.find(line => lsn <= line.end)?.timeline ?? newest
}

/** How many numbers one promotion may skip: more is a mistake, and each costs a file that is kept for ever. */
const RESERVED_MAX = 1000

/** An empty file makes PostgreSQL pass over a number (protocol A6, E7). */
export async function reserveTimelines(
  dataDirectory: string,
  from: Timeline,
  timeline: Timeline,
): Promise<void> {
  if (timeline <= from) throw new Error(`timeline ${timeline} is not after ${from}`)
  if (timeline - from > RESERVED_MAX) throw new Error(`timeline ${timeline} is too far from ${from}`)
  for (let number = from + 1; number < timeline; number++) {
    const path = historyPath(dataDirectory, number)
    if ((await readIfPresent(path)) === null) await writeDurably(path, '')
  }
}

/**
 * Removes reserved numbers that no promotion has used: a start that finds the newest history empty ends with
 * "not a child of this server's history". Only before a start.
 */
export async function releaseReservedTimelines(dataDirectory: string): Promise<void> {
  const names = await readdir(join(dataDirectory, 'pg_wal')).catch(() => [])
  const numbers = names.flatMap(name => {
    const match = /^([0-9A-F]{8})\.history$/.exec(name)
    return match ? [Number.parseInt(match[1]!, 16)] : []
  })
  for (const number of numbers.sort((a, b) => b - a)) {
    const path = historyPath(dataDirectory, number)
    if ((await stat(path)).size > 0) return
    await removeDurably(path)
  }
}

export function historyName(timeline: Timeline): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
}

function historyPath(dataDirectory: string, timeline: Timeline): string {
  return join(dataDirectory, 'pg_wal', historyName(timeline))
}
