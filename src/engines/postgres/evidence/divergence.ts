// Where two histories part, and which WAL only one of them has.
import { type Lsn, lsn, type Timeline } from '../../../kernel/lsn.ts'
import type { HistoryLine } from '../../../ports/engine.ts'

export interface Branch {
  readonly timeline: Timeline
  /** Of earlier timelines, oldest first. */
  readonly history: readonly HistoryLine[]
}

export interface Divergence {
  /** The newest timeline that both have. */
  readonly timeline: Timeline
  readonly fork: Lsn
  /** What lies behind the fork, by timeline, oldest first. */
  readonly ranges: readonly WalRange[]
}

export interface WalRange {
  readonly timeline: Timeline
  readonly from: Lsn
  /** null: to the end. */
  readonly to: Lsn | null
}

/**
 * null: `own` is no longer than `accepted`, as far as numbers tell. Two promotions may have had one number;
 * `suspect` takes everything on the newest timeline for its own then.
 */
export function divergenceOf(own: Branch, accepted: Branch, suspect: boolean): Divergence | null {
  const mine = stretches(own)
  const theirs = stretches(accepted)
  let fork: { readonly timeline: Timeline; readonly at: Lsn } | null = null
  for (const [index, { timeline, end }] of mine.entries()) {
    const other = theirs[index]
    if (other?.timeline !== timeline) break
    const at = least(end, other.end)
    if (at === null) return suspect ? newestOf(own) : null
    fork = { timeline, at }
    if (end !== other.end) break
  }
  if (!fork) return newestOf(own)
  return { timeline: fork.timeline, fork: fork.at, ranges: rangesFrom(mine, fork.timeline, fork.at) }
}

function newestOf({ timeline, history }: Branch): Divergence {
  const begin = history.at(-1)?.end ?? lsn(0)
  return { timeline, fork: begin, ranges: [{ timeline, from: begin, to: null }] }
}

interface Stretch {
  readonly timeline: Timeline
  readonly end: Lsn | null
}

function stretches({ timeline, history }: Branch): readonly Stretch[] {
  return [...history.filter(line => line.timeline !== timeline), { timeline, end: null }]
}

function least(a: Lsn | null, b: Lsn | null): Lsn | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}

function rangesFrom(mine: readonly Stretch[], timeline: Timeline, fork: Lsn): readonly WalRange[] {
  const first = mine.findIndex(stretch => stretch.timeline === timeline)
  return mine.slice(first).flatMap((stretch, index) => {
    const from = index === 0 ? fork : (mine[first + index - 1]?.end ?? fork)
    return stretch.end !== null && stretch.end <= from
      ? []
      : [{ timeline: stretch.timeline, from, to: stretch.end }]
  })
}
