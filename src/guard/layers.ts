// What fences beside the guard's own kill, and whether it is in force: the cgroup, the watchdog, the real-time class.
import type { FencingObstacles } from '../core/guard-status.ts'
import { type InstanceCgroup, openInstanceCgroup } from './cgroup.ts'
import { raisePriority } from './priority.ts'
import { createWatchdog, type Watchdog, type WatchdogSettings } from './watchdog.ts'

export interface Protections {
  readonly obstacles: FencingObstacles
  /** Why this guard would refuse a promotion; null: nothing speaks against it. */
  readonly forbids: string | null
}

export interface Layers {
  readonly cgroup: InstanceCgroup
  readonly watchdog: Watchdog
  /** Before anything is started. */
  begin(): Promise<void>
  /** Once a second. */
  look(): void
  /** The same object until something changes. */
  protections(): Protections
}

export function openLayers(dataDirectory: string, settings: WatchdogSettings): Layers {
  const cgroup = openInstanceCgroup(dataDirectory)
  const watchdog = createWatchdog(settings)
  let realtime: string | null = 'not asked for yet'
  let current: Protections = { obstacles: {}, forbids: null }

  function look(): void {
    watchdog.inspect()
    const { obstacles } = current
    const [killable, watched, forbids] = [cgroup.obstacle(), watchdog.obstacle(), watchdog.forbids()]
    const unchanged =
      obstacles['cgroup.kill'] === killable &&
      obstacles.watchdog === watched &&
      obstacles.realtime === realtime &&
      current.forbids === forbids
    if (unchanged) return
    current = { obstacles: { 'cgroup.kill': killable, watchdog: watched, realtime }, forbids }
  }

  return {
    cgroup,
    watchdog,
    async begin() {
      cgroup.prepare()
      realtime = await raisePriority()
      look()
    },
    look,
    protections: () => current,
  }
}
