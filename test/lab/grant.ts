// How long a leadership was granted for, as the record's own revisions tell, and who was acknowledged under it.
import { FENCE_MS, RHO } from '../../src/core/timers.ts'
import type { Acknowledged, Entry } from './record.ts'
import type { TermRevision } from './term-watch.ts'

export interface Grant {
  readonly term: number
  /** From here on the guard kills. The renewal was sent before it was heard of, so this is late rather than early. */
  readonly guardDeadlineNs: number
  /** Until here the killing may last: nobody else takes over before. */
  readonly deadlineNs: number
}

/** What the last renewal of the stopped agent granted: nobody but the holder writes revisions of its own term. */
export function lastGrant(
  revisions: readonly TermRevision[],
  { term, holder }: { readonly term: number; readonly holder: string },
): Grant {
  const own = revisions.filter(({ record }) => record.term === term && record.holder.name === holder)
  const { atNs, record } = own.at(-1)!
  const deadlineNs = atNs + record.ttl * (1 - RHO) * 1e6
  return { term: record.term, guardDeadlineNs: deadlineNs - FENCE_MS * 1e6, deadlineNs }
}

/** Acknowledged by that server on the timeline that it had when the run began. */
export function oldReign(record: readonly Entry[], server: string): readonly Acknowledged[] {
  const acknowledged = record
    .filter(entry => entry.kind === 'acknowledged')
    .filter(row => row.server === server)
  const timeline = acknowledged[0]!.timeline
  return acknowledged.filter(row => row.timeline === timeline)
}

/** How many, after that time, only on the timeline on which the fault met it: it may lead again afterwards. */
export function acknowledgedAfter(
  record: readonly Entry[],
  server: string,
  faultNs: number,
  deadlineNs: number,
): number {
  const own = record.filter(entry => entry.kind === 'acknowledged').filter(row => row.server === server)
  const timeline = own.findLast(({ atNs }) => atNs <= faultNs)?.timeline
  return own.filter(row => row.timeline === timeline && row.atNs > deadlineNs).length
}
