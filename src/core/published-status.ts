// The `/status` key: the leader's position and its slots, for Patroni's eyes.
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
