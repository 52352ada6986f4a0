// Rules of a member that is asked to be sealed, or is (protocol A8): nothing is received until the record moves on.
import { elapsedAtMost, type Ms } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import type { MemberRequest } from '../request.ts'
import type { Situation } from '../situation.ts'
import type { SealAnswer, SealPromise } from '../synchronous/seal.ts'
import {
  holderIsBeingAsked,
  isOvertaken,
  isSealedFor,
  ownSeal,
  promiseOf,
  sealRefusal,
} from '../synchronous/sealed.ts'
import type { Plan, Rule } from './rule.ts'

type Asked = Extract<MemberRequest, { kind: 'seal' }>

/** Whoever asked does not wait any more. */
const ASKED_TOO_LONG_AGO_MS: Ms = 2500
const POLL_MS: Ms = 20

export const SEALING: readonly Rule[] = [
  {
    id: 'unseal',
    when: 'sealed, and an own look shows that the record has moved on: the takeover that the seal was for can never succeed',
    does: 'receives from nobody of an earlier term from now on, and is free again',
    plan: s => {
      const promise = promiseOf(s)
      if (!promise || !s.record || !isOvertaken(s, promise)) return null
      return {
        because: { base: String(promise.base), revision: String(s.revision) },
        actions: [{ kind: 'unseal', floor: s.record.term }],
        memory: { receiverAt: null },
        wakeInMs: 1,
      }
    },
  },
  {
    id: 'seal-answer',
    when: 'a candidate asked for a seal, and it is given or refused',
    does: 'answers: what this copy holds, or what stands against it',
    plan: s => {
      if (!s.guard) return null
      const answers = asked(s).flatMap(request => {
        const answer = verdict(s, request)
        return answer ? [{ request, answer }] : []
      })
      if (answers.length === 0) return null
      const refused = answers.flatMap(({ answer }) => (answer.kind === 'refused' ? [answer.reason] : []))
      return {
        because: { refused: refused[0] ?? null },
        actions: answers.map(({ request, answer }) => answering(request, answer)),
        wakeInMs: POLL_MS,
      }
    },
  },
  {
    id: 'seal',
    when: 'a candidate asks for a seal, the leader is not heard here, and nothing stands against it',
    does: 'promises on disk, then stops receiving for certain',
    plan: s => {
      const request = asked(s).find(one => mayBegin(s, one))?.request
      if (!request) return null
      const { base, cluster, term } = request
      const promise: SealPromise = { term, base, cluster, candidate: request.candidate.install }
      return {
        because: { candidate: request.candidate.name, base: String(base) },
        actions: [{ kind: 'seal', promise }],
        wakeInMs: 1,
      }
    },
  },
  {
    id: 'seal-again',
    when: 'sealed, and it is not certain that this instance receives nothing (agent or instance started again, or a receiver turned up)',
    does: 'stops receiving',
    plan: s => (s.view.ending === 'no' ? cutAgain(s) : null),
  },
]

function asked(s: Situation): readonly Asked[] {
  return s.view.requests.filter((request): request is Asked => request.kind === 'seal')
}

/** null: not yet. */
function verdict(s: Situation, { request, filedAt }: Asked): SealAnswer | null {
  const refused = sealRefusal(s, request)
  if (refused) return refused
  const given = isSealedFor(s, request) ? ownSeal(s) : null
  if (given) return given
  if (elapsedAtMost(filedAt, s.now) < ASKED_TOO_LONG_AGO_MS) return null
  return { kind: 'refused', reason: 'the end of its WAL is not certain yet', revision: null }
}

function mayBegin(s: Situation, { request }: Asked): boolean {
  if (!s.guard || sealRefusal(s, request)) return false
  if (isSealedFor(s, request)) return false
  return s.record?.state === 'released' || s.waitedOut || !holderIsBeingAsked(s)
}

function answering({ id }: Asked, answer: SealAnswer): Action {
  return { kind: 'answer', requestId: id, outcome: { kind: 'seal', answer } }
}

function cutAgain(s: Situation): Plan | null {
  const promise = promiseOf(s)
  if (!promise || !s.guard || s.running.kind !== 'standby') return null
  const { receiving, postmasterStartedAt } = s.running.status
  const cut = s.view.memory.cutFor === postmasterStartedAt
  const turnedUp = cut && receiving && s.view.memory.fetching === null
  if (cut && !turnedUp) return null
  return {
    because: { receiving },
    actions: [{ kind: 'seal', promise }],
    ...(turnedUp ? { memory: { receiverAt: s.now } } : {}),
    wakeInMs: POLL_MS,
  }
}
