// Who commits wait for, in words: from the record, and on the leader from what is in force.
import type { SynchronousMode } from './settings.ts'
import type { Situation } from './situation.ts'
import { ownRule } from './synchronous/seats.ts'

export interface SynchronousStatus {
  readonly mode: SynchronousMode
  readonly strict: boolean
  /** `degraded`: the leader's copy alone may have a commit. `changing`: an older or a wider rule counts too. */
  readonly state: 'asynchronous' | 'steady' | 'changing' | 'degraded'
  /** So many of the members must have a commit before it is acknowledged. */
  readonly k: number
  readonly members: readonly string[]
}

export type SyncRole = 'sync_standby' | 'quorum_standby'

export function synchronousStatus(s: Situation): SynchronousStatus {
  const { synchronousMode: mode, synchronousModeStrict: strict } = s.view.settings
  const own = s.record ? ownRule(s.record) : null
  const members = (own?.seats ?? []).map(seat => nameOf(s, seat) ?? `copy ${seat}`).sort()
  return { mode, strict, state: stateOf(s), k: own?.k ?? 0, members }
}

function stateOf({ record, view }: Situation): SynchronousStatus['state'] {
  if (!record || record.rules === null)
    return view.settings.synchronousMode === 'off' || !record ? 'asynchronous' : 'changing'
  const own = ownRule(record)
  if (!own || record.rules.length > 1 || (own.k === 0 && own.seats.length > 0)) return 'changing'
  return own.k === 0 ? 'degraded' : 'steady'
}

/** As Patroni calls a standby that commits wait for; null: none waits for this member. */
export function syncRoleOf(s: Situation, name: string): SyncRole | null {
  const own = s.record ? ownRule(s.record) : null
  if (!own || own.k === 0 || !own.seats.some(seat => nameOf(s, seat) === name)) return null
  return s.view.settings.synchronousMode === 'quorum' ? 'quorum_standby' : 'sync_standby'
}

function nameOf(s: Situation, seat: string): string | null {
  const member = s.cluster?.members.find(({ value }) => value.vigil?.seat === seat)
  return member?.value.name ?? s.view.memory.seatsSeen[seat]?.name ?? null
}
