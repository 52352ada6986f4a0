// The engine port on a real PostgreSQL.
import { join } from 'node:path'
import { VigilError } from '../../kernel/errors.ts'
import type { Engine, InstanceSettings } from '../../ports/engine.ts'
import { answersConnections } from './accepts.ts'
import { adoption } from './adoption.ts'
import { archivePassedOver, ensureStandbySignal } from './after-promotion.ts'
import { initialise } from './bootstrap.ts'
import { clone, discardReplaced } from './clone.ts'
import { prepareCluster } from './cluster-roles.ts'
import { writeConfiguration } from './configuration.ts'
import { withConnection } from './connection.ts'
import { controlReader } from './control-data.ts'
import { inspectDataDirectory, removeUnfinished } from './data-directory.ts'
import { testDisks } from './disk-test.ts'
import { ensurePrivateDirectory, readIfPresent } from './durable.ts'
import { evidenceOf, keepEvidence } from './evidence/keep.ts'
import { readHistory, reserveTimelines } from './history.ts'
import { localTarget, postgresHost } from './host.ts'
import { readMarker, removeMarker } from './marker.ts'
import type { PostgresOptions } from './options.ts'
import { wantedOnCommandLine } from './parameters.ts'
import { readPostmasterFile, runsOn } from './postmaster-file.ts'
import { openProbe } from './probe.ts'
import { ensureSlots, historyOf } from './replication.ts'
import { rewind } from './rewind.ts'
import { readSeat, writeSeat } from './seat.ts'
import { endsWithShutdownCheckpoint } from './shutdown-end.ts'
import * as sql from './sql.ts'
import { startCommand } from './start-command.ts'
import { stopReceiving } from './stop-receiving.ts'
import { terminate, terminateByPid } from './walsenders.ts'
import { probeWrite } from './write-probe.ts'

export async function openPostgres(options: PostgresOptions): Promise<Engine> {
  await ensurePrivateDirectory(options.stateDirectory)
  const host = postgresHost(options)
  const { dataDirectory } = options
  const control = controlReader(host)
  const probe = openProbe(host)
  let settings: InstanceSettings | null = null
  const status = (signal: AbortSignal) =>
    probe.status(settings ? wantedOnCommandLine(settings.parameters) : {}, signal)
  return {
    dataDirectory: signal => inspectDataDirectory(host, control, signal),
    status,
    async accepts(signal) {
      const target = await host.local()
      return target !== null && answersConnections(target.host, target.port, signal)
    },
    writes: signal => probeWrite(host, signal),
    disks: signal => testDisks(host, signal),
    startCommand(wanted) {
      settings = wanted
      return startCommand(host, control, wanted)
    },
    writeConfiguration(wanted, upstream, slot, role) {
      settings = wanted
      return writeConfiguration(host, wanted, { upstream, slot, role })
    },
    stopReceiving: signal => stopReceiving(host, signal),
    adoption: signal => adoption(host, signal),
    terminateBackends: (pids, signal) => terminateByPid(dataDirectory, pids, signal),
    reload: () => reload(dataDirectory),

    initialise: signal => initialise(host, signal),
    prepareCluster: signal => prepareCluster(host, signal),
    async markServed() {
      if ((await readMarker(dataDirectory))?.what === 'bootstrap') await removeMarker(dataDirectory)
    },
    removeUnfinished: () => removeUnfinished(dataDirectory),
    clone: (source, expected, progress, signal, slot = null) =>
      clone(host, { source, expected, slot, progress }, signal),
    rewind: (source, expected, signal) => rewind(host, control, { source, expected, settings }, signal),
    keepEvidence: (order, signal) => keepEvidence(host, control, order, signal),
    evidence: () => evidenceOf(host),
    discardReplaced: () => discardReplaced(dataDirectory),

    history: timeline => readHistory(dataDirectory, timeline),
    historyOf: (source, timeline, signal) => historyOf(host, source, timeline, signal),
    reserveTimelines: (from, timeline) => reserveTimelines(dataDirectory, from, timeline),
    async ensureStandbySignal() {
      await ensureStandbySignal(dataDirectory)
      await archivePassedOver(host)
    },
    hasStandbySignal: async () => (await readIfPresent(join(dataDirectory, 'standby.signal'))) !== null,
    async checkpoint(signal) {
      const target = await localTarget(host, { statementTimeoutMs: 0 })
      await withConnection(target, signal, query => query(sql.CHECKPOINT))
    },
    ensureSlots: (wanted, drop, signal) => ensureSlots(host, wanted, drop, signal),
    terminateWalSenders: (applications, signal) =>
      terminate(dataDirectory, probe.walSenders(), applications, signal),
    async endsWithShutdownCheckpoint(signal) {
      const seen = await status(signal)
      if (seen.kind !== 'standby') return false
      return endsWithShutdownCheckpoint(host, seen.position, await control.read(signal), signal)
    },
    controlData: signal => control.readWithEnd(signal),
    seat: () => readSeat(dataDirectory),
    setSeat: seat => writeSeat(dataDirectory, seat),
    close: () => probe.close(),
  }
}

/** By signal, since a session may not be had in time; only to a process that works in this data directory. */
async function reload(dataDirectory: string): Promise<void> {
  const postmaster = await readPostmasterFile(dataDirectory)
  if (postmaster === null || !(await runsOn(postmaster.pid, dataDirectory))) {
    throw new VigilError('POSTGRES_FAILED', { reason: `no instance runs on ${dataDirectory}` })
  }
  process.kill(postmaster.pid, 'SIGHUP')
}
