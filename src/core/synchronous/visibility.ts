// Whether others may look at a new primary: not before what it shows is where its successor would be (A12-3).
import type { PrimaryStatus } from '../instance.ts'
import type { Situation } from '../situation.ts'
import { listedNames, sameName } from './names.ts'
import { ownRule } from './seats.ts'

/**
 * After a crash a primary shows commits that were never acknowledged and that no standby may have: its readers could see
 * them undone. Asynchronous clusters promise nothing of the kind.
 */
export function isVisible(s: Situation): boolean {
  return hiddenTerm(s) === null
}

/**
 * For the memory: from the election of this member until enough of its rule's names have everything up to the end of
 * recovery. An agent that starts beside a serving primary takes it for visible: it cannot know, and rejecting clients
 * that were let in would be worse.
 */
export function hiddenTerm(s: Situation): number | null {
  const { record, view, running } = s
  if (!record || !s.holding) return view.memory.hiddenTerm
  const own = ownRule(record)
  if (record.rules === null || own?.k === 0) return null
  if (record.state === 'electing') return record.term
  if (view.memory.hiddenTerm !== record.term || !own) return null
  return running.kind === 'primary' && reaches(running.status, own.k) ? null : record.term
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
