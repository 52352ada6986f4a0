// The guard's decisions: one pure step, used by the guard process and by the simulator alike (protocol A5).
import { unreachable } from '../kernel/assert.ts'
import { type Instant, reached } from '../kernel/time.ts'
import { judge } from './messages.ts'
import {
  type Answer,
  beginKill,
  type GuardEvent,
  type GuardState,
  running,
  type Step,
  unchanged,
} from './model.ts'

/**
 * `now` was read before the event was looked at. The deadline comes first: at or after it everything is killed, and
 * the event is judged afterwards. It is checked again behind the event, which may have lowered it.
 */
export function step(state: GuardState, event: GuardEvent, now: Instant): Step {
  const before = enforceDeadline(state, now)
  const handled = handle(before.state, event, now)
  const after = enforceDeadline(handled.state, now)
  const effects = [...before.effects, ...handled.effects, ...after.effects]
  const firstKill = effects.findIndex(effect => effect.kind === 'kill-all')
  return {
    state: after.state,
    effects: effects.filter((effect, index) => effect.kind !== 'kill-all' || index === firstKill),
    answers: [...before.answers, ...handled.answers, ...after.answers],
  }
}

function enforceDeadline(state: GuardState, now: Instant): Step {
  if (state.mode !== 'armed' || !reached(state.deadline!, now)) return unchanged(state)
  // Also when nothing is known to be alive: somebody may have started it by hand a moment ago.
  return beginKill({ ...state, mode: 'fenced', deadline: null, endCause: 'deadline' }, 'deadline')
}

function handle(state: GuardState, event: GuardEvent, now: Instant): Step {
  switch (event.kind) {
    case 'message':
      return judge(state, event.id, event.message, now)
    case 'tick':
      return tick(state)
    case 'signal-ensured':
      return signalEnsured(state, event.failure)
    case 'started':
      return started(state, event.pid)
    case 'start-failed':
      return startFailed(state, event.reason)
    case 'promote-file-written':
      return promoteFileWritten(state, event.failure)
    case 'postmaster-exited':
      return exited(state, event)
    case 'processes':
      return processes(state, event.alive)
    case 'found':
      return found(state, event.pid, event.abandoned)
    case 'signal-file':
      return signalFile(state, event.present)
    default:
      return unreachable(event)
  }
}

function tick(state: GuardState): Step {
  const orphans = state.alive && state.postmaster === null && state.pending === null
  return state.killing || orphans ? beginKill(state, 'self') : unchanged(state)
}

function signalEnsured(state: GuardState, failure: string | null): Step {
  const { pending } = state
  if (pending?.kind !== 'start' || pending.executed) return unchanged(state)
  if (failure !== null) return refusePending(state, `standby.signal could not be made sure of: ${failure}`)
  // Somebody was faster with a start of their own.
  if (running(state) || state.postmaster !== null)
    return refusePending(state, 'processes of the instance are alive')

  // A term that ran into its deadline can't be armed any more once an instance is up again (A5-2).
  const fenced = state.mode === 'fenced'
  const endedTerm = fenced ? Math.max(state.endedTerm, state.term ?? 0) : state.endedTerm
  const leftFenced = fenced ? { mode: 'standby' as const, term: null, endedTerm } : {}
  return {
    state: {
      ...state,
      ...leftFenced,
      alive: true,
      adopted: false,
      promotedThisRun: false,
      signalSeen: true,
      endCause: null,
      exit: null,
      pending: { ...pending, executed: true },
    },
    effects: [{ kind: 'exec', command: pending.command }],
    answers: [],
  }
}

function started(state: GuardState, pid: number): Step {
  const up = { ...state, postmaster: pid, alive: true }
  // It was to be killed while the exec was under way.
  if (state.pending?.kind !== 'start') return beginKill(up, 'request')
  return {
    state: { ...up, pending: null },
    effects: [],
    answers: [{ to: state.pending.id, kind: 'done' }],
  }
}

function startFailed(state: GuardState, reason: string): Step {
  const stopped = { ...state, postmaster: null, alive: false }
  return refusePending(stopped, reason)
}

function promoteFileWritten(state: GuardState, failure: string | null): Step {
  const { pending } = state
  const written = { ...state, writingPromoteFile: false }
  // The deadline, a kill or the postmaster's end came between; the next postmaster removes the file when it starts.
  if (pending?.kind !== 'promote') return unchanged(written)
  if (failure !== null) return refusePending(written, `not promoted: ${failure}`)
  return {
    state: { ...written, pending: null },
    effects: [{ kind: 'signal', signal: 'SIGUSR1' }],
    answers: [{ to: pending.id, kind: 'done' }],
  }
}

function exited(state: GuardState, event: GuardEvent & { readonly kind: 'postmaster-exited' }): Step {
  const { code, signal, output } = event
  const cause = state.endCause ?? 'self'
  const refusal = refusePending(state, 'the postmaster has exited')
  const gone: GuardState = {
    ...refusal.state,
    postmaster: null,
    adopted: false,
    endCause: cause,
    exit: { code, signal, cause, output },
  }
  // After a clean end the log collector needs a moment for its last lines; the next tick kills what is left.
  if (code === 0 && !state.killing) return { ...refusal, state: gone, effects: [{ kind: 'list-processes' }] }
  const killed = beginKill(gone, cause)
  return { ...killed, answers: [...refusal.answers, ...killed.answers] }
}

function processes(state: GuardState, alive: boolean): Step {
  if (alive) return unchanged({ ...state, alive })
  const answers: Answer[] = state.killRequests.map(to => ({ to, kind: 'done' }))
  return { state: { ...state, alive, killing: false, killRequests: [] }, effects: [], answers }
}

function found(state: GuardState, pid: number, abandoned: boolean): Step {
  if (state.alive || state.postmaster !== null || state.pending !== null) return unchanged(state)
  const adopting: GuardState = {
    ...state,
    postmaster: pid,
    alive: true,
    adopted: true,
    promotedThisRun: false,
    signalSeen: false,
    endCause: null,
    exit: null,
  }
  // Under which deadline a dead guard had it, nobody knows any more.
  if (abandoned) return beginKill({ ...adopting, mode: 'fenced', deadline: null }, 'fault')
  return state.mode === 'fenced' ? beginKill(adopting, 'fault') : unchanged(adopting)
}

function signalFile(state: GuardState, present: boolean): Step {
  const seen = { ...state, signalSeen: state.signalSeen || present }
  const promotedByHand = state.mode === 'standby' && state.alive && state.signalSeen && !present
  if (!promotedByHand || state.killing) return unchanged(seen)
  return beginKill({ ...seen, mode: 'fenced' }, 'promoted')
}

function refusePending(state: GuardState, reason: string): Step {
  const answers: Answer[] = state.pending ? [{ to: state.pending.id, kind: 'refused', reason }] : []
  return { state: { ...state, pending: null }, effects: [], answers }
}
