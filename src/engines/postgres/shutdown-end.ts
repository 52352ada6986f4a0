// Where the WAL of a cleanly stopped primary ends: behind its shutdown checkpoint, if that is the last record.
import { join } from 'node:path'
import { formatLsn, type Lsn, lsn, type Position, parseLsn, type Timeline } from '../../kernel/lsn.ts'
import type { ControlFile } from './control-file.ts'
import type { PostgresHost } from './host.ts'
import { run } from './run.ts'

type WalGeometry = Pick<ControlFile, 'walBlockBytes' | 'walSegmentBytes'>

/** null: not stopped cleanly as a primary, or something follows, or it cannot be told. */
export async function shutdownEnd(
  host: PostgresHost,
  control: ControlFile,
  signal: AbortSignal,
): Promise<Lsn | null> {
  if (control.state !== 'shut down') return null
  const { timeline, lsn: start } = control.checkpoint
  return endOfOnlyCheckpoint(await dump(host, timeline, start, signal), start, control)
}

/** Sizes that the record can take: its own, or that and the header of the page or segment that it crosses into. */
const CHECKPOINT_SIZES = [120n, 144n, 160n]

/** Whether a shutdown checkpoint ends exactly at `position` in the local WAL, and nothing follows it. */
export async function endsWithShutdownCheckpoint(
  host: PostgresHost,
  position: Position,
  geometry: WalGeometry,
  signal: AbortSignal,
): Promise<boolean> {
  for (const size of CHECKPOINT_SIZES) {
    if (position.lsn <= size) continue
    const start = lsn(position.lsn - size)
    const end = endOfOnlyCheckpoint(await dump(host, position.timeline, start, signal), start, geometry)
    if (end === position.lsn) return true
  }
  return false
}

async function dump(
  host: PostgresHost,
  timeline: Timeline,
  start: Lsn,
  signal: AbortSignal,
): Promise<string> {
  const program = await host.program('pg_waldump')
  const wal = join(host.options.dataDirectory, 'pg_wal')
  const args = ['-p', wal, '-t', String(timeline), '-s', formatLsn(start), '-n', '2']
  // Its status says nothing: the end of the WAL is an error to it.
  const { output } = await run(program, args, {
    environment: host.environment({ LC_ALL: 'C' }),
    signal,
    limitMs: 5000,
  })
  return output
}

/** From the lines of pg_waldump: one record, and it is the shutdown checkpoint. */
export function endOfOnlyCheckpoint(output: string, start: Lsn, geometry: WalGeometry): Lsn | null {
  const records = output.split('\n').filter(line => line.startsWith('rmgr:'))
  const match = /len \(rec\/tot\):\s*\d+\/\s*(\d+),.* lsn: ([0-9A-F]+\/[0-9A-F]+),.*CHECKPOINT_SHUTDOWN/.exec(
    records[0] ?? '',
  )
  if (records.length !== 1 || !match || parseLsn(match[2]!) !== start) return null
  return recordEnd(start, Number(match[1]), geometry.walBlockBytes, geometry.walSegmentBytes)
}

const PAGE_HEADER = 24
const SEGMENT_HEADER = 40
const ALIGNMENT = 8

/** A record that crosses a page goes on behind the next page's header; its end is aligned. */
export function recordEnd(start: Lsn, length: number, blockBytes: number, segmentBytes: number): Lsn {
  let at = Number(start % BigInt(segmentBytes))
  const segment = start - BigInt(at)
  let left = length
  for (;;) {
    const room = blockBytes - (at % blockBytes)
    if (left <= room) break
    left -= room
    at += room
    at += at % segmentBytes === 0 ? SEGMENT_HEADER : PAGE_HEADER
  }
  const end = Math.ceil((at + left) / ALIGNMENT) * ALIGNMENT
  return lsn(segment + BigInt(end))
}
