// What the guard knows, hears and does, as plain data (protocol A5). No clock, no process, no file in here.
import type { Instant, Ms } from '../kernel/time.ts'
import type { GuardMode, GuardStatus, PostmasterExit, StartCommand, StopMode } from '../ports/guard.ts'

/**
 * How often the guard looks at the time and tells the agent, unasked, how it is. What it tells is good for 600 ms, so it
 * may be a quarter of a second late. Each costs both processes a wake-up: a third of a millisecond of an idle processor.
 */
export const TICK_MS: Ms = 333
/** Of each so many ticks one looks at files and processes too: once a second. */
export const TICKS_PER_LOOK = 3

/** Why an instance ended, see PostmasterExit. */
export type EndCause = PostmasterExit['cause']

/** What the agent asks. Each message is answered exactly once, at once or when its effects are done. */
export type GuardMessage =
  | { readonly kind: 'hello' }
  | { readonly kind: 'arm'; readonly term: number; readonly deadline: Instant; readonly ttl: Ms }
  | { readonly kind: 'lower'; readonly deadline: Instant }
  | { readonly kind: 'drop'; readonly term: number }
  | { readonly kind: 'unarm'; readonly term: number }
  | { readonly kind: 'start'; readonly command: StartCommand }
  | { readonly kind: 'stop'; readonly mode: StopMode }
  | { readonly kind: 'promote'; readonly term: number }
  | { readonly kind: 'kill' }
  | { readonly kind: 'quit' }

export type GuardEvent =
  /** `id` names the request in the answer; unique among those not answered yet. */
  | { readonly kind: 'message'; readonly id: number; readonly message: GuardMessage }
  /** Each TICK_MS, and at the deadline. */
  | { readonly kind: 'tick' }
  /** Ends the effect `ensure-standby-signal`. */
  | { readonly kind: 'signal-ensured'; readonly failure: string | null }
  /** Ends the effect `exec`. */
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'start-failed'; readonly reason: string }
  /** Ends the effect `write-promote-file`. */
  | { readonly kind: 'promote-file-written'; readonly failure: string | null }
  | {
      readonly kind: 'postmaster-exited'
      readonly code: number | null
      readonly signal: string | null
      readonly output: string
    }
  /** Ends the effects `kill-all` and `list-processes`. A task with a pending SIGKILL is not alive. */
  | { readonly kind: 'processes'; readonly alive: boolean }
  /** A running instance that this guard did not start; `abandoned`: another guard, dead now, was in charge of it. */
  | { readonly kind: 'found'; readonly pid: number; readonly abandoned: boolean }
  /** A look at `standby.signal` that certainly began and ended during the current run of the instance. */
  | { readonly kind: 'signal-file'; readonly present: boolean }

/** Carried out in order. Those that end with an event may take as long as they like: the clock is checked again then. */
export type GuardEffect =
  /** Kills every process of the instance; ends with `processes`. Touches no disk, starts no process. */
  | { readonly kind: 'kill-all' }
  /** Looks whether anything of the instance is alive; ends with `processes`. */
  | { readonly kind: 'list-processes' }
  /** `standby.signal` on disk and its folder synced; ends with `signal-ensured`. */
  | { readonly kind: 'ensure-standby-signal' }
  /** Executes the postmaster; ends with `started` or `start-failed`. */
  | { readonly kind: 'exec'; readonly command: StartCommand }
  /** Ends with `promote-file-written`; after a failure the file is gone again. */
  | { readonly kind: 'write-promote-file' }
  /** SIGUSR1 promotes, SIGINT stops fast, SIGQUIT stops immediately. Never sent if the postmaster is gone. */
  | { readonly kind: 'signal'; readonly signal: 'SIGUSR1' | 'SIGINT' | 'SIGQUIT' }
  /** Ends the guard process. */
  | { readonly kind: 'end' }

/** To the request with this id; the status that goes with it is `statusOf` the state after the step. */
export type Answer =
  | { readonly to: number; readonly kind: 'done' }
  | { readonly to: number; readonly kind: 'refused'; readonly reason: string }

/** A request whose effects are under way. */
export type Pending =
  | {
      readonly kind: 'start'
      readonly id: number
      readonly command: StartCommand
      readonly executed: boolean
    }
  | { readonly kind: 'promote'; readonly id: number; readonly term: number }

export interface GuardState {
  readonly mode: GuardMode
  readonly term: number | null
  /** Set exactly in mode `armed`. Within a term it only grows, except by `lower`. */
  readonly deadline: Instant | null
  /** The highest term that was dropped or that ran into its deadline and a new start: never armed again. */
  readonly endedTerm: number
  /** The highest term that a promotion was begun in. A term promotes one run of the postmaster only. */
  readonly promotedTerm: number
  /** That promotion belongs to the instance that runs now. */
  readonly promotedThisRun: boolean
  readonly postmaster: number | null
  /** True from before the exec until a look at the processes found none. */
  readonly alive: boolean
  readonly adopted: boolean
  /** `standby.signal` was on disk at some time of this run: if it is gone, somebody promoted. */
  readonly signalSeen: boolean
  /** Everything is being killed; set until a look found nothing alive. */
  readonly killing: boolean
  /** Who ended the instance that runs or ran last; null: nobody so far. */
  readonly endCause: EndCause | null
  readonly exit: PostmasterExit | null
  readonly pending: Pending | null
  /** A write that hangs in a slow disk must not promote a later run. */
  readonly writingPromoteFile: boolean
  /** `kill` requests, answered when nothing is alive. */
  readonly killRequests: readonly number[]
}

export interface Step {
  readonly state: GuardState
  readonly effects: readonly GuardEffect[]
  readonly answers: readonly Answer[]
}

export const INITIAL_STATE: GuardState = {
  mode: 'standby',
  term: null,
  deadline: null,
  endedTerm: 0,
  promotedTerm: 0,
  promotedThisRun: false,
  postmaster: null,
  alive: false,
  adopted: false,
  signalSeen: false,
  killing: false,
  endCause: null,
  exit: null,
  pending: null,
  writingPromoteFile: false,
  killRequests: [],
}

export function statusOf(state: GuardState): GuardStatus {
  const { mode, term, deadline, postmaster, alive, exit, adopted } = state
  return { mode, term, deadline, postmaster, alive, exit, adopted }
}

export function unchanged(state: GuardState): Step {
  return { state, effects: [], answers: [] }
}

/** Something of the instance may act, or it is not known yet that nothing can. */
export function running(state: GuardState): boolean {
  return state.alive || state.killing
}

/** Begins to kill everything: whatever was under way is refused, and only kills are left to do. */
export function beginKill(state: GuardState, cause: EndCause): Step {
  const answers: Answer[] = state.pending
    ? [{ to: state.pending.id, kind: 'refused', reason: 'the instance is being killed' }]
    : []
  return {
    state: { ...state, killing: true, endCause: state.endCause ?? cause, pending: null },
    effects: [{ kind: 'kill-all' }],
    answers,
  }
}
