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
  /** What the walreceiver fetches; null when none runs. */
  readonly receiverTimeline: Timeline | null
}

export async function standbyPosition(ends: StandbyEnds): Promise<Position> {
  const { received, replayed, replayTimeline, dataDirectory } = ends
  if (received === null || received <= replayed) return { timeline: replayTimeline, lsn: replayed }
  const fetched = ends.receiverTimeline ?? (await newestTimelineWith(received, replayTimeline, dataDirectory))
  if (fetched <= replayTimeline) return { timeline: replayTimeline, lsn: received }
  // A file of the new timeline begins with its parent's WAL: up to the fork the parent's number counts.
  const history = await readHistory(dataDirectory, fetched)
  return { timeline: history ? timelineAt(history, fetched, received) : replayTimeline, lsn: received }
}

/** With the walreceiver gone nobody says what it fetched; the segment that it wrote carries the number. */
async function newestTimelineWith(
  received: Lsn,
  replayTimeline: Timeline,
  dataDirectory: string,
): Promise<Timeline> {
  const names = (await readdir(join(dataDirectory, 'pg_wal'))).filter(name => /^[0-9A-F]{24}$/.test(name))
  const segments = names.map(name => ({
    timeline: Number.parseInt(name.slice(0, 8), 16),
    place: name.slice(8),
  }))
  const newest = Math.max(replayTimeline, ...segments.map(segment => segment.timeline))
  for (let timeline = newest; timeline > replayTimeline; timeline--) {
    const history = await readHistory(dataDirectory, timeline)
    const fork = history?.at(-1)?.end
    if (fork !== undefined && received > fork && segments.some(segment => segment.timeline === timeline))
      return timeline
  }
  return replayTimeline
}
