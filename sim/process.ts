// A process on a simulated machine: it may be stopped and continued, and it may die at any instant. Whatever was to
// reach it waits while it is stopped and is lost when it is dead.
import type { Scheduler } from './scheduler.ts'

export interface Process {
  readonly name: string
  alive(): boolean
  /** Alive and not stopped, and neither is its machine. */
  running(): boolean
  /** Runs `callback` now, or when it is continued, or never. */
  deliver(callback: () => void): void
  /** Delivers after `ms` of true time. */
  later(ms: number, callback: () => void): void
  stop(): void
  continue(): void
  kill(): void
  onDeath(callback: () => void): void
}

export interface ProcessWorld {
  readonly scheduler: Scheduler
  /** The whole machine stands still. */
  readonly frozen: () => boolean
}

export function createProcess(name: string, world: ProcessWorld): Process {
  let state: 'running' | 'stopped' | 'dead' = 'running'
  let waiting: (() => void)[] = []
  const deathCallbacks: (() => void)[] = []

  const process: Process = {
    name,
    alive: () => state !== 'dead',
    running: () => state === 'running' && !world.frozen(),
    deliver: callback => {
      if (state === 'dead') return
      if (process.running()) callback()
      else waiting.push(callback)
    },
    later: (ms, callback) => void world.scheduler.after(ms, () => process.deliver(callback)),
    stop: () => {
      if (state === 'running') state = 'stopped'
    },
    continue: () => {
      if (state === 'stopped') state = 'running'
      if (!process.running()) return
      const overdue = waiting
      waiting = []
      // One event each: between two of them promises go on, as they do in a real process.
      for (const callback of overdue) world.scheduler.after(0, () => process.deliver(callback))
    },
    kill: () => {
      if (state === 'dead') return
      state = 'dead'
      waiting = []
      for (const callback of deathCallbacks.splice(0)) callback()
    },
    onDeath: callback => void deathCallbacks.push(callback),
  }
  return process
}
