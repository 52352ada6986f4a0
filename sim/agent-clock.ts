// Time and chance as one process is given them.
import type { Clock } from '../src/ports/clock.ts'
import type { HostClock } from './host-clock.ts'
import { limitSignal } from './limit.ts'
import type { Process } from './process.ts'
import type { Event } from './scheduler.ts'
import type { World } from './world.ts'

export function openClock(world: World, clock: HostClock, process: Process): Clock {
  const { scheduler, random } = world
  const after = (ms: number, callback: () => void): (() => void) => {
    const due = clock.now().mono + Math.max(0, ms)
    let cancelled = false
    const fire = () => {
      if (cancelled) return
      // The clock may have stood still meanwhile.
      if (clock.now().mono < due - 1e-6) arm()
      else callback()
    }
    let event: Event
    const arm = () => {
      event = scheduler.after(Math.max(0.01, clock.dueAt(due) - scheduler.now()), () => process.deliver(fire))
    }
    arm()
    return () => {
      cancelled = true
      event.run = null
    }
  }
  return {
    now: () => clock.now(),
    wallTime: () => new Date(clock.wall()),
    after,
    limit: ms => {
      const due = clock.now().mono + Math.max(0, ms)
      const left = () => due - clock.now().mono
      return limitSignal(
        () => left() <= 0,
        callback => after(left(), callback),
      )
    },
    randomId: () => random.hex(),
  }
}
