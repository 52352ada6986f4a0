// Whether a copy of the data is a beginning of the accepted history (protocol A6, rejoin in design §7).
import type { Lsn, Position, Timeline } from '../kernel/lsn.ts'
import type { HistoryLine } from './instance.ts'
import type { OwnPromotion } from './member-memory.ts'
import type { ChainEntry, TermRecord } from './term.ts'

/**
 * `consistent`: a beginning of the accepted history. `diverged`: has WAL that the accepted history lacks, on
 * timelines that pg_rewind can tell apart. `foreign`: on a timeline that another promotion has the number of, or
 * that nobody gave out; pg_rewind may say "no rewind required" to it and be wrong (experiment E8), so it is copied
 * anew. `undecided`: on a number that was given out, whose promotion is not in the chain, and no later one is: it may
 * still become the accepted history, by the next leader that has it (protocol A6, T4).
 */
export type Lineage = 'consistent' | 'diverged' | 'foreign' | 'undecided'

/** What a copy knows of its own past. */
export interface OwnPast {
  /** Written before each promotion. */
  readonly promotions: readonly OwnPromotion[]
  /** History file of the position's timeline; null: not read. */
  readonly history: readonly HistoryLine[] | null
}

/** Compares by the record's chain of promotions: two promotions from one point make identical history files. */
export function lineageOf(position: Position, record: TermRecord, past: OwnPast): Lineage {
  const { chain } = record
  const { timeline, lsn } = position
  if (timeline > record.timelineMax) return 'foreign'
  const entry = chain.find(known => known.timeline === timeline)
  if (entry && isNamesake(entry, past, timeline)) return 'foreign'
  const newest = chain.at(-1)
  if (!newest) return 'consistent'
  const ends = acceptedEnds(chain, newest)
  const oldest = Math.min(...ends.keys())
  if (!ends.has(timeline) && timeline > oldest)
    return !entry && timeline > newest.timeline ? 'undecided' : 'diverged'
  // What is older than the chain can be judged by its length only.
  const end = ends.get(ends.has(timeline) ? timeline : oldest) ?? null
  return end !== null && lsn > end ? 'diverged' : 'consistent'
}

/** The timelines of the accepted history and where each of them ends; the newest has no end (null). */
function acceptedEnds(chain: readonly ChainEntry[], newest: ChainEntry): ReadonlyMap<Timeline, Lsn | null> {
  const ends = new Map<Timeline, Lsn | null>([[newest.timeline, null]])
  for (let at: ChainEntry | undefined = newest; at; ) {
    const { parent, fork }: ChainEntry = at
    ends.set(parent, fork)
    at = chain.find(known => known.timeline === parent)
  }
  return ends
}

function isNamesake(entry: ChainEntry, past: OwnPast, timeline: Timeline): boolean {
  const own = past.promotions.filter(promotion => promotion.timeline === timeline)
  if (own.length > 0 && !own.some(promotion => promotion.term === entry.term)) return true
  const last = past.history?.at(-1)
  return last !== undefined && last.end !== entry.fork
}
