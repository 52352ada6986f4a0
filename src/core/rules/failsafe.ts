// Rules for a store that does not answer: the leader asks everybody who may lead, and each promises to wait.
import { isAfter } from '../../kernel/time.ts'
import {
  failsafeDueIn,
  failsafeMembers,
  failsafeRefusal,
  failsafeWanted,
  type Led,
  promiseFor,
} from '../failsafe.ts'
import type { MemberRequest } from '../request.ts'
import type { Situation } from '../situation.ts'
import { type Plan, type Rule, wait } from './rule.ts'

type Asked = Extract<MemberRequest, { kind: 'failsafe' }>

export const PROMISING: readonly Rule[] = [
  {
    id: 'failsafe-answer',
    when: 'a leader that has lost the store asks for a promise',
    does: 'promises not to lead and not to be sealed for one wait, or says what stands against it',
    plan: s => {
      const asked = s.view.requests.filter((request): request is Asked => request.kind === 'failsafe')
      // Whether a primary runs here is for the guard to say.
      return s.guard && asked.length > 0 ? answering(s, asked) : null
    },
  },
]

export const FAILSAFE: readonly Rule[] = [
  {
    id: 'failsafe-ask',
    when: 'leading and healthy, and the store has not answered twice',
    does: 'asks every member that may lead; if all promise to wait, the deadline moves as after a renewal',
    plan: s => {
      const led = failsafeWanted(s)
      return led && failsafeDueIn(s) === 0 && !isRenewalNext(s) ? asking(s, led) : null
    },
  },
  {
    id: 'failsafe',
    when: 'leading without the store, and the others have just been asked',
    does: 'nothing: the next look is at the store',
    // With an answering store that takes no writes, renewals are tried in between.
    plan: s => (failsafeWanted(s) && !s.cluster ? wait(stateOf(s), failsafeDueIn(s)) : null),
  },
]

function answering(s: Situation, requests: readonly Asked[]): Plan {
  const verdicts = requests.map(({ id, asked }) => ({ id, asked, reason: failsafeRefusal(s, asked) }))
  const accepted = verdicts.find(({ reason }) => reason === null)
  const refused = verdicts.find(({ reason }) => reason !== null)
  return {
    because: { leader: requests[0]?.asked?.leader.name ?? null, refused: refused?.reason ?? null },
    actions: verdicts.map(({ id, reason }) => ({
      kind: 'answer',
      requestId: id,
      outcome: reason === null ? { kind: 'done', text: 'Accepted' } : { kind: 'refused', text: reason },
    })),
    ...(accepted && { memory: { failsafePromise: promiseFor(s, accepted.asked) } }),
    wakeInMs: 1,
  }
}

function asking(s: Situation, led: Led): Plan {
  const { me } = s.view
  const { cluster, term, revision, nonces, ttl } = led
  const leader = { name: me.name, install: me.install }
  return {
    because: stateOf(s),
    actions: [
      {
        kind: 'ask-failsafe',
        question: { cluster, term, revision, nonces, leader, ttl },
        installs: failsafeMembers(led, me.install),
      },
    ],
    wakeInMs: 20,
  }
}

/** The store answers: it may take writes again, and then nobody has to be asked. Each has its turn until one succeeds. */
function isRenewalNext({ cluster, view }: Situation): boolean {
  const { failsafe, lastAttemptAt } = view.memory
  return cluster !== null && failsafe !== null && (!lastAttemptAt || isAfter(failsafe.askedAt, lastAttemptAt))
}

function stateOf({ view }: Situation): Plan['because'] & object {
  const { failsafe } = view.memory
  const against = failsafe?.against.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
  return { agreed: failsafe ? failsafe.agreedAt !== null : null, against: against || null }
}
