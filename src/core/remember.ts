// What the agent learns from one look at the world, before anything is decided.
import { elapsedAtMost } from '../kernel/time.ts'
import { exclusionOf } from './candidate.ts'
import { ledStill } from './failsafe.ts'
import { leadingTrouble } from './health.ts'
import type { Memory } from './memory.ts'
import { namesake } from './own-name.ts'
import { lastKnownOf } from './reseed.ts'
import { isDead, type Situation, situationOf } from './situation.ts'
import { seatsSeen, strangers } from './synchronous/seats.ts'
import { gapsAfter } from './synchronous/suspicion.ts'
import { hiddenTerm } from './synchronous/visibility.ts'
import { walsenderSeats } from './synchronous/walsenders.ts'
import type { View } from './view.ts'

const DOUBT_MS = 1000
/** An instance that has run for so long has got over what made it crash. */
const RUN_WELL_MS = 60_000

export function remember(view: View): Memory {
  const seenNow = { ...view, memory: { ...view.memory, seen: seenOf(view) } }
  const s = situationOf(seenNow)
  const memory = seenNow.memory
  const revisionMoved = memory.seen?.revision !== view.memory.seen?.revision
  const excluded = exclusionOf(s) !== null
  const bound = { ...s, view: { ...s.view, memory: { ...memory, walsenders: walsenderSeats(s) } } }
  return {
    ...memory,
    ...silenceOf(view, revisionMoved),
    ownEnd: s.end ?? memory.ownEnd,
    guardMet: memory.guardMet || view.guard !== null,
    guardMissingSince: view.guard ? null : (memory.guardMissingSince ?? view.now),
    silentSince: isSilent(s) ? (memory.silentSince ?? view.now) : null,
    doubtful: isDoubtful(s),
    crashes: hasRunAWhile(s) ? [] : memory.crashes,
    startingSince: isComingUp(s) ? (memory.startingSince ?? view.now) : null,
    stopAskedAt: isDead(s) ? null : memory.stopAskedAt,
    // A store without a leader lets no lease run out: only time in which it answers counts.
    nameTakenSince: namesake(s) ? (memory.nameTakenSince ?? view.now) : null,
    excludedSince: excluded ? ((revisionMoved ? null : memory.excludedSince) ?? view.now) : null,
    led: ledStill(s),
    lastKnown: lastKnownOf(s),
    failsafeKey: s.cluster ? (s.cluster.failsafe?.value ?? null) : memory.failsafeKey,
    storeFailures: view.store.kind === 'lost' ? memory.storeFailures + 1 : memory.storeFailures,
    promotionMarked: isDead(s) && memory.promotionMarked,
    // A new term may have the same need of slots and files as an old one; the instance has not.
    configured: isDead(s) ? null : memory.configured,
    namesTold: isDead(s) ? null : memory.namesTold,
    namesProof: isDead(s) ? null : memory.namesProof,
    walsenders: bound.view.memory.walsenders,
    seatsSeen: seatsSeen(bound),
    strangerSeen: strangerOf(s) ?? memory.strangerSeen,
    hiddenTerm: hiddenTerm(s),
    slotsAppliedFor: isDead(s) ? null : memory.slotsAppliedFor,
  }
}

/** In an asynchronous cluster a name acknowledges nothing. */
function strangerOf(s: Situation): Memory['strangerSeen'] {
  const [found] = s.holding && s.record?.rules ? strangers(s) : []
  return found ? { name: found.applicationName, address: found.clientAddress, at: s.now } : null
}

/** A revision counts from when it was first received here; one that is lower than a seen one is an old read. */
function seenOf(view: View): Memory['seen'] {
  const { seen } = view.memory
  if (view.store.kind !== 'known') return seen
  const { term } = view.store.value
  if (!term) return seen
  const seed = term.value.seed?.id
  if (seen && seen.seed === seed && term.modRevision <= seen.revision) return seen
  return { revision: term.modRevision, nonce: term.value.nonce, seed, at: view.store.at }
}

/** What the suspicion of a silent leader is made of; an old read, which shows a lower revision, says nothing. */
function silenceOf(
  view: View,
  revisionMoved: boolean,
): Pick<Memory, 'startedAt' | 'sameAt' | 'seenTerm' | 'seenSynchronous' | 'gaps'> {
  const { memory, store } = view
  const { sameAt, seenTerm, seenSynchronous, gaps } = memory
  const startedAt = memory.startedAt ?? view.now
  const term = store.kind === 'known' ? store.value.term : null
  if (store.kind !== 'known' || !term) return { startedAt, sameAt, seenTerm, seenSynchronous, gaps }
  if (!revisionMoved) {
    const same = term.modRevision === memory.seen?.revision
    return { startedAt, sameAt: same ? store.at : sameAt, seenTerm, seenSynchronous, gaps }
  }
  // A silence that a takeover ended was no late renewal.
  const late = memory.seen !== null && seenTerm === term.value.term
  return {
    startedAt,
    sameAt: store.at,
    seenTerm: term.value.term,
    seenSynchronous: term.value.rules !== null && !term.value.mixed,
    gaps: late ? gapsAfter(memory, view.now) : gaps,
  }
}

/** Something runs, should answer, and does not. */
function isSilent(s: Situation): boolean {
  if (s.running.kind === 'none' || s.running.kind === 'starting' || s.view.memory.stopAskedAt) return false
  const { accepts } = s.view
  return s.running.kind === 'unknown' || (accepts !== null && !(accepts.kind === 'known' && accepts.value))
}

/** Soon enough that the others have answered when it is acted upon. */
function isDoubtful(s: Situation): boolean {
  const { writesFailing, placesFailingSince } = s.view.health
  const slow = writesFailing !== null && elapsedAtMost(writesFailing.since, s.now) >= DOUBT_MS
  return (
    s.holding &&
    (slow ||
      placesFailingSince !== null ||
      s.guard?.gateTrouble != null ||
      (isDead(s) && leadingTrouble(s.view.health, s.now) !== null))
  )
}

/** After the last start of it. */
function hasRunAWhile(s: Situation): boolean {
  const started = s.view.memory.starts[0]
  if (s.running.kind !== 'standby' && s.running.kind !== 'primary') return false
  return !started || elapsedAtMost(started, s.now) >= RUN_WELL_MS
}

function isComingUp(s: Situation): boolean {
  return (
    s.record?.state === 'electing' && s.holding && s.running.kind !== 'primary' && s.running.kind !== 'none'
  )
}
