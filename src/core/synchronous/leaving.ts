// A copy that is to be replaced: it says so, and goes only when no rule counts on it any more (protocol A8 "Never").
import type { ClusterState, MemberRecord } from '../cluster.ts'
import type { Situation } from '../situation.ts'
import type { Me } from '../view.ts'

/** This member's copy is unusable, gone, or to be made anew. Nobody may count on it from now on. */
export function isLeaving({ view }: Situation): boolean {
  const { remembered, directory, requests } = view
  if (remembered.seat === null) return false
  if (remembered.seatState !== 'ready' || requests.some(({ kind }) => kind === 'reinitialise')) return true
  const found = directory.kind === 'known' ? directory.value : null
  return found?.kind === 'empty' || (found?.kind === 'unfinished' && found.what === 'rewind')
}

/**
 * Whether a new copy may take this one's place. PostgreSQL counts by name: behind a name that is still waited for it
 * would acknowledge for a copy that a rule lists. The record must be newer than this member's word that it leaves:
 * whatever a leader has decided without knowing that can't be recorded any more.
 */
export function mayBeReplaced(s: Situation): boolean {
  const { record, cluster, view } = s
  const { seat } = view.remembered
  if (!record || !cluster?.term || seat === null || !counts(s)) return true
  const own = ownKey(cluster, view.me)
  const said = own?.value.vigil?.seat === seat && own.value.vigil.leaving === true
  if (!said || cluster.term.modRevision <= own.modRevision) return false
  return !(record.rules ?? []).some(rule => rule.seats.includes(seat))
}

/** Whether others know whose copy is behind this member's name; only then may it be counted by that name. */
export function isSeatKnown(s: Situation): boolean {
  const { cluster, view } = s
  if (!cluster || !counts(s)) return true
  return ownKey(cluster, view.me)?.value.vigil?.seat === view.remembered.seat
}

/** Copies are counted, or may be from the next moment on. */
function counts({ record, view }: Situation): boolean {
  return record?.rules != null || view.settings.synchronousMode !== 'off'
}

/** Under its present name: after a renaming the old key stands beside it for a while. */
function ownKey(cluster: ClusterState, { name, install }: Me): ClusterState['members'][number] | null {
  return cluster.members.find(({ value }) => value.name === name && value.vigil?.install === install) ?? null
}

/** By its key: a copy that is there, and is to stay. */
export function stayingSeat({ vigil }: MemberRecord): string | null {
  return vigil && vigil.leaving !== true ? vigil.seat : null
}
