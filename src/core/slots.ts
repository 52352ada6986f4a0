// Physical replication slots: one for each other member on the primary, none left behind on a standby.
import type { Action } from './action.ts'
import { slotName } from './network-address.ts'
import type { Situation } from './situation.ts'

/** The action, or nothing when these slots were made sure of already. */
export function slotsFor(s: Situation): readonly Action[] {
  const { me, settings, memory } = s.view
  if (s.running.kind !== 'primary' && s.running.kind !== 'standby') return []
  const existing = s.running.status.slots
  const primary = s.running.kind === 'primary'
  const wanted =
    primary && settings.useSlots
      ? [
          ...memberNames(s)
            .filter(name => name !== me.name)
            .map(slotName),
          ...permanentSlots(s),
        ].sort()
      : []
  const missing = wanted.filter(name => !existing.some(slot => slot.name === name))
  // A slot that nobody reads keeps WAL for ever: on a standby all of ours go, on a primary those that were lost.
  const drop = existing
    .filter(slot => slot.kind === 'physical' && !slot.active && !ignored(s, slot.name))
    .filter(slot => !permanentSlots(s).includes(slot.name))
    .filter(slot => (primary ? slot.walStatus === 'lost' : true))
    .map(slot => slot.name)
  if (missing.length === 0 && drop.length === 0) return []
  const signature = JSON.stringify([missing, drop])
  // Refused once is refused until something changes: it must not end every tick.
  if (memory.slotsAppliedFor === signature) return []
  return [{ kind: 'ensure-slots', wanted: missing, drop, signature }]
}

/** On a primary: slots that nobody reads and no present member has the name of. They may keep WAL for ever. */
export function slotsOfNobody(s: Situation): readonly string[] {
  if (s.running.kind !== 'primary' || !s.cluster) return []
  const known = [...memberNames(s).map(slotName), ...permanentSlots(s)]
  return s.running.status.slots
    .filter(slot => slot.kind === 'physical' && !slot.active && slot.walStatus !== 'lost')
    .map(slot => slot.name)
    .filter(name => !known.includes(name) && !ignored(s, name))
}

function memberNames(s: Situation): readonly string[] {
  return (s.cluster?.members ?? []).map(member => member.value.name)
}

function permanentSlots(s: Situation): readonly string[] {
  return Object.entries(s.view.settings.slots)
    .filter(([, slot]) => slot.type === 'physical')
    .map(([name]) => name)
}

function ignored(s: Situation, name: string): boolean {
  return s.view.settings.ignoreSlots.some(rule => rule.name === name)
}
