// Whether others may look at a new primary: not before what it shows is where its successor would be (A12-3).
import type { PrimaryStatus } from '../instance.ts'
import type { Situation } from '../situation.ts'
import { listedNames, sameName } from './names.ts'
import { ownRule } from './seats.ts'

/**
 * After a crash a primary shows commits that were never acknowledged and that no standby may have. Enough seats of its
 * rule must have everything up to the end of recovery, or its readers could see it undone. Asynchronous clusters promise
 * nothing of the kind.
 */
export function isVisible(s: Situation): boolean {
  const { record, view } = s
  if (!record || record.rules === null || !s.holding) return true
  const own = ownRule(record)
  // Narrowed since the takeover, or waiting for nobody.
  if (own && (own.k === 0 || record.rules.length === 1)) return true
  if (view.memory.visibleTerm === record.term) return true
  return own !== null && s.running.kind === 'primary' && record.state !== 'electing'
    ? reaches(s.running.status, own.k)
    : false
}

/** Everything that is flushed here now, the end of recovery included. */
function reaches(status: PrimaryStatus, k: number): boolean {
  const names = listedNames(status.synchronousNames)
  const end = status.position.lsn
  const have = status.replication.filter(
    one =>
      one.flushed !== null && one.flushed >= end && names.some(name => sameName(name, one.applicationName)),
  )
  return have.length >= k
}
