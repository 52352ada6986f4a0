// Carries out what the step decided. Kills and signals act at once; what needs the disk ends later, with an event.
import { join } from 'node:path'
import { unreachable } from '../kernel/assert.ts'
import { reasonOf } from '../kernel/errors.ts'
import type { StartCommand } from '../ports/guard.ts'
import { openBoundedLog } from './bounded-log.ts'
import * as files from './data-files.ts'
import type { WatchedInstance } from './instance.ts'
import type { Layers } from './layers.ts'
import type { GuardEffect, GuardEvent } from './model.ts'
import { type Execution, executePostmaster } from './postmaster.ts'
import { worksElsewhere } from './processes.ts'
import { setRunMark } from './run-mark.ts'

const OUTPUT_FILE_BYTES = 16 * 1024 * 1024

export interface HandsOptions {
  readonly stateDirectory: string
  readonly dataDirectory: string
  readonly setpriv: string
  readonly instance: WatchedInstance
  readonly layers: Layers
  readonly feed: (event: GuardEvent) => void
  readonly end: () => void
}

export interface Hands {
  perform(effect: GuardEffect): void
  /** Grows with each run of an instance: what was begun in an earlier one says nothing about this one. */
  readonly run: number
  /** Takes charge of an instance that something else started. */
  adopt(pid: number, abandoned: boolean): void
}

export function createHands(options: HandsOptions): Hands {
  const { stateDirectory, dataDirectory, instance, feed } = options
  const output = openBoundedLog(join(stateDirectory, 'postgresql.log'), OUTPUT_FILE_BYTES)
  let owner: files.Owner | null = null
  let run = 0

  async function ensureStandbySignal(): Promise<void> {
    const failure = await prepareRun(options).then(
      found => {
        owner = found
        return files.ensureStandbySignal(dataDirectory)
      },
      error => reasonOf(error),
    )
    feed({ kind: 'signal-ensured', failure })
  }

  function execute(command: StartCommand): void {
    run++
    try {
      executePostmaster(execution(command))
    } catch (error) {
      // An argument list that is too long, no memory: thrown, where others come as an event.
      feed({ kind: 'start-failed', reason: reasonOf(error) })
    }
  }

  function execution(command: StartCommand): Execution {
    return {
      setpriv: options.setpriv,
      command,
      owner,
      cgroupProcs: options.layers.cgroup.prepare(),
      oomScore: options.layers.oomScore(),
      log: output,
      started(pid) {
        instance.watch(pid, true)
        feed({ kind: 'started', pid })
      },
      failed: reason => feed({ kind: 'start-failed', reason }),
      ended(end) {
        instance.forget()
        feed({ kind: 'postmaster-exited', ...end })
      },
    }
  }

  async function writePromoteFile(): Promise<void> {
    const { watchdog } = options.layers
    await watchdog.settled()
    const failure = watchdog.forbidsPromotion() ?? (await files.writePromoteFile(dataDirectory))
    feed({ kind: 'promote-file-written', failure })
  }

  const perform = (effect: GuardEffect): void => {
    if (effect.kind === 'kill-all') feed(instance.kill())
    else if (effect.kind === 'list-processes') feed(instance.look())
    else if (effect.kind === 'ensure-standby-signal') void ensureStandbySignal()
    else if (effect.kind === 'exec') execute(effect.command)
    else if (effect.kind === 'write-promote-file') void writePromoteFile()
    else if (effect.kind === 'signal') instance.signal(effect.signal)
    else if (effect.kind === 'end') options.end()
    else unreachable(effect)
  }

  return {
    perform,
    get run() {
      return run
    },
    adopt(pid, abandoned) {
      run++
      instance.watch(pid, false)
      feed({ kind: 'found', pid, abandoned })
      void setRunMark(stateDirectory).catch(() => {
        // Without the mark the next guard would adopt it again, as this one did.
      })
    },
  }
}

/** Before each start: the mark first, so that a run without a guard is known as abandoned. */
async function prepareRun({
  stateDirectory,
  dataDirectory,
  instance,
  layers,
}: HandsOptions): Promise<files.Owner | null> {
  // They can do no harm, but they still hold the data directory: a task that a disk keeps in the kernel, killed.
  if (layers.cgroup.processes().length > 0) throw new Error('processes of the last run have not left yet')
  await setRunMark(stateDirectory)
  const directory = await files.resolveDirectory(dataDirectory)
  instance.locate(directory)
  // PostgreSQL takes a zombie for a running postmaster, and some first processes of a container reap late or never.
  const lock = await files.readLockFile(dataDirectory)
  if (lock && worksElsewhere(lock.pid, directory)) await files.removeLockFiles(dataDirectory, lock)
  return process.getuid?.() === 0 ? files.ownerOf(dataDirectory) : null
}
