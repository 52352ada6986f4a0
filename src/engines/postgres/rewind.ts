// Brings a diverged copy back to the source's history, under a marker: a rewind that ends midway leaves a directory
// that must not be used.
import { join } from 'node:path'
import { isVigilError, reasonOf, VigilError } from '../../kernel/errors.ts'
import { formatPosition } from '../../kernel/lsn.ts'
import type { InstanceSettings, Upstream } from '../../ports/engine.ts'
import { sourceConninfo, withClientPassword } from './basebackup.ts'
import { mainPath, writeConfiguration } from './configuration.ts'
import type { ControlReader } from './control-data.ts'
import { removeDurably, writeDurably } from './durable.ts'
import { timelineAt } from './history.ts'
import { type PostgresHost, rewindCredentials } from './host.ts'
import { MARKER_FILE, rewindMarker } from './marker.ts'
import { readPostmasterFile, runsOn } from './postmaster-file.ts'
import { describe, historyOf, identifySource } from './replication.ts'
import { failureOf, run } from './run.ts'
import { readSeat, writeSeat } from './seat.ts'

export interface RewindOrder {
  readonly source: Upstream
  readonly expected: string
  /** What the instance is configured with afterwards; null: nothing is known yet, and the next start configures. */
  readonly settings: InstanceSettings | null
}

const SETTING_LIMIT_MS = 10_000
const CLEAN: readonly string[] = ['shut down', 'shut down in recovery']

/** @throws VigilError REWIND_FAILED, FOREIGN_SOURCE */
export async function rewind(
  host: PostgresHost,
  control: ControlReader,
  order: RewindOrder,
  signal: AbortSignal,
): Promise<void> {
  try {
    await attempt(host, control, order, signal)
  } catch (error) {
    if (isVigilError(error)) throw error
    throw new VigilError(
      'REWIND_FAILED',
      { source: describe(order.source), reason: reasonOf(error) },
      { cause: error },
    )
  }
}

async function attempt(
  host: PostgresHost,
  control: ControlReader,
  order: RewindOrder,
  signal: AbortSignal,
): Promise<void> {
  const { dataDirectory, stateDirectory } = host.options
  await refuseRunning(dataDirectory)
  await identifySource(host, order.source, order.expected, signal)
  const before = await control.read(signal)
  if (before.systemIdentifier !== order.expected) {
    throw new VigilError('FOREIGN_CLUSTER', {
      directory: dataDirectory,
      found: before.systemIdentifier,
      expected: order.expected,
    })
  }
  const seat = await readSeat(dataDirectory)
  const withArchive = await restores(host, signal)
  const marker = rewindMarker(stateDirectory, dataDirectory)
  await marker.write()
  try {
    // pg_rewind recovers a crashed directory by itself, single-user, which refuses to be a standby (decision 0012).
    if (!CLEAN.includes(before.state)) await removeDurably(join(dataDirectory, 'standby.signal'))
    await runRewind(host, order.source, withArchive, signal)
  } finally {
    await writeDurably(join(dataDirectory, 'standby.signal'), '')
  }
  // Files of the source came along: what it was in the middle of, and the identity of its copy.
  await removeDurably(join(dataDirectory, MARKER_FILE))
  await removeDurably(join(dataDirectory, 'promote'))
  if (seat === null) await removeDurably(join(dataDirectory, 'vigil.seat'))
  else await writeSeat(dataDirectory, seat)
  // The source's own files came along, with a primary's settings.
  if (order.settings)
    await writeConfiguration(host, order.settings, { upstream: null, slot: null, role: 'standby' })
  await checkResult(host, control, order, signal)
  await marker.remove()
}

async function refuseRunning(dataDirectory: string): Promise<void> {
  const postmaster = await readPostmasterFile(dataDirectory)
  if (postmaster && (await runsOn(postmaster.pid, dataDirectory)))
    throw new Error(`PostgreSQL still runs on ${dataDirectory}`)
}

/** Whether the instance knows an archive, where WAL that the source has removed may still be. */
async function restores(host: PostgresHost, signal: AbortSignal): Promise<boolean> {
  const program = await host.program('postgres')
  const result = await run(
    program,
    ['-D', host.options.dataDirectory, `--config-file=${mainPath(host)}`, '-C', 'restore_command'],
    { environment: host.environment({ LC_ALL: 'C' }), signal, limitMs: SETTING_LIMIT_MS },
  )
  return result.code === 0 && result.output.trim() !== ''
}

async function runRewind(
  host: PostgresHost,
  source: Upstream,
  withArchive: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { options } = host
  const program = await host.program('pg_rewind')
  const credentials = rewindCredentials(options)
  const version = (await host.dataVersion()) ?? 0
  const result = await withClientPassword(host, source, credentials, environment =>
    run(
      program,
      [
        `--target-pgdata=${options.dataDirectory}`,
        `--source-server=${sourceConninfo(source, credentials, 'vigil rewind', options.database)}`,
        // Before 15 the program knows no such option and looks into the data directory.
        ...(version >= 15 ? [`--config-file=${mainPath(host)}`] : []),
        ...(withArchive ? ['--restore-target-wal'] : []),
      ],
      { environment, signal, diesWithUs: true },
    ),
  )
  if (result.code === 0) {
    // It compared two numbers and did nothing, though whoever ordered this knows that the histories differ (E8).
    if (!/same timeline/.test(result.errors)) return
    throw new VigilError('REWIND_FAILED', {
      source: describe(source),
      reason:
        'both histories end on a timeline of the same number, which pg_rewind takes for the same history',
    })
  }
  throw new VigilError('REWIND_FAILED', { source: describe(source), reason: failureOf(result) })
}

/** What it made must lie on the source's history, whatever it said. */
async function checkResult(
  host: PostgresHost,
  control: ControlReader,
  order: RewindOrder,
  signal: AbortSignal,
): Promise<void> {
  const { timeline } = await identifySource(host, order.source, order.expected, signal)
  const history = await historyOf(host, order.source, timeline, signal)
  if (history === null) throw new Error(`the source has no history of its timeline ${timeline}`)
  const { checkpoint } = await control.read(signal)
  const owner = timelineAt(history, timeline, checkpoint.lsn)
  if (owner === checkpoint.timeline) return
  throw new Error(
    `after it the checkpoint ${formatPosition(checkpoint)} is still not in the source's history`,
  )
}
