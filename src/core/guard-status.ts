// What the guard says of itself and of the instance (protocol A5).
import type { Instant } from '../kernel/time.ts'

/**
 * `standby`: no deadline. `armed`: may be primary in `term` until `deadline`. `unarmed`: maintenance pause, no
 * deadline. `fenced`: everything was killed, or is being killed.
 */
export type GuardMode = 'standby' | 'armed' | 'unarmed' | 'fenced'

/**
 * What fences beside the guard's own kill. The last three keep the guard itself fit: `realtime` makes its kill prompt
 * on a machine that is busy, `oom` and `memory` keep it alive and in memory when that runs out.
 */
export type GuardLayer = 'cgroup.kill' | 'nftables' | 'watchdog' | 'realtime' | 'oom' | 'memory'

/** Why a layer is not in force; null: it is. What is not named was not asked yet. */
export type FencingObstacles = Readonly<Partial<Record<GuardLayer, string | null>>>

/** The kernel's gate at the database port is about to shut, or has, though the deadline was granted. */
export interface GateTrouble {
  readonly reason: string
  readonly since: Instant
}

/** What the guard says of itself and of the instance, with each answer and each tick of the guard. */
export interface GuardStatus {
  readonly mode: GuardMode
  readonly term: number | null
  /** On the machine's clocks: the guard and the agent share them. */
  readonly deadline: Instant | null
  /** Process id of the postmaster, or null when none runs. */
  readonly postmaster: number | null
  /** Whether any process of the instance is alive (a task with a pending SIGKILL does not count). */
  readonly alive: boolean
  /** How the last postmaster ended, until the next start. */
  readonly exit: PostmasterExit | null
  /** Whether an outside start (not by this guard) runs the data directory: fenced, but not by PDEATHSIG. */
  readonly adopted: boolean
  readonly obstacles?: FencingObstacles
  /** Why a promotion would be refused here; such a member does not try to lead. */
  readonly forbids?: string | null
  readonly gateTrouble?: GateTrouble | null
}

export interface PostmasterExit {
  readonly code: number | null
  readonly signal: string | null
  /**
   * Who wanted it. `deadline`: the guard at D. `request`: stop or kill asked by the agent. `promoted`: the
   * guard, since somebody promoted it without a term. `fault`: the guard, since it was started behind its back.
   * `self`: nobody.
   */
  readonly cause: 'deadline' | 'request' | 'promoted' | 'fault' | 'self'
  /** The last lines that the postmaster printed. */
  readonly output: string
}
