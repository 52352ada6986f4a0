// Whose copy is behind each walsender: PostgreSQL knows names only, and behind a name may be another copy by now.
import type { ReplicationConnection } from '../instance.ts'
import type { WalsenderSeats } from '../memory.ts'
import type { Situation } from '../situation.ts'
import { stayingSeat } from './leaving.ts'
import { sameName } from './names.ts'

/** Of a walsender that was there before this agent looked: nothing tells whose it is. */
const UNTOLD = ''

/**
 * For the memory. A copy connects only when its member's key names it, and is replaced only when no rule lists it; so
 * a key that is read after its walsender was first seen tells, and so does a rule. It never changes its copy.
 */
export function walsenderSeats(s: Situation): WalsenderSeats | null {
  const { running, view, record } = s
  if (running.kind !== 'primary') return running.kind === 'unknown' ? view.memory.walsenders : null
  const before = view.memory.walsenders
  const listed = record?.rules?.at(-1)?.seats ?? []
  const seatOf = (one: ReplicationConnection): string | null => {
    const seat = keySeat(s, one)
    const known = before?.[one.pid]
    if (known === null) return s.cluster ? (seat ?? UNTOLD) : null
    if (known !== undefined) return known
    if (before) return null
    return seat && listed.includes(seat) ? seat : UNTOLD
  }
  return Object.fromEntries(running.status.replication.map(one => [one.pid, seatOf(one)]))
}

/** Of copies that were replaced, or may have been: connections that nobody has missed yet. Others come back at once. */
export function outdated(s: Situation): readonly ReplicationConnection[] {
  const { running, view } = s
  if (running.kind !== 'primary') return []
  return running.status.replication.filter(one => {
    const known = view.memory.walsenders?.[one.pid] ?? null
    const now = keySeat(s, one)
    return known !== null && now !== null && known !== now && acknowledges(one)
  })
}

/** Or is about to. A base backup never does, and who has only just come has not said yet which slot it reads from. */
export function acknowledges({ state }: ReplicationConnection): boolean {
  return state !== 'backup' && state !== 'startup'
}

function keySeat({ cluster }: Situation, { applicationName }: ReplicationConnection): string | null {
  const member = cluster?.members.find(({ value }) => sameName(value.name, applicationName))?.value
  return member ? stayingSeat(member) : null
}
