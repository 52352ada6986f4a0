// One restart at a later time, kept in memory: an agent that restarts forgets it, as Patroni's does.
import type { Ms } from '../kernel/time.ts'
import type { Clock } from '../ports/clock.ts'

export interface ScheduledRestart {
  /** ISO text. */
  readonly schedule: string
  readonly epochMs: number
  /** Start time of the instance it was meant for: after a restart in between it is void. */
  readonly postmasterStartedAt: string | null
  /** The request's conditions, as they were sent. */
  readonly conditions: Readonly<Record<string, unknown>>
}

export interface RestartSchedule {
  pending(): ScheduledRestart | null
  /** False: another one is pending. */
  set(restart: ScheduledRestart, due: () => void): boolean
  /** False: nothing was pending. */
  clear(): boolean
}

/** The wall clock may be moved while we wait. */
const LOOK_AGAIN_MS: Ms = 30_000

export function createRestartSchedule(clock: Clock): RestartSchedule {
  let pending: { readonly restart: ScheduledRestart; cancel: () => void } | null = null
  const wait = (restart: ScheduledRestart, due: () => void) => {
    const left = restart.epochMs - clock.wallTime().getTime()
    return clock.after(Math.max(0, Math.min(left, LOOK_AGAIN_MS)), () => {
      if (pending?.restart !== restart) return
      if (restart.epochMs > clock.wallTime().getTime()) pending.cancel = wait(restart, due)
      else {
        pending = null
        due()
      }
    })
  }
  return {
    pending: () => pending?.restart ?? null,
    set(restart, due) {
      if (pending) return false
      pending = { restart, cancel: () => {} }
      pending.cancel = wait(restart, due)
      return true
    },
    clear() {
      pending?.cancel()
      const had = pending !== null
      pending = null
      return had
    },
  }
}
