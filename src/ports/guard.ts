// The dead-man's switch as the agent sees it (protocol A5). The guard is a separate process, parent of the postmaster.
import type { Instant, Ms } from '../kernel/time.ts'

/**
 * `standby`: no deadline. `armed`: may be primary in `term` until `deadline`. `unarmed`: maintenance pause, no
 * deadline. `fenced`: everything was killed, or is being killed.
 */
export type GuardMode = 'standby' | 'armed' | 'unarmed' | 'fenced'

/** What the guard says of itself and of the instance, with each answer and every 200 ms. */
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
}

export interface PostmasterExit {
  readonly code: number | null
  readonly signal: string | null
  /** Who wanted it. `deadline`: the guard at D. `request`: stop or kill asked by the agent. `self`: nobody. */
  readonly cause: 'deadline' | 'request' | 'self'
  /** The last lines that the postmaster printed. */
  readonly output: string
}

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
  /** Called when something changed: the postmaster exited, the guard was lost. */
  onChange(changed: () => void): void
  /** Ends the guard process; refused while the instance runs. */
  quit(): Promise<void>
  /** Closes the connection only: the guard and the instance go on (agent restart, upgrade). */
  detach(): void
}
