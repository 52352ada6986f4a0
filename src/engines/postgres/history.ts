// Timeline history files: where each earlier timeline ended.
import { readdir } from 'node:fs/promises'
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

const UNUSED = '# vigil: number not used\n'

/** A history without entries makes PostgreSQL pass over a number (protocol A6, decision 0016). */
export async function reserveTimelines(
  dataDirectory: string,
  from: Timeline,
  timeline: Timeline,
): Promise<void> {
  if (timeline <= from) throw new Error(`timeline ${timeline} is not after ${from}`)
  if (timeline - from > RESERVED_MAX) throw new Error(`timeline ${timeline} is too far from ${from}`)
  for (let number = from + 1; number < timeline; number++) {
    const path = historyPath(dataDirectory, number)
    if ((await readIfPresent(path)) === null) await writeDurably(path, UNUSED)
  }
}

/**
 * Removes unused numbers that no real history follows. A start would take the highest of them for the newest
 * timeline, one without ancestors, and wait for its WAL for ever. Only before a start.
 */
export async function releaseReservedTimelines(dataDirectory: string): Promise<void> {
  for (const number of (await localHistories(dataDirectory)).reverse()) {
    if (!(await isUnused(dataDirectory, number))) return
    await removeDurably(historyPath(dataDirectory, number))
  }
}

/** The numbers that the newest promotion passed over: between its own and its parent's. */
export async function numbersPassedOver(dataDirectory: string): Promise<readonly Timeline[]> {
  const numbers = await localHistories(dataDirectory)
  const newest = numbers.at(-1)
  const parent =
    newest === undefined ? undefined : (await readHistory(dataDirectory, newest))?.at(-1)?.timeline
  if (newest === undefined || parent === undefined) return []
  const unused: Timeline[] = []
  for (const number of numbers.filter(each => each > parent && each < newest)) {
    if (await isUnused(dataDirectory, number)) unused.push(number)
  }
  return unused
}

async function isUnused(dataDirectory: string, timeline: Timeline): Promise<boolean> {
  const text = (await readIfPresent(historyPath(dataDirectory, timeline))) ?? ''
  return text.split('\n').every(line => /^\s*(#|$)/.test(line))
}

/** In ascending order. */
async function localHistories(dataDirectory: string): Promise<Timeline[]> {
  const names = await readdir(join(dataDirectory, 'pg_wal')).catch(() => [])
  const numbers = names.flatMap(name => {
    const match = /^([0-9A-F]{8})\.history$/.exec(name)
    return match ? [Number.parseInt(match[1]!, 16)] : []
  })
  return numbers.sort((a, b) => a - b)
}

export function historyName(timeline: Timeline): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
}

function historyPath(dataDirectory: string, timeline: Timeline): string {
  return join(dataDirectory, 'pg_wal', historyName(timeline))
}
