// What the instance is to run with, and how a change of it is noticed.
import type { Action } from './action.ts'
import type { Upstream } from './instance.ts'
import { slotName, upstreamOf } from './network-address.ts'
import { memberByName, type Situation } from './situation.ts'
import { type NamesInFile, NOBODY } from './synchronous/names.ts'
import { isVisible } from './synchronous/visibility.ts'

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
  const action = configuring(s, role, upstream, role === 'primary' ? namesNow(s) : null)
  return s.view.memory.configured === action.signature ? [] : [action]
}

export function configuring(
  s: Situation,
  role: 'primary' | 'standby',
  upstream: Upstream | null,
  names: NamesInFile,
): Action & { readonly kind: 'configure' } {
  const slot = role === 'standby' && upstream ? ownSlot(s) : null
  const closed = role === 'primary' && !isVisible(s)
  const signature = signatureOf(s, role, upstream, { names, closed })
  return { kind: 'configure', role, upstream, slot, names, closed, signature }
}

/** What was told last, or what is in force: only the change of a rule tells PostgreSQL something else. */
function namesNow(s: Situation): NamesInFile {
  if (s.record?.rules == null && s.view.settings.synchronousMode === 'off') return null
  const { namesTold } = s.view.memory
  if (namesTold) return namesTold.names
  return s.running.kind === 'primary' ? { text: s.running.status.synchronousNames, set: NOBODY.set } : NOBODY
}

export function signatureOf(
  s: Situation,
  role: 'primary' | 'standby',
  upstream: Upstream | null,
  access: { readonly names: NamesInFile; readonly closed: boolean } = { names: null, closed: false },
): string {
  const { parameters, hba, ident, useSlots } = s.view.settings
  const where = upstream ? `${upstream.name}@${upstream.host}:${upstream.port}` : '-'
  const { names, closed } = access
  return JSON.stringify([role, where, useSlots, parameters, hba, ident, names?.text ?? null, closed])
}
