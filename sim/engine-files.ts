// The engine port: the data directory and its files.
import type { Engine, InstanceSettings } from '../src/ports/engine.ts'
import {
  type Configuration,
  controlOf,
  NOT_LEADER,
  readDirectory,
  unusedReservations,
} from './data-directory.ts'
import type { Answers } from './engine-answers.ts'
import { copyFrom, initialiseDirectory, rewindTo } from './long-work.ts'
import type { Process } from './process.ts'
import { ancestorOf, historyLines } from './wal.ts'
import type { Host, World } from './world.ts'

type Files = Pick<
  Engine,
  | 'dataDirectory'
  | 'controlData'
  | 'startCommand'
  | 'writeConfiguration'
  | 'markServed'
  | 'ensureStandbySignal'
  | 'hasStandbySignal'
  | 'reserveTimelines'
  | 'history'
  | 'seat'
  | 'setSeat'
>

export function engineFiles({ postgres }: Host, { answer, disk }: Answers): Files {
  /** Something small that is written there, if there is a directory. */
  const change = (write: (directory: NonNullable<typeof postgres.directory>) => void) =>
    answer(disk(), () => {
      if (postgres.directory) write(postgres.directory)
    })
  return {
    dataDirectory: signal => answer(disk(), () => readDirectory(postgres.directory), signal),
    controlData: signal => answer(disk(), () => controlOf(required(postgres.directory)), signal),
    startCommand: async () => {
      await change(directory => {
        for (const timeline of unusedReservations(directory)) directory.reserved.delete(timeline)
      })
      return { program: 'postgres', arguments: [], environment: {} }
    },
    writeConfiguration: (settings, upstream, slot, role) =>
      answer(disk(), () => {
        const directory = required(postgres.directory)
        const next: Configuration = {
          upstream,
          slot,
          parameters: settings.parameters,
          role,
          names: namesFor(settings, role),
          closed: settings.closed ?? false,
        }
        const same = JSON.stringify(directory.configuration) === JSON.stringify(next)
        directory.configuration = next
        return !same
      }),
    markServed: () =>
      change(directory => {
        directory.marker = null
      }),
    ensureStandbySignal: () =>
      change(directory => {
        directory.standbySignal = true
      }),
    hasStandbySignal: () => answer(disk(), () => postgres.directory?.standbySignal ?? false),
    reserveTimelines: (from, timeline) =>
      change(directory => {
        for (let number = from + 1; number < timeline; number++) directory.reserved.add(number)
      }),
    history: timeline =>
      answer(disk(), () => {
        const branch = postgres.directory && ancestorOf(postgres.directory.copy, timeline)
        return branch ? historyLines(branch) : null
      }),
    seat: () => answer(disk(), () => postgres.directory?.seat ?? null),
    setSeat: seat =>
      change(directory => {
        directory.seat = seat
      }),
  }
}

function namesFor(settings: InstanceSettings, role: 'primary' | 'standby'): string {
  if (role === 'standby') return NOT_LEADER
  return settings.synchronousNames ?? settings.parameters['synchronous_standby_names'] ?? ''
}

type LongWork = Pick<
  Engine,
  'initialise' | 'clone' | 'rewind' | 'discardReplaced' | 'removeUnfinished' | 'keepEvidence' | 'evidence'
>

export function engineLongWork(
  world: World,
  host: Host,
  agent: Process,
  { answer, disk }: Answers,
): LongWork {
  const { postgres } = host
  return {
    initialise: signal => initialiseDirectory(world, host, agent, signal),
    clone: (source, expected, progress, signal) =>
      copyFrom(world, host, { agent, source, expected, progress, signal }),
    rewind: (source, expected, signal) => rewindTo(world, host, { agent, source, expected, signal }),
    keepEvidence: (_order, signal) => answer(disk(), () => null, signal),
    evidence: () => answer(disk(), () => []),
    discardReplaced: () =>
      answer(disk(), () => {
        for (const directory of postgres.replaced.splice(0)) world.observe.directoryRemoved(host, directory)
      }),
    removeUnfinished: () =>
      answer(disk(), () => {
        const { directory } = postgres
        if (directory?.marker !== 'bootstrap') throw new Error('not an unfinished bootstrap')
        postgres.directory = null
        world.observe.directoryRemoved(host, directory)
      }),
  }
}

function required<T>(directory: T | null): T {
  if (directory === null) throw new Error('no data directory')
  return directory
}
