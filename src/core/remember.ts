// What the agent learns from one look at the world, before anything is decided.
import { exclusionOf } from './candidate.ts'
import type { Memory } from './memory.ts'
import { namesake } from './own-name.ts'
import { isDead, type Situation, situationOf } from './situation.ts'
import type { View } from './view.ts'

export function remember(view: View): Memory {
  const seenNow = { ...view, memory: { ...view.memory, seen: seenOf(view) } }
  const s = situationOf(seenNow)
  const memory = seenNow.memory
  const revisionMoved = memory.seen?.revision !== view.memory.seen?.revision
  const excluded = exclusionOf(s) !== null
  return {
    ...memory,
    ownEnd: s.end ?? memory.ownEnd,
    guardMet: memory.guardMet || view.guard !== null,
    guardMissingSince: view.guard ? null : (memory.guardMissingSince ?? view.now),
    silentSince: isSilent(s) ? (memory.silentSince ?? view.now) : null,
    startingSince: isComingUp(s) ? (memory.startingSince ?? view.now) : null,
    stopAskedAt: isDead(s) ? null : memory.stopAskedAt,
    // A store without a leader lets no lease run out: only time in which it answers counts.
    nameTakenSince: namesake(s) ? (memory.nameTakenSince ?? view.now) : null,
    excludedSince: excluded ? ((revisionMoved ? null : memory.excludedSince) ?? view.now) : null,
    promotionMarked: isDead(s) && memory.promotionMarked,
    // A new term may have the same need of slots and files as an old one; the instance has not.
    configured: isDead(s) ? null : memory.configured,
    slotsAppliedFor: isDead(s) ? null : memory.slotsAppliedFor,
  }
}

/** A revision counts from when it was first received here; one that is lower than a seen one is an old read. */
function seenOf(view: View): Memory['seen'] {
  const { seen } = view.memory
  if (view.store.kind !== 'known') return seen
  const revision = view.store.value.term?.modRevision
  if (revision === undefined || (seen && revision <= seen.revision)) return seen
  return { revision, at: view.store.at }
}

/** Something runs, should answer, and does not. */
function isSilent(s: Situation): boolean {
  if (s.running.kind === 'none' || s.running.kind === 'starting' || s.view.memory.stopAskedAt) return false
  const { accepts } = s.view
  return s.running.kind === 'unknown' || accepts.kind !== 'known' || !accepts.value
}

function isComingUp(s: Situation): boolean {
  return (
    s.record?.state === 'electing' && s.holding && s.running.kind !== 'primary' && s.running.kind !== 'none'
  )
}
