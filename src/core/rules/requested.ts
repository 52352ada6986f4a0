// Rules for what an operator asked of this member.

import type { Action } from '../action.ts'
import { configureAs } from '../configuration.ts'
import { upstreamOf } from '../network-address.ts'
import type { MemberRequest, RequestOutcome } from '../request.ts'
import { isDead, renewalDue, type Situation } from '../situation.ts'
import { mayBeReplaced } from '../synchronous/leaving.ts'
import { plainRenewal } from '../transaction.ts'
import { leads } from './leading.ts'
import { leaderServes } from './rejoining.ts'
import { type Plan, type Rule, wait } from './rule.ts'

export const REQUESTED: readonly Rule[] = [
  {
    id: 'request-refused',
    when: "an operator asked for something that can't be done here now",
    does: 'answers why',
    plan: s => {
      const request = fromOperator(s)
      const reason = request && request.id !== s.view.memory.requestId ? refusal(s, request) : null
      return request && reason
        ? { because: { reason }, ...answer(request, { kind: 'refused', text: reason }) }
        : null
    },
  },
  {
    id: 'reload',
    when: 'an operator asked to read the configuration file again',
    does: 'reads it; a change of parameters follows by itself',
    plan: s => {
      const request = fromOperator(s)
      if (request?.kind !== 'reload') return null
      return {
        actions: [
          { kind: 'reload-files' },
          { kind: 'answer', requestId: request.id, outcome: { kind: 'done', text: 'reload scheduled' } },
        ],
        memory: { configured: null },
        wakeInMs: 1,
      }
    },
  },
  {
    id: 'restart-stop',
    when: 'an operator asked for a restart, and the instance runs',
    does: 'stops it fast; a primary comes back under a new term',
    plan: s => {
      const request = pending(s, 'restart')
      if (!request || isDead(s) || s.view.memory.requestId === request.id) return null
      return stopFor(s, request)
    },
  },
  {
    id: 'restart-done',
    when: 'a requested restart is through',
    does: 'answers',
    plan: s => {
      const request = pending(s, 'restart')
      if (!request || s.view.memory.requestId !== request.id || s.view.memory.stopAskedAt) return null
      const back =
        s.running.kind === 'standby' || (s.running.kind === 'primary' && s.record?.state === 'serving')
      return back ? answer(request, { kind: 'done', text: 'restarted successfully' }) : null
    },
  },
  {
    id: 'reinitialise-stop',
    when: 'an operator asked for a new copy, and the instance runs',
    does: 'stops it',
    plan: s => {
      const request = pending(s, 'reinitialise')
      if (!request || isDead(s) || s.view.memory.requestId === request.id) return null
      // While it runs it keeps commits going, until others are waited for instead.
      if (!mayBeReplaced(s)) return null
      return stopFor(s, request)
    },
  },
  {
    id: 'reinitialise-clone',
    when: 'an operator asked for a new copy, and nothing runs',
    does: 'makes one beside the old one, which it replaces when it is complete',
    plan: s => {
      const request = pending(s, 'reinitialise')
      if (!request || !isDead(s)) return null
      const { job } = s.view
      if (job?.state === 'running') return wait({ job: job.order.kind }, 500)
      if (job?.order.kind === 'clone' && s.view.memory.requestId === request.id) {
        const outcome: RequestOutcome =
          job.state === 'done'
            ? { kind: 'done', text: 'reinitialized' }
            : { kind: 'refused', text: job.state === 'failed' ? job.reason : 'ended' }
        return answer(request, outcome)
      }
      if (job) return { actions: [{ kind: 'clear-job' }], wakeInMs: 1 }
      const from = upstreamOf(s.leaderMember)
      const systemIdentifier = s.cluster?.initialize?.value
      if (!leaderServes(s) || !from || !systemIdentifier)
        return wait({ leader: s.record?.holder.name ?? null }, 500)
      if (!mayBeReplaced(s)) return wait({ counted: 'commits may be on this copy still' }, 100)
      return {
        actions: [
          {
            kind: 'run-job',
            order: {
              kind: 'clone',
              from,
              systemIdentifier,
              seat: s.view.chance.seat,
              suspect: s.view.remembered.seatState !== 'ready',
            },
          },
        ],
        memory: { requestId: request.id },
        wakeInMs: 200,
      }
    },
  },
]

/** The oldest; what other members ask is answered by its own rules and delays nobody. */
function fromOperator(s: Situation): MemberRequest | undefined {
  return s.view.requests.find(({ kind }) => kind !== 'seal' && kind !== 'failsafe')
}

function pending<K extends MemberRequest['kind']>(s: Situation, kind: K) {
  const request = fromOperator(s)
  return request?.kind === kind ? (request as Extract<MemberRequest, { kind: K }>) : null
}

function refusal(s: Situation, request: MemberRequest): string | null {
  const paused = s.record?.state === 'paused'
  switch (request.kind) {
    case 'reload':
    case 'failsafe':
    case 'seal':
      return null
    case 'restart':
      if (s.view.job?.state === 'running' && s.view.job.order.kind !== 'checkpoint')
        return `a ${s.view.job.order.kind} is running`
      if (paused && leads(s))
        return 'maintenance pause: a primary would need a new term to come back. Resume first'
      if (s.running.kind === 'starting') return 'the instance is starting'
      return request.onlyIfPending && !needsRestart(s) ? 'no parameter waits for a restart' : null
    case 'reinitialise':
      if (leads(s)) return 'I am the leader, can not reinitialize'
      if (s.view.remembered.promise !== null) return 'this copy is sealed: the leader may have to be replaced'
      if (!leaderServes(s)) return 'Cluster has no leader, can not reinitialize'
      return null
  }
}

function needsRestart(s: Situation): boolean {
  if (s.running.kind !== 'primary' && s.running.kind !== 'standby') return false
  return Object.keys(s.running.status.pendingRestart).length > 0
}

function stopFor(s: Situation, request: MemberRequest): Plan {
  const renewal: readonly Action[] = leads(s) && renewalDue(s) ? [plainRenewal(s, s.end)] : []
  // The start command carries parameters; the files must say the same before the instance reads them. Not for a primary
  // without the right to be one: whoever waits there for standbys that don't exist would be told (simulator seed 15208).
  const role = s.running.kind === 'primary' && leads(s) ? configureAs(s, 'primary', null) : []
  return {
    actions: [...renewal, ...role, { kind: 'stop', mode: 'fast' }],
    memory: { requestId: request.id, ...(renewal.length > 0 ? { lastAttemptAt: s.now } : {}) },
    wakeInMs: 50,
  }
}

function answer(request: MemberRequest, outcome: RequestOutcome): Plan {
  return {
    actions: [{ kind: 'answer', requestId: request.id, outcome }],
    memory: { requestId: null },
    wakeInMs: 1,
  }
}
