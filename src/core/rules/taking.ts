// Rules of a member that does not lead and may take over.
import { comparePositions, formatPosition } from '../../kernel/lsn.ts'
import { elapsedAtMost, type Ms } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { exclusionOf, lossAgainst, obstacle, rankOf, rightObstacle, turnIn } from '../candidate.ts'
import { configuring } from '../configuration.ts'
import { promisedMs } from '../failsafe.ts'
import { upstreamOf } from '../network-address.ts'
import { heldOff, memberByInstall, type Situation } from '../situation.ts'
import type { SealPromise, SealRequest } from '../synchronous/seal.ts'
import { isSealedFor } from '../synchronous/sealed.ts'
import { suspicionOf } from '../synchronous/suspicion.ts'
import { aheadOf, isSynchronous, sealsOf, sealsWanted } from '../synchronous/takeover.ts'
import type { TermRecord } from '../term.ts'
import { take } from '../transaction.ts'
import { leads, SELF_TAKES_MAX } from './leading.ts'
import { type Plan, type Rule, wait } from './rule.ts'

const ASK_AGAIN_MS: Ms = 100
/** Of WAL that is missing, from another sealed copy. */
const FETCH_LIMIT_MS: Ms = 15_000
/** An agent that has been up for so long has asked everybody who can be asked. */
const OTHERS_LIMIT_MS: Ms = 5000

export const TAKING: readonly Rule[] = [
  {
    id: 'credit-attempt',
    when: 'the record carries the nonce of an own attempt whose answer was lost',
    does: 'counts it from the moment that attempt was sent',
    plan: s => {
      const attempt = s.view.memory.attempts.find(known => known.nonce === s.record?.nonce)
      if (!attempt || !s.revision || s.frozen) return null
      return {
        because: { id: attempt.id },
        actions: [{ kind: 'credit', attempt, revision: s.revision }],
        wakeInMs: 1,
      }
    },
  },
]

export const TAKEOVER: readonly Rule[] = [
  {
    id: 'self-take-after-reboot',
    when: 'the record names this installation on this machine, its guard is new, and the copy is as far as was reported',
    does: 'takes the next term (T3) without waiting: nobody else can have served',
    plan: s =>
      mayRetake(s) && !heldOff(s)
        ? {
            actions: [take(s)],
            wakeInMs: 20,
            memory: {
              lastAttemptAt: s.now,
              starts: [],
              selfTakes: [s.now, ...s.view.memory.selfTakes].slice(0, SELF_TAKES_MAX),
            },
          }
        : null,
  },
  {
    id: 'fetch-wal',
    when: 'the seals prove who has everything, that is another sealed copy, and its member does not take over',
    does: 'streams what is missing from there, for a while, and leads when it has it',
    plan: s => fetching(s),
  },
  {
    id: 'ask-seals',
    when: 'commits wait for standbys, the leader is out or suspected, and it is not proven yet that nothing is lost',
    does: 'seals itself and asks every other member for a seal',
    plan: s => askingForSeals(s),
  },
  {
    id: 'take',
    when: "the old leader is excluded, this copy is complete, and it is this member's turn",
    does: 'takes the next term (T3)',
    plan: s => {
      const exclusion = ready(s)
      if (!exclusion || turnIn(s, exclusion) > 0) return null
      return {
        because: { exclusion, silenceMs: Math.round(s.silence ?? 0) },
        actions: [take(s)],
        wakeInMs: 20,
        memory: { lastAttemptAt: s.now, starts: [] },
      }
    },
  },
  {
    id: 'take-turn',
    when: 'the old leader is excluded and this copy is complete, but a better member or the successor comes first',
    does: 'waits for its turn',
    plan: s => {
      const exclusion = ready(s)
      if (!exclusion) return null
      const turnInMs = turnIn(s, exclusion)
      return wait({ exclusion, turnInMs, better: rankOf(s) }, Math.min(200, turnInMs))
    },
  },
]

export const BLOCKED: readonly Rule[] = [
  {
    id: 'take-blocked',
    when: 'the old leader is excluded, and something stands against this member',
    does: 'waits',
    plan: s => {
      const exclusion = leads(s) ? null : exclusionOf(s)
      if (!exclusion) return null
      return wait({ exclusion, obstacle: obstacle(s) }, 250)
    },
  },
]

