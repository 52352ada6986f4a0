// The clocks of one machine: a rate, an offset, and standstills. Everything on that machine reads these.
import type { Instant } from '../src/kernel/time.ts'
import type { TrueTime } from './scheduler.ts'

export interface HostClock {
  now(): Instant
  /** Wall clock in milliseconds; may jump. */
  wall(): number
  /** True time at which the monotonic clock will reach `mono`, if it keeps running as it does now. */
  dueAt(mono: number): TrueTime
  /** True time at which the first of both clocks reaches its part of `instant`. */
  reachedAt(instant: Instant): TrueTime
  /** `suspend`: the monotonic clock stands still. `freeze`: both do, and nothing inside can tell. */
  stop(kind: 'suspend' | 'freeze'): void
  go(): void
  /** The machine was switched off and on: both clocks begin anew. */
  restart(): void
  jumpWall(ms: number): void
}

/** Any date will do: nothing is decided by it. */
const WALL_START_MS = Date.UTC(2030, 0, 1)

export function createHostClock(
  trueNow: () => TrueTime,
  options: { readonly rate: number; readonly bootOffset: number; readonly wallOffset: number },
): HostClock {
  const { rate } = options
  let mono = 0
  let boot = options.bootOffset
  let wall = WALL_START_MS + options.wallOffset
  let since = trueNow()
  let running: 'both' | 'boot' | 'none' = 'both'

  const advance = () => {
    const passed = (trueNow() - since) * rate
    since = trueNow()
    if (running === 'both') mono += passed
    if (running !== 'none') boot += passed
    wall += running === 'none' ? 0 : passed
  }
  return {
    now: () => {
      advance()
      return { mono, boot }
    },
    wall: () => {
      advance()
      return wall
    },
    dueAt: target => {
      advance()
      return trueNow() + Math.max(0, (target - mono) / rate)
    },
    reachedAt: instant => {
      advance()
      return trueNow() + Math.min(instant.mono - mono, instant.boot - boot) / rate
    },
    stop: kind => {
      advance()
      running = kind === 'suspend' ? 'boot' : 'none'
    },
    go: () => {
      advance()
      running = 'both'
    },
    restart: () => {
      advance()
      mono = 0
      boot = 0
      running = 'both'
    },
    jumpWall: ms => {
      advance()
      wall += ms
    },
  }
}
