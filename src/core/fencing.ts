// How well a member is fenced: the layers in force, a grade for them, and what the next grade would take.
import type { FencingObstacles, GuardStatus } from './guard-status.ts'

export const FENCING_LAYERS = ['guard', 'pdeathsig', 'cgroup.kill', 'nftables', 'watchdog'] as const
export type FencingLayer = (typeof FENCING_LAYERS)[number]

export type FencingGrade = 'A' | 'B' | 'C' | 'D' | 'none'

export interface Fencing {
  readonly grade: FencingGrade
  readonly layers: readonly FencingLayer[]
  readonly missing: readonly FencingLayer[]
  /** Why a layer is missing, where that is known. */
  readonly obstacles: Readonly<Partial<Record<FencingLayer, string>>>
  /** null: there is no better one. */
  readonly next: { readonly grade: FencingGrade; readonly missing: readonly FencingLayer[] } | null
  /** Why the guard may have to queue for a processor; null: it does not. */
  readonly realtimeObstacle: string | null
  /** Why the kernel may kill the guard when memory runs out; null: it does not. */
  readonly oomObstacle: string | null
  /** Why pages of the guard may have to be read from a disk again; null: they are kept for it. */
  readonly memoryObstacle: string | null
}

/**
 * Worst first; each takes what those before it take. D fences but would not survive the guard's own death. C leaves a
 * hole that asynchronous clusters feel: agent and guard both stopped. B closes all that can be closed without hardware.
 */
const GRADES: readonly { readonly grade: FencingGrade; readonly takes: readonly FencingLayer[] }[] = [
  { grade: 'none', takes: [] },
  { grade: 'D', takes: ['guard'] },
  { grade: 'C', takes: ['pdeathsig'] },
  { grade: 'B', takes: ['cgroup.kill', 'nftables'] },
  { grade: 'A', takes: ['watchdog'] },
]

/** null: the guard does not answer, so nothing of it counts. */
export function fencingOf(guard: GuardStatus | null): Fencing {
  const layers = FENCING_LAYERS.filter(layer => guard !== null && inForce(layer, guard))
  const lacking = (takes: readonly FencingLayer[]) => takes.filter(layer => !layers.includes(layer))
  const unmet = GRADES.findIndex(({ takes }) => lacking(takes).length > 0)
  const reached = GRADES[unmet === -1 ? GRADES.length - 1 : unmet - 1]!
  const next = GRADES[unmet]
  const missing = lacking(FENCING_LAYERS)
  return {
    grade: reached.grade,
    layers,
    missing,
    obstacles: obstaclesOf(guard?.obstacles ?? {}, missing),
    next: next ? { grade: next.grade, missing: lacking(next.takes) } : null,
    realtimeObstacle: guard?.obstacles?.realtime ?? null,
    oomObstacle: guard?.obstacles?.oom ?? null,
    memoryObstacle: guard?.obstacles?.memory ?? null,
  }
}

function inForce(layer: FencingLayer, { adopted, obstacles }: GuardStatus): boolean {
  if (layer === 'guard') return true
  // An instance that something else started does not die with the guard, and is in no cgroup of ours (protocol A5-7).
  if (layer === 'pdeathsig') return !adopted
  return obstacles?.[layer] === null && !(layer === 'cgroup.kill' && adopted)
}

function obstaclesOf(
  known: FencingObstacles,
  missing: readonly FencingLayer[],
): Readonly<Partial<Record<FencingLayer, string>>> {
  const reasons: Readonly<Partial<Record<FencingLayer, string | null>>> = known
  const told = missing.flatMap(layer => {
    const reason = reasons[layer]
    return typeof reason === 'string' ? [[layer, reason] as const] : []
  })
  return Object.fromEntries(told)
}
