// pg_control, read through pg_controldata and only when it has changed.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { VigilError } from '../../kernel/errors.ts'
import type { Lsn } from '../../kernel/lsn.ts'
import type { ControlData } from '../../ports/engine.ts'
import { type ControlFile, parseControlData } from './control-file.ts'
import type { PostgresHost } from './host.ts'
import { failureOf, run } from './run.ts'
import { shutdownEnd } from './shutdown-end.ts'

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
