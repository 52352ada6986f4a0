// What pg_controldata prints.
import { type Lsn, parseLsn } from '../../kernel/lsn.ts'
import type { ControlData } from '../../ports/engine.ts'

/** Everything of pg_controldata that the engine uses. */
export interface ControlFile extends Omit<ControlData, 'shutdownEnd'> {
  readonly walSegmentBytes: number
  readonly walBlockBytes: number
  readonly minRecoveryEnd: Lsn
  readonly minRecoveryTimeline: number
  /** Values that a standby must not go below, by parameter. */
  readonly sharedMemory: Readonly<Record<string, number>>
}

/** Labels are the same from 13 to 18; the program runs with LC_ALL=C. @throws Error naming what is missing. */
export function parseControlData(text: string, majorVersion: number): ControlFile {
  const fields = new Map(
    text.split('\n').flatMap(line => {
      const match = /^(.*?):\s+(.*)$/.exec(line)
      return match ? [[match[1]!, match[2]!.trim()] as const] : []
    }),
  )
  const field = (label: string) => {
    const value = fields.get(label)
    if (value === undefined) throw new Error(`pg_controldata printed no "${label}"`)
    return value
  }
  const number = (label: string) => {
    const value = Number.parseInt(field(label), 10)
    if (!Number.isSafeInteger(value)) throw new Error(`pg_controldata printed "${label}: ${field(label)}"`)
    return value
  }
  const lsnField = (label: string) => {
    const value = parseLsn(field(label))
    if (value === null) throw new Error(`pg_controldata printed "${label}: ${field(label)}"`)
    return value
  }
  return {
    systemIdentifier: field('Database system identifier'),
    state: field('Database cluster state'),
    checkpoint: {
      timeline: number("Latest checkpoint's TimeLineID"),
      lsn: lsnField('Latest checkpoint location'),
    },
    dataChecksums: number('Data page checksum version') > 0,
    walLogHints: field('wal_log_hints setting') === 'on',
    majorVersion,
    walSegmentBytes: number('Bytes per WAL segment'),
    walBlockBytes: number('WAL block size'),
    minRecoveryEnd: lsnField('Minimum recovery ending location'),
    minRecoveryTimeline: number("Min recovery ending loc's timeline"),
    sharedMemory: {
      max_connections: number('max_connections setting'),
      max_worker_processes: number('max_worker_processes setting'),
      max_wal_senders: number('max_wal_senders setting'),
      max_prepared_transactions: number('max_prepared_xacts setting'),
      max_locks_per_transaction: number('max_locks_per_xact setting'),
    },
  }
}
