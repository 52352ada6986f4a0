// The dead-man's switch as the agent sees it (protocol A5). The guard is a separate process, parent of the postmaster.
import type { GuardStatus } from '../core/guard-status.ts'
import type { Instant, Ms } from '../kernel/time.ts'

export type { GuardMode, GuardStatus, PostmasterExit } from '../core/guard-status.ts'

export interface StartCommand {
  readonly program: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** `refused` names the rule that stood against it; nothing was changed. `lost`: no answer; nothing may be assumed. */
export type GuardAnswer =
  | { readonly kind: 'done'; readonly status: GuardStatus }
  | { readonly kind: 'refused'; readonly reason: string; readonly status: GuardStatus }
  | { readonly kind: 'lost'; readonly reason: string }

export type StopMode = 'fast' | 'immediate'

export interface Guard {
  /** The last status received and when; lost when the connection is gone or no echo came for 600 ms. */
  status(): { readonly status: GuardStatus; readonly echoAt: Instant } | null
  /** (Re-)connects, starting a guard when none runs. True when connected. */
  ensure(signal: AbortSignal): Promise<boolean>
  /** Moves the deadline up, only while now < D or the instance is dead; never beyond now + ttl (A5-2). */
  arm(term: number, deadline: Instant, ttl: Ms): Promise<GuardAnswer>
  /** Brings the deadline nearer: before a shorter ttl is sent. */
  lower(deadline: Instant): Promise<GuardAnswer>
  /** Ends the term for this guard: it never arms it again. Only while nothing is alive. */
  drop(term: number): Promise<GuardAnswer>
  /** Maintenance pause: no deadline while primary. */
  unarm(term: number): Promise<GuardAnswer>
  /** Executes the postmaster, after making sure that `standby.signal` is on disk: a start never writes. */
  start(command: StartCommand): Promise<GuardAnswer>
  /** Signals a running postmaster to stop; returns at once. */
  stop(mode: StopMode): Promise<GuardAnswer>
  /** Writes the promote file and signals, only when armed for `term` and now < D. */
  promote(term: number): Promise<GuardAnswer>
  /** Kills every process of the instance; `done` with alive = false when nothing of it can act any more. */
  kill(): Promise<GuardAnswer>
  /**
   * For when the guard is lost: kills every process of the instance, and the guard itself if it is stopped or hung,
   * by the same code. True when nothing can act any more.
   */
  killWithoutGuard(): Promise<boolean>
  /** Called when something changed: the postmaster exited, the guard was lost. */
  onChange(changed: () => void): void
  /** Ends the guard process; refused while the instance runs. */
  quit(): Promise<void>
  /** Closes the connection only: the guard and the instance go on (agent restart, upgrade). */
  detach(): void
}
