// The end of what a standby has (protocol A8 "Position"): the farther of received and replayed, with its timeline.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lsn, Position, Timeline } from '../../kernel/lsn.ts'
import { readHistory, timelineAt } from './history.ts'

export interface StandbyEnds {
  readonly dataDirectory: string
  readonly received: Lsn | null
  readonly replayed: Lsn
  /** Of the last replayed record. */
  readonly replayTimeline: Timeline
  readonly walSegmentBytes: number
}

export async function standbyPosition(ends: StandbyEnds): Promise<Position> {
  const { received, replayed, replayTimeline, dataDirectory } = ends
  if (received === null || received <= replayed) return { timeline: replayTimeline, lsn: replayed }
  const names = await readdir(join(dataDirectory, 'pg_wal'))
  const fetched = newestTimelineOf(names, received, ends.walSegmentBytes) ?? replayTimeline
  if (fetched <= replayTimeline) return { timeline: replayTimeline, lsn: received }
  // A file of the new timeline begins with its parent's WAL: up to the fork the parent's number counts.
  const history = await readHistory(dataDirectory, fetched)
  return { timeline: history ? timelineAt(history, fetched, received) : replayTimeline, lsn: received }
}

/**
 * The receiver makes the file of a segment before it flushes anything of it, and the file's name says on which
 * timeline; nothing else knows it when the receiver is gone (decision 0010).
 */
export function newestTimelineOf(
  walFiles: readonly string[],
  end: Lsn,
  segmentBytes: number,
): Timeline | null {
  const segment = (end - 1n) / BigInt(segmentBytes)
  const perLog = 0x100000000n / BigInt(segmentBytes)
  const hex = (value: bigint) => value.toString(16).toUpperCase().padStart(8, '0')
  const place = hex(segment / perLog) + hex(segment % perLog)
  const timelines = walFiles
    .filter(name => /^[0-9A-F]{24}$/.test(name) && name.endsWith(place))
    .map(name => Number.parseInt(name.slice(0, 8), 16))
  return timelines.length === 0 ? null : Math.max(...timelines)
}
