// Going on without the store: a promise of everybody who may lead, each for one wait (protocol A10).
import { elapsedAtLeast, elapsedAtMost, type Instant, type Ms, reached } from '../kernel/time.ts'
import type { Situation } from './situation.ts'
import type { TermRecord, TermState } from './term.ts'
import { waitOf } from './timers.ts'

/** What a leader asks of each installation that may lead. */
export interface FailsafeQuestion {
  /** Identity of the store's cluster. */
  readonly cluster: string
  readonly term: number
  /** The newest revision that the leader certainly wrote. */
  readonly revision: bigint
  /** Of that revision, and of everything that the leader has sent since and that may have been applied. */
  readonly nonces: readonly string[]
  readonly leader: { readonly name: string; readonly install: string }
  /** What an acceptance is worth to the leader; whoever accepts waits longer. */
  readonly ttl: Ms
}

/** As it arrives. `to`: the installation that is meant; whoever else lives at its address now refuses. */
export interface FailsafeAsked extends FailsafeQuestion {
  readonly to: string
}

export type FailsafeAnswer =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly reason: string }

/** The leadership as an own transaction of this process has last confirmed it, with all that may have changed since. */
export interface Led {
  readonly cluster: string
  readonly term: number
  readonly revision: bigint
  readonly state: TermState
  /** Who may lead by the record, and by every change of it whose result is not known. */
  readonly members: readonly string[]
  readonly nonces: readonly string[]
  /** The shortest that may be in force. */
  readonly ttl: Ms
  readonly mixed: boolean
}

/** The leader's side, while it asks. */
export interface Failsafe {
  readonly since: Instant
  readonly askedAt: Instant
  /** When the question was begun that everybody accepted last; null: never. */
  readonly agreedAt: Instant | null
  /** Who did not accept last time, and why. */
  readonly against: readonly { readonly name: string; readonly reason: string }[]
}

/** A member's side: until when it leaves the leadership alone. In memory only, since a restarted member waits anyway. */
export interface FailsafePromise {
  readonly at: Instant
  readonly waitMs: Ms
  readonly leader: { readonly name: string; readonly install: string }
  readonly term: number
}

/** Attempts in a row without an answer before the others are asked. */
const FAILURES_MIN = 2
const ASK_EVERY_MS: Ms = 900
/** Somebody who restarts may be back in a moment, and the deadline comes nearer. */
const ASK_AGAIN_MS: Ms = 200
/** Enough for every attempt of a long outage of writes only; beyond it members refuse, which is safe. */
const NONCES_KEPT = 16

/** After a success of an own transaction: what was in flight for older revisions is void. */
export function ledBy(record: TermRecord, revision: bigint): Led {
  const { cluster, term, state, members, nonce, ttl, mixed } = record
  return { cluster, term, revision, state, members, nonces: [nonce], ttl, mixed }
}

/** Before a change is sent: from now on it may be in force, whatever becomes of its answer. */
export function ledWith(led: Led | null, record: TermRecord): Led | null {
  if (led === null || led.term !== record.term) return led
  return {
    ...led,
    members: [...new Set([...led.members, ...record.members])],
    nonces: [...led.nonces, record.nonce].slice(-NONCES_KEPT),
    ttl: Math.min(led.ttl, record.ttl),
  }
}

/** What a look at the store leaves of it: nothing, once anything speaks against it. */
export function ledStill(s: Situation): Led | null {
  const { led } = s.view.memory
  if (led === null || !s.cluster) return led
  if (s.frozen !== null || !s.record || !s.holding || s.record.term !== led.term) return null
  return led.nonces.includes(s.record.nonce) ? led : null
}

/** Healthy, leading by its own guard, and without an answer of the store for two attempts. */
export function failsafeWanted(s: Situation): Led | null {
  const { settings, memory, ending } = s.view
  const { led, storeFailures, stopAskedAt, silentSince } = memory
  if (!settings.failsafeMode || ending !== 'no' || led === null || storeFailures < FAILURES_MIN) return null
  if (led.state !== 'serving' || led.mixed || s.running.kind !== 'primary') return null
  if (stopAskedAt !== null || silentSince !== null) return null
  const { guard } = s
  const armed = guard?.mode === 'armed' && guard.term === led.term && guard.deadline !== null
  return armed && !reached(guard.deadline, s.now) ? led : null
}