function ready(s: Situation): ReturnType<typeof exclusionOf> {
  if (leads(s)) return null
  const exclusion = exclusionOf(s)
  return exclusion && obstacle(s) === null ? exclusion : null
}

function askingForSeals(s: Situation): Plan | null {
  if (!s.record || !s.cluster || s.revision === null || s.frozen !== null) return null
  if (leads(s) || s.unresolved || !sealsWanted(s) || rightObstacle(s) !== null) return null
  if (lossAgainst(s) === null && exclusionOf(s) !== null) return null
  const { name, install } = s.view.me
  const request: SealRequest = {
    cluster: s.cluster.clusterId,
    base: s.revision,
    term: s.record.term + 1,
    candidate: { name, install },
  }
  const { base, cluster, term } = request
  const promise: SealPromise = { base, cluster, term, candidate: install }
  const actions: Action[] = [{ kind: 'ask-seals', request }]
  // The question first: it takes others as long as it takes this member.
  if (!isSealedFor(s, request)) actions.push({ kind: 'seal', promise })
  return {
    because: {
      base: String(base),
      silenceMs: Math.round(s.silence ?? 0),
      suspicionMs: Math.round(suspicionOf({ ...s.view, now: s.now })),
      against: lossAgainst(s),
      seals: sealsOf(s).length,
    },
    actions,
    wakeInMs: ASK_AGAIN_MS,
  }
}

/** With its own end it is best of all that answered: whoever is better had the time to take over. */
function fetching(s: Situation): Plan | null {
  const exclusion = leads(s) ? null : exclusionOf(s)
  const ahead = exclusion && isSynchronous(s) && rightObstacle(s) === null ? aheadOf(s) : null
  if (!exclusion || !ahead || turnIn(s, exclusion) > 0 || lossAgainst(s) === null) return null
  const { fetching: before } = s.view.memory
  if (before?.from === ahead.name && elapsedAtMost(before.since, s.now) >= FETCH_LIMIT_MS)
    return {
      because: { from: ahead.name },
      actions: [],
      memory: { fetching: null, cutFor: null },
      wakeInMs: 20,
    }
  const upstream = upstreamOf(memberByInstall(s.cluster, ahead.install))
  if (!upstream || s.view.remembered.promise?.base !== s.revision) return null
  // No slot: it has none there, and what it lacks was sent a moment ago.
  const action = { ...configuring(s, 'standby', upstream, null), slot: null }
  return {
    because: { from: ahead.name, upTo: formatPosition(ahead.position) },
    actions: s.view.memory.configured === action.signature ? [] : [action],
    memory: { fetching: before?.from === ahead.name ? before : { from: ahead.name, since: s.now } },
    wakeInMs: ASK_AGAIN_MS,
  }
}

/** The holder after a reboot (protocol A6): its guard was armed for this very term and died with its PostgreSQL. */
function mayRetake(s: Situation): boolean {
  const { record, end, view } = s
  if (
    !s.holding ||
    !record ||
    s.guardKnowsTerm ||
    (record.state === 'paused' && view.settings.pause) ||
    record.state === 'released' ||
    promisedMs(s) > 0
  )
    return false
  if (record.holder.machine !== view.me.machine || view.remembered.servedTerm !== record.term) return false
  if (record.holder.seat !== view.remembered.seat || view.remembered.seatState !== 'ready') return false
  if (s.guard?.mode !== 'standby' || s.running.kind !== 'standby' || !end) return false
  if (end.timeline > record.timelineMax || !othersAsked(s, record)) return false
  return !record.at || comparePositions(end, record.at) >= 0
}

/** Whether they know a later term: without a wait nothing else would tell that the store is old. */
function othersAsked({ view, cluster, now }: Situation, record: TermRecord): boolean {
  const { startedAt } = view.memory
  if (startedAt && elapsedAtMost(startedAt, now) > OTHERS_LIMIT_MS) return true
  const listed = (cluster?.members ?? []).filter(
    ({ value }) => value.name !== view.me.name && record.members.includes(value.vigil?.install ?? ''),
  )
  return listed.every(({ value }) => view.peers[value.name] !== undefined)
}
