// pg_control, as pg_controldata prints it.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { VigilError } from '../../kernel/errors.ts'
import { type Lsn, parseLsn } from '../../kernel/lsn.ts'
import type { ControlData } from '../../ports/engine.ts'
import type { PostgresHost } from './host.ts'
import { failureOf, run } from './run.ts'
import { shutdownEnd } from './shutdown-end.ts'

/** Everything of pg_controldata that the engine uses. */
export interface ControlFile extends Omit<ControlData, 'shutdownEnd'> {
  readonly walSegmentBytes: number
  readonly walBlockBytes: number
  readonly minRecoveryEnd: Lsn
  readonly minRecoveryTimeline: number
  /** Values that a standby must not go below, by parameter. */
  readonly sharedMemory: Readonly<Record<string, number>>
}

export interface ControlReader {
  read(signal: AbortSignal): Promise<ControlFile>
  readWithEnd(signal: AbortSignal): Promise<ControlData>
}

/** Runs the program only when the file has changed, so that polling costs one small read. */
export function controlReader(host: PostgresHost): ControlReader {
  let last: { readonly bytes: Buffer; readonly file: ControlFile } | null = null
  let end: { readonly file: ControlFile; readonly value: Lsn | null } | null = null
  const read = async (signal: AbortSignal) => {
    const bytes = await rawBytes(host.options.dataDirectory)
    if (last?.bytes.equals(bytes)) return last.file
    const file = await runControlData(host, signal)
    // Read before the program ran: if the file changed in between, the next call sees other bytes.
    last = { bytes, file }
    return file
  }
  return {
    read,
    async readWithEnd(signal) {
      const file = await read(signal)
      if (end?.file !== file) end = { file, value: await shutdownEnd(host, file, signal) }
      const { systemIdentifier, state, checkpoint, dataChecksums, walLogHints, majorVersion } = file
      return {
        systemIdentifier,
        state,
        checkpoint,
        dataChecksums,
        walLogHints,
        majorVersion,
        shutdownEnd: end.value,
      }
    },
  }
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

/** PostgreSQL keeps everything that matters in the first sector, so that it is written in one piece. */
const SIGNIFICANT_BYTES = 512

async function rawBytes(dataDirectory: string): Promise<Buffer> {
  const path = join(dataDirectory, 'global', 'pg_control')
  try {
    const file = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(SIGNIFICANT_BYTES), 0, SIGNIFICANT_BYTES, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new VigilError(
      'DATA_DIRECTORY',
      { directory: dataDirectory, reason: `${path} cannot be read` },
      { cause: error },
    )
  }
}

async function runControlData(host: PostgresHost, signal: AbortSignal): Promise<ControlFile> {
  const { dataDirectory } = host.options
  const program = await host.program('pg_controldata')
  const result = await run(program, [dataDirectory], {
    environment: host.environment({ LC_ALL: 'C' }),
    signal,
    limitMs: 10_000,
  })
  const fail = (reason: string) => new VigilError('DATA_DIRECTORY', { directory: dataDirectory, reason })
  if (result.code !== 0) throw fail(failureOf(result))
  const version = await host.dataVersion()
  if (version === null) throw fail('it has no file PG_VERSION')
  try {
    return parseControlData(result.output, version)
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error))
  }
}