export function failsafeDueIn({ view, now }: Situation): Ms {
  const { failsafe } = view.memory
  if (!failsafe) return 0
  const every = failsafe.against.length > 0 ? ASK_AGAIN_MS : ASK_EVERY_MS
  return Math.max(0, every - elapsedAtMost(failsafe.askedAt, now))
}

/** Whom it needs: everybody else who may lead. */
export function failsafeMembers(led: Led, own: string): readonly string[] {
  return led.members.filter(install => install !== own)
}

/** Why this member does not promise; null: it may. `asked` null: a Patroni agent leads, and asks. */
export function failsafeRefusal(s: Situation, asked: FailsafeAsked | null): string | null {
  const { guard } = s
  const leading = (guard?.mode === 'armed' || guard?.mode === 'unarmed') && guard.alive
  if (leading || s.running.kind === 'primary') return RUNS_AS_PRIMARY
  if (guard?.mode === 'armed' && guard.deadline && !reached(guard.deadline, s.now))
    return 'it is about to lead'
  if (asked === null) return s.view.settings.failsafeMode ? null : FAILSAFE_OFF
  return remembersBetter(s, asked)
}

function remembersBetter(s: Situation, question: FailsafeAsked): string | null {
  const { remembered, memory, me } = s.view
  const { record } = s
  if (question.to !== me.install) return 'somebody else is meant'
  if (remembered.storeCluster !== null && remembered.storeCluster !== question.cluster)
    return 'it belongs to another store'
  if (remembered.promise !== null) return 'it is sealed'
  if (Math.max(remembered.termMax, record?.term ?? 0) > question.term) return 'it knows a higher term'
  const { seen } = memory
  const newer = seen !== null && seen.revision > question.revision
  if (newer && !question.nonces.includes(seen.nonce ?? '')) return 'it knows a newer record'
  if (record?.term === question.term && record.holder.install !== question.leader.install)
    return 'it knows another holder of this term'
  // Applied after all it would be a takeover that nobody has promised to leave alone.
  const taking = memory.attempts.some(({ id, base }) => id === 'T3' && (base ?? 0n) >= (seen?.revision ?? 0n))
  return taking ? 'a takeover of its own may still be applied' : null
}

export const RUNS_AS_PRIMARY = 'it runs as primary'
export const FAILSAFE_OFF = 'failsafe_mode is off'

/** Of two promises the one that ends later stays. */
export function promiseFor(s: Situation, asked: FailsafeAsked | null): FailsafePromise {
  const known = s.view.memory.failsafePromise
  const ttl = asked?.ttl ?? s.view.settings.ttlMs
  const waitMs = Math.max(waitOf(ttl), known ? known.waitMs - elapsedAtLeast(known.at, s.now) : 0)
  const leader = asked?.leader ?? { name: s.cluster?.leader?.value ?? 'a Patroni agent', install: '' }
  return { at: s.now, waitMs, leader, term: asked?.term ?? s.view.remembered.termMax }
}

/** How long this member still leaves the leadership to the one that it has promised it to. */
export function promisedMs(s: Situation): Ms {
  const promise = s.view.memory.failsafePromise
  if (promise === null) return 0
  // A later term began after that leader's last deadline; a release after its guard had given the term up.
  const { term, state } = s.record ?? { term: 0, state: null }
  const over = term > promise.term || (term === promise.term && state === 'released') || isRenewed(s, promise)
  return over ? 0 : Math.max(0, promise.waitMs - elapsedAtLeast(promise.at, s.now))
}

/**
 * That leader has the store again: a renewal of it was first seen after the promise, and who waits for that renewal
 * waits as long as was promised. Seals need no wait (decision 0063).
 */
function isRenewed({ view, record, revision, frozen }: Situation, promise: FailsafePromise): boolean {
  const { seen } = view.memory
  if (!record || !seen || seen.revision !== revision || frozen !== null) return false
  if (record.term !== promise.term || record.holder.install !== promise.leader.install) return false
  return waitOf(record.ttl) >= promise.waitMs && elapsedAtLeast(promise.at, seen.at) > 0
}
