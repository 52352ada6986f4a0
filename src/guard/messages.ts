// Which of the agent's requests the guard grants (protocol A5, points 1 to 4). The deadline was checked before.
import { unreachable } from '../kernel/assert.ts'
import { earlier, type Instant, isAfter, later, type Ms, reached } from '../kernel/time.ts'
import type { StartCommand, StopMode } from '../ports/guard.ts'
import {
  beginKill,
  type GuardEffect,
  type GuardMessage,
  type GuardState,
  running,
  type Step,
} from './model.ts'

const KILL_REQUESTS_KEPT = 16

/** The answer to one message; `start`, `promote` and `kill` are answered when their effects are done. */
export function judge(state: GuardState, id: number, message: GuardMessage, now: Instant): Step {
  switch (message.kind) {
    case 'hello':
      return done(state, id)
    case 'arm':
      return arm(state, id, message, now)
    case 'lower':
      return lower(state, id, message.deadline)
    case 'drop':
      return drop(state, id, message.term)
    case 'unarm':
      return unarm(state, id, message.term)
    case 'start':
      return start(state, id, message.command)
    case 'stop':
      return stop(state, id, message.mode)
    case 'promote':
      return promote(state, id, message.term)
    case 'kill':
      return kill(state, id)
    case 'quit':
      return quit(state, id)
    default:
      return unreachable(message)
  }
}

interface Arming {
  readonly term: number
  readonly deadline: Instant
  readonly ttl: Ms
}

function arm(state: GuardState, id: number, arming: Arming, now: Instant): Step {
  const { term, deadline, ttl } = arming
  const servesOlderTerm = state.alive && state.promotedThisRun && state.promotedTerm !== term
  if (term <= state.endedTerm) return refused(state, id, `term ${term} has ended here`)
  if (state.term !== null && term < state.term) return refused(state, id, `term ${state.term} came after it`)
  if (state.mode === 'fenced' && running(state)) return refused(state, id, 'the instance is being killed')
  // Every promotion has its own term: what was promoted in one must not go on in the next.
  if (servesOlderTerm) return refused(state, id, `the instance was promoted in term ${state.promotedTerm}`)
  if (reached(deadline, now)) return refused(state, id, 'the deadline has passed')
  if (!isAfter(later(now, ttl), deadline)) return refused(state, id, 'the deadline lies beyond now + ttl')

  const sameTerm = state.mode === 'armed' && state.term === term
  // An answer that was overtaken by a later one moves nothing.
  if (sameTerm && !isAfter(deadline, state.deadline!)) return done(state, id)
  return done({ ...state, mode: 'armed', term, deadline }, id)
}

function lower(state: GuardState, id: number, deadline: Instant): Step {
  if (state.mode !== 'armed') return refused(state, id, 'not armed')
  return done({ ...state, deadline: earlier(state.deadline!, deadline) }, id)
}

function drop(state: GuardState, id: number, term: number): Step {
  const ended = { ...state, endedTerm: Math.max(state.endedTerm, term) }
  const current = state.mode !== 'standby' && term >= (state.term ?? 0)
  if (!current) return done(ended, id)
  if (running(state)) return refused(state, id, 'processes of the instance are alive')
  return done({ ...ended, mode: 'standby', term: null, deadline: null }, id)
}

function unarm(state: GuardState, id: number, term: number): Step {
  const ours = state.term === term && (state.mode === 'armed' || state.mode === 'unarmed')
  if (!ours) return refused(state, id, `not armed for term ${term}`)
  return done({ ...state, mode: 'unarmed', deadline: null }, id)
}

function start(state: GuardState, id: number, command: StartCommand): Step {
  if (state.pending?.kind === 'start') return refused(state, id, 'a start is under way')
  if (running(state)) return refused(state, id, 'processes of the instance are alive')
  if (state.writingPromoteFile) return refused(state, id, 'a promote file is still being written')
  // A task that holds a pending SIGKILL can do no harm, but it still holds the data directory.
  if (state.postmaster !== null) return refused(state, id, 'the last postmaster has not left yet')
  return {
    state: { ...state, pending: { kind: 'start', id, command, executed: false } },
    effects: [{ kind: 'ensure-standby-signal' }],
    answers: [],
  }
}

function stop(state: GuardState, id: number, mode: StopMode): Step {
  if (state.postmaster === null || !state.alive) return refused(state, id, 'no postmaster runs')
  if (state.killing) return refused(state, id, 'the instance is being killed')
  const signal: GuardEffect = { kind: 'signal', signal: mode === 'fast' ? 'SIGINT' : 'SIGQUIT' }
  return { ...done({ ...state, endCause: state.endCause ?? 'request' }, id), effects: [signal] }
}

function promote(state: GuardState, id: number, term: number): Step {
  const armed = state.mode === 'armed' && state.term === term
  const promotedBefore = term < state.promotedTerm || (term === state.promotedTerm && !state.promotedThisRun)
  if (!armed) return refused(state, id, `not armed for term ${term}`)
  if (state.pending) return refused(state, id, `a ${state.pending.kind} is under way`)
  if (state.killing || state.endCause !== null) return refused(state, id, 'the instance is being stopped')
  if (state.postmaster === null || !state.alive) return refused(state, id, 'no postmaster runs')
  if (promotedBefore) return refused(state, id, `term ${term} has promoted an earlier run`)
  return {
    state: {
      ...state,
      pending: { kind: 'promote', id, term },
      // The file alone may promote: the postmaster looks for it at any SIGUSR1 of its children.
      promotedTerm: term,
      promotedThisRun: true,
      writingPromoteFile: true,
    },
    effects: [{ kind: 'write-promote-file' }],
    answers: [],
  }
}

function kill(state: GuardState, id: number): Step {
  const begun = beginKill(state, 'request')
  const killRequests = [...state.killRequests, id].slice(-KILL_REQUESTS_KEPT)
  return { ...begun, state: { ...begun.state, killRequests } }
}

function quit(state: GuardState, id: number): Step {
  if (running(state) || state.pending) return refused(state, id, 'the instance runs')
  return { ...done(state, id), effects: [{ kind: 'end' }] }
}

function done(state: GuardState, id: number): Step {
  return { state, effects: [], answers: [{ to: id, kind: 'done' }] }
}

function refused(state: GuardState, id: number, reason: string): Step {
  return { state, effects: [], answers: [{ to: id, kind: 'refused', reason }] }
}
