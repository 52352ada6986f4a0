// Whether a copy of the data is a beginning of the accepted history (protocol A6, rejoin in design §7).
import type { Position, Timeline } from '../kernel/lsn.ts'
import type { OwnPromotion } from './member-memory.ts'
import type { ChainEntry, TermRecord } from './term.ts'

/**
 * `consistent`: a beginning of the accepted history. `diverged`: has WAL that the accepted history lacks.
 * `undecided`: the leader's own promotion is not in the chain yet.
 */
export type Lineage = 'consistent' | 'diverged' | 'undecided'

/**
 * Compares by the record's chain of promotions, not by history files: two promotions from one point make
 * identical files (experiment E8). `promotions` is the member's own journal, written before each promotion.
 */
export function lineageOf(
  position: Position,
  record: TermRecord,
  promotions: readonly OwnPromotion[],
): Lineage {
  const { chain } = record
  if (isUnaccepted(position.timeline, chain, promotions))
    return position.timeline === record.timelineMax && record.state === 'electing' ? 'undecided' : 'diverged'
  const next = chain.find(entry => entry.timeline > position.timeline)
  if (next && position.lsn > next.fork) return 'diverged'
  const newest = chain[chain.length - 1]
  if (newest && position.timeline > newest.timeline)
    return record.state === 'electing' ? 'undecided' : 'diverged'
  const oldest = chain[0]
  const known =
    !oldest || position.timeline < oldest.timeline || chain.some(e => e.timeline === position.timeline)
  return known ? 'consistent' : 'diverged'
}

/** A promotion in the own journal that the chain lacks: whatever a history file says, nobody accepted it. */
function isUnaccepted(
  timeline: Timeline,
  chain: readonly ChainEntry[],
  promotions: readonly OwnPromotion[],
): boolean {
  const own = promotions.filter(promotion => promotion.timeline === timeline)
  return own.length > 0 && !own.some(p => chain.some(e => e.timeline === p.timeline && e.term === p.term))
}
