// Keys that the leader keeps for Patroni's eyes: `/status` (position and slots) and `/failsafe` (whom to ask).
import type { Situation } from './situation.ts'

/** null while this member is not a running primary. */
export function statusText(s: Situation): string | null {
  if (s.running.kind !== 'primary') return null
  const { position, slots } = s.running.status
  const restart = slots
    .filter(slot => slot.restartLsn !== null)
    .map(slot => `"${slot.name}":${slot.restartLsn}`)
    .sort()
  const members = restart.length > 0 ? `,"slots":{${restart.join(',')}}` : ''
  return `{"optime":${position.lsn}${members}}`
}

/** null while the mode is off: then the key stays as it was. */
export function failsafeText({ view, cluster }: Situation): string | null {
  if (!view.settings.failsafeMode || !cluster) return null
  const others = cluster.members.map(({ value }) => [value.name, value.apiUrl] as const)
  const all = [...others.filter(([name]) => name !== view.me.name), [view.me.name, view.me.apiUrl] as const]
  const known = all.filter(([, apiUrl]) => apiUrl !== null).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(known))
}
