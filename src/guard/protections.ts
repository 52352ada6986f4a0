// What the guard says of the layers that fence beside it: in force, or why not.
import type { FencingObstacles, GuardLayer } from '../core/guard-status.ts'

export interface Protections {
  /** The same object until something changes. */
  readonly obstacles: FencingObstacles
  /** Why this guard would refuse a promotion; null: nothing speaks against it. */
  readonly forbids: string | null
}

export interface ProtectionBoard {
  current(): Protections
  report(layer: GuardLayer, obstacle: string | null): void
  forbid(reason: string | null): void
}

export function createProtectionBoard(): ProtectionBoard {
  let current: Protections = { obstacles: {}, forbids: null }
  return {
    current: () => current,
    report(layer, obstacle) {
      if (current.obstacles[layer] === obstacle) return
      current = { ...current, obstacles: { ...current.obstacles, [layer]: obstacle } }
    },
    forbid(reason) {
      if (current.forbids !== reason) current = { ...current, forbids: reason }
    },
  }
}
