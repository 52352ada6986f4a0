// Time and chance as one process is given them.
import type { Clock } from '../src/ports/clock.ts'
import type { HostClock } from './host-clock.ts'
import type { Process } from './process.ts'
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
    const arm = () =>
      void scheduler.after(Math.max(0.01, clock.dueAt(due) - scheduler.now()), () => {
        if (!cancelled) process.deliver(fire)
      })
    arm()
    return () => {
      cancelled = true
    }
  }
  return {
    now: () => clock.now(),
    wallTime: () => new Date(clock.wall()),
    after,
    limit: ms => {
      const controller = new AbortController()
      after(ms, () => controller.abort())
      return controller.signal
    },
    randomId: () => random.hex(),
  }
}
