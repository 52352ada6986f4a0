// What the instance is to run with, and how a change of it is noticed.
import type { Action } from './action.ts'
import type { Upstream } from './instance.ts'
import { slotName, upstreamOf } from './network-address.ts'
import { memberByName, type Situation } from './situation.ts'

/** Whom a standby streams from: the member its tag names, if that is there, else the leader. */
export function upstreamFor(s: Situation): Upstream | null {
  const { replicatefrom } = s.view.settings.tags
  const named = replicatefrom ? memberByName(s.cluster, replicatefrom) : null
  const usable = named && named.name !== s.view.me.name && named.state === 'running' ? named : null
  return upstreamOf(usable ?? s.leaderMember)
}

export function ownSlot(s: Situation): string | null {
  return s.view.settings.useSlots ? slotName(s.view.me.name) : null
}

/** The action, or nothing when this configuration is in force already. */
export function configureAs(
  s: Situation,
  role: 'primary' | 'standby',
  upstream: Upstream | null,
): readonly Action[] {
  const slot = role === 'standby' && upstream ? ownSlot(s) : null
  const signature = signatureOf(s, role, upstream)
  if (s.view.memory.configured === signature) return []
  return [{ kind: 'configure', role, upstream, slot, signature }]
}

export function signatureOf(s: Situation, role: 'primary' | 'standby', upstream: Upstream | null): string {
  const { parameters, hba, ident, useSlots } = s.view.settings
  const where = upstream ? `${upstream.name}@${upstream.host}:${upstream.port}` : '-'
  return JSON.stringify([role, where, useSlots, parameters, hba, ident])
}
