// Where the WAL of a cleanly stopped primary ends: behind its shutdown checkpoint, if that is the last record.
import { join } from 'node:path'
import { formatLsn, type Lsn, lsn, parseLsn } from '../../kernel/lsn.ts'
import type { ControlFile } from './control-data.ts'
import type { PostgresHost } from './host.ts'
import { run } from './run.ts'

/** null: not stopped cleanly as a primary, or something follows, or it cannot be told. */
export async function shutdownEnd(
  host: PostgresHost,
  control: ControlFile,
  signal: AbortSignal,
): Promise<Lsn | null> {
  if (control.state !== 'shut down') return null
  const program = await host.program('pg_waldump').catch(() => null)
  if (program === null) return null
  const { timeline, lsn: start } = control.checkpoint
  const result = await run(
    program,
    [
      '-p',
      join(host.options.dataDirectory, 'pg_wal'),
      '-t',
      String(timeline),
      '-s',
      formatLsn(start),
      '-n',
      '2',
    ],
    { environment: host.environment({ LC_ALL: 'C' }), signal, limitMs: 5000 },
  )
  return endOfOnlyCheckpoint(result.output, start, control)
}

/** From the lines of pg_waldump: one record, and it is the shutdown checkpoint. The program's status says nothing. */
export function endOfOnlyCheckpoint(
  output: string,
  start: Lsn,
  control: Pick<ControlFile, 'walBlockBytes' | 'walSegmentBytes'>,
): Lsn | null {
  const records = output.split('\n').filter(line => line.startsWith('rmgr:'))
  const match = /len \(rec\/tot\):\s*\d+\/\s*(\d+),.* lsn: ([0-9A-F]+\/[0-9A-F]+),.*CHECKPOINT_SHUTDOWN/.exec(
    records[0] ?? '',
  )
  if (records.length !== 1 || !match || parseLsn(match[2]!) !== start) return null
  return recordEnd(start, Number(match[1]), control.walBlockBytes, control.walSegmentBytes)
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
