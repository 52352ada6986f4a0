// What fences beside the guard's own kill, and what keeps the guard fit to: whether each is in force.
import type { FencingObstacles } from '../core/guard-status.ts'
import { type InstanceCgroup, openInstanceCgroup, ownCgroup } from './cgroup.ts'
import { escapeOomKiller, reserveMemory } from './memory-pressure.ts'
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
  /** What the kernel's killer is to think of PostgreSQL; null: as of the guard. */
  oomScore(): number | null
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
  let asked: FencingObstacles = {}
  let oomScore: number | null = null
  let current: Protections = { obstacles: {}, forbids: null }

  function look(): void {
    watchdog.inspect()
    const found = { 'cgroup.kill': cgroup.obstacle(), watchdog: watchdog.obstacle() }
    const next: Protections = { obstacles: { ...found, ...asked }, forbids: watchdog.forbids() }
    if (JSON.stringify(next) !== JSON.stringify(current)) current = next
  }

  return {
    cgroup,
    watchdog,
    oomScore: () => oomScore,
    async begin() {
      cgroup.prepare()
      const oom = escapeOomKiller()
      oomScore = oom.forChildren
      const memory = reserveMemory(ownCgroup())
      asked = { realtime: await raisePriority(), oom: oom.obstacle, memory }
      look()
    },
    look,
    protections: () => current,
  }
}
