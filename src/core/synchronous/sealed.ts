// A member's own seal: what stands against it, when it is certain, when it ends (protocol A8).
import { comparePositions } from '../../kernel/lsn.ts'
import { elapsedAtMost, type Ms, reached } from '../../kernel/time.ts'
import { promisedMs } from '../failsafe.ts'
import { upstreamOf } from '../network-address.ts'
import type { Situation } from '../situation.ts'
import type { SealAnswer, SealedAnswer, SealPromise, SealRequest } from './seal.ts'
import { REFUSAL_PART, suspicionOf } from './suspicion.ts'

/** A leader that was heard so recently is there. */
const HEARD_MS: Ms = 1000

/** Nothing is received while it is in force; only the rule `unseal` ends it. */
export function promiseOf(s: Situation): SealPromise | null {
  return s.view.remembered.promise
}

/** By an own look at the record, which has moved on; a store made anew by an operator voids every seal. */
export function isOvertaken(s: Situation, promise: SealPromise): boolean {
  if (!s.cluster || !s.record || s.revision === null || s.frozen !== null) return false
  return s.cluster.clusterId !== promise.cluster || s.revision > promise.base
}

/** What this member answers, once its promise is on disk, its receiver is gone, and the end is known for certain. */
export function ownSeal(s: Situation): SealedAnswer | null {
  const { me, memory, remembered } = s.view
  const promise = promiseOf(s)
  if (!promise || !remembered.seat || s.running.kind !== 'standby' || !s.end) return null
  const { receiving, postmasterStartedAt } = s.running.status
  // A receiver is there by intent only while it fetches from another sealed copy.
  if (memory.cutFor !== postmasterStartedAt || (receiving && memory.fetching === null)) return null
  if (remembered.reported && comparePositions(s.end, remembered.reported) < 0) return null
  if (guardServes(s) || isReplacing(s)) return null
  return {
    kind: 'sealed',
    name: me.name,
    install: me.install,
    seat: remembered.seat,
    seatState: remembered.seatState,
    position: s.end,
    base: promise.base,
    isHolder: s.holding,
  }
}

/** Why this member does not seal itself for that request; null: nothing stands against it. */
export function sealRefusal(s: Situation, request: SealRequest): (SealAnswer & { kind: 'refused' }) | null {
  const newer = newestRevision(s) > request.base ? newestRevision(s) : null
  const reason =
    (newer === null ? null : 'it has seen a newer record') ?? againstRequest(s, request) ?? againstMember(s)
  if (reason !== null) return { kind: 'refused', reason, revision: newer }
  // The same seal again, perhaps for another candidate: it is given already.
  if (isSealedFor(s, request)) return null
  const alive = s.record?.state === 'released' ? null : signOfLife(s)
  return alive === null ? null : { kind: 'refused', reason: alive, revision: null }
}

export function isSealedFor(s: Situation, { base, cluster }: SealRequest): boolean {
  const promise = promiseOf(s)
  return promise?.base === base && promise.cluster === cluster
}

/** The question whether the holder's agent is there has not been answered and has not failed yet. */
export function holderIsBeingAsked(s: Situation): boolean {
  const { holderContact } = s.view
  return holderContact !== null && holderContact.agent === null
}

function newestRevision(s: Situation): bigint {
  const { memory, remembered } = s.view
  const seen = memory.seen?.revision ?? 0n
  if (seen > remembered.revisionMax) return seen
  return remembered.revisionMax
}

function againstRequest(s: Situation, request: SealRequest): string | null {
  const { remembered } = s.view
  if (remembered.storeCluster !== request.cluster) return 'it belongs to another store'
  if (s.frozen !== null) return s.frozen
  const promise = promiseOf(s)
  if (promise?.cluster === request.cluster && promise.base > request.base)
    return 'it is sealed for a newer record'
  const term = Math.max(remembered.termMax, s.record?.term ?? 0)
  if (request.term <= term) return 'it knows a higher term'
  if (s.record && s.revision === request.base && request.term !== s.record.term + 1)
    return 'the term does not follow the record'
  return null
}

function againstMember(s: Situation): string | null {
  const { remembered, ending } = s.view
  if (s.running.kind === 'primary' || guardServes(s)) return 'it runs as primary, or is about to'
  if (s.record?.state === 'paused') return 'the cluster is in maintenance mode'
  if (promisedMs(s) > 0) return 'it has promised its leader to wait'
  if (remembered.seatState !== 'ready' || remembered.seat === null) return 'its copy is not complete'
  if (isReplacing(s)) return 'its copy is being replaced'
  if (s.unresolved) return 'a request of its own may still be applied'
  return ending === 'no' ? null : 'its agent ends'
}

/** The leader is there, by this member's own senses: a candidate with a bad link must not stop everybody. */
function signOfLife(s: Situation): string | null {
  const { memory, settings, holderContact } = s.view
  const facts = { settings, memory, now: s.now }
  const sinceMs = memory.seen ? elapsedAtMost(memory.seen.at, s.now) : null
  if (sinceMs !== null && sinceMs < REFUSAL_PART * suspicionOf(facts)) return 'it has just seen a renewal'
  if (s.waitedOut) return null
  if (hearsByReplication(s)) return 'it receives from the leader'
  const agent = holderContact?.role === 'primary' ? holderContact.agent : null
  if (agent?.answered && elapsedAtMost(agent.endedAt, s.now) <= HEARD_MS) return "the leader's agent answers"
  return null
}

function hearsByReplication(s: Situation): boolean {
  if (s.running.kind !== 'standby') return false
  const { receiving, heardMs, upstream } = s.running.status
  if (!receiving || heardMs === null || heardMs >= HEARD_MS || !upstream) return false
  const leader = upstreamOf(s.leaderMember)
  return !leader || (leader.host === upstream.host && leader.port === upstream.port)
}

/** Armed or unarmed with something alive, or with a deadline ahead: it leads, or a promotion may be on its way. */
function guardServes(s: Situation): boolean {
  const { guard } = s
  if (guard?.mode !== 'armed' && guard?.mode !== 'unarmed') return false
  return guard.alive || guard.deadline === null || !reached(guard.deadline, s.now)
}

function isReplacing(s: Situation): boolean {
  const { job } = s.view
  return job?.state === 'running' && ['clone', 'rewind', 'initialise'].includes(job.order.kind)
}
