// Which copies of the data may be counted on: members whose walsender reads from their own slot.
import { formatLsn, type Lsn } from '../../kernel/lsn.ts'
import { elapsedAtMost, type Instant, type Ms } from '../../kernel/time.ts'
import type { PrimaryStatus, ReplicationConnection } from '../instance.ts'
import { slotName } from '../network-address.ts'
import type { Situation } from '../situation.ts'
import type { AcknowledgementRule, TermRecord } from '../term.ts'
import { stayingSeat } from './leaving.ts'
import { listedNames, sameName } from './names.ts'
import { acknowledges } from './walsenders.ts'

/** A seat that is away for longer is no longer waited for. */
export const AWAY_MS: Ms = 3000
const FORGOTTEN_MS: Ms = 600_000

export interface SeatSeen {
  readonly name: string
  readonly at: Instant
}

export interface Candidate {
  readonly name: string
  readonly seat: string
  /** By its member's own word it is to be replaced, or was replaced already. */
  readonly gone: boolean
  /** It streams, is near enough, and nothing speaks against it. */
  readonly fit: boolean
  /** Not fit, but it was a moment ago. */
  readonly missed: boolean
  /** Its installation may take over. */
  readonly listed: boolean
  readonly priority: number
  readonly flushed: Lsn | null
}

/** The rule of the present term: the one that this leader's commits are acknowledged by. */
export function ownRule(record: TermRecord): AcknowledgementRule | null {
  const newest = record.rules?.at(-1)
  return newest && newest.term === record.term && newest.leader === record.holder.seat ? newest : null
}

/** Every other copy with a known name, in order of their names. */
export function candidates(s: Situation): readonly Candidate[] {
  const { record, view } = s
  const status = primaryOf(s)
  if (!record || !status) return []
  return knownSeats(s).map(({ name, seat, gone }) => {
    const member = s.cluster?.members.find(known => known.value.name === name)?.value
    const tags = member?.tags ?? {}
    const priority = typeof tags['sync_priority'] === 'number' ? tags['sync_priority'] : 1
    const barred = gone || tags['nosync'] === true || priority <= 0
    const named = ownConnection(s, status, name)
    const connection = named && view.memory.walsenders?.[named.pid] === seat ? named : null
    const fit = !barred && connection !== null && streamsNear(s, status, connection)
    const seen = view.memory.seatsSeen[seat]
    return {
      name,
      seat,
      gone,
      fit,
      missed: !fit && !barred && seen !== undefined && elapsedAtMost(seen.at, s.now) < AWAY_MS,
      listed: record.members.includes(member?.vigil?.install ?? ''),
      priority,
      flushed: connection?.flushed ?? null,
    }
  })
}

type KnownSeat = Pick<Candidate, 'name' | 'seat' | 'gone'>

/**
 * By their member keys, and as they were last seen when the key went with the agent's lease. Each copy once: after a
 * member was renamed its old key stands beside the new one for a while, and one copy must not be counted as two.
 */
function knownSeats(s: Situation): readonly KnownSeat[] {
  const keys = [...(s.cluster?.members ?? [])].sort((a, b) => (a.modRevision < b.modRevision ? 1 : -1))
  const members = keys.map(({ value }) => value)
  const present = members
    .flatMap(member => {
      const { name, vigil } = member
      return vigil?.seat ? [{ name, seat: vigil.seat, gone: stayingSeat(member) === null }] : []
    })
    .filter(({ seat }, index, all) => all.findIndex(other => other.seat === seat) === index)
  const before = Object.entries(s.view.memory.seatsSeen)
    .filter(([seat]) => !present.some(known => known.seat === seat))
    .map(([seat, { name }]) => ({ name, seat, gone: members.some(member => member.name === name) }))
  return [...present, ...before]
    .filter(({ name, seat }) => name !== s.view.me.name && seat !== s.record?.holder.seat)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The one walsender that is certainly this member's; two of one name could satisfy a rule alone (experiment E11). */
function ownConnection(s: Situation, status: PrimaryStatus, name: string): ReplicationConnection | null {
  const named = status.replication.filter(one => sameName(one.applicationName, name))
  if (s.view.settings.useSlots) return named.find(one => one.slot === slotName(name)) ?? null
  return named.length === 1 ? named[0]! : null
}

function streamsNear(s: Situation, status: PrimaryStatus, connection: ReplicationConnection): boolean {
  const { maximumLagOnSyncnode } = s.view.settings
  if (connection.state !== 'streaming' || connection.flushed === null) return false
  return maximumLagOnSyncnode <= 0 || Number(status.position.lsn - connection.flushed) <= maximumLagOnSyncnode
}

/** Walsenders that carry the name of a member or of a rule and are not that member's: they must not acknowledge. */
export function strangers(s: Situation): readonly ReplicationConnection[] {
  const status = primaryOf(s)
  if (!status) return []
  const members = (s.cluster?.members ?? []).map(member => member.value.name)
  const names = [...new Set([...members, ...listedNames(status.synchronousNames)])]
  return names.flatMap(name => {
    const own = ownConnection(s, status, name)
    return status.replication.filter(
      one => sameName(one.applicationName, name) && one !== own && acknowledges(one),
    )
  })
}

/** For the memory: when each seat was last fit. */
export function seatsSeen(s: Situation): Readonly<Record<string, SeatSeen>> {
  const { memory } = s.view
  // A new leadership gives everybody time anew.
  if (s.running.kind === 'standby' || s.running.kind === 'none') return {}
  if (s.running.kind !== 'primary' || !s.record) return memory.seatsSeen
  const counted = ownRule(s.record)?.seats ?? []
  const recent = Object.entries(memory.seatsSeen).filter(
    ([seat, { at }]) => counted.includes(seat) || elapsedAtMost(at, s.now) < FORGOTTEN_MS,
  )
  // Counted by the record and never seen by this process: it is given its time too.
  const fresh = candidates(s)
    .filter(({ seat, fit }) => fit || (counted.includes(seat) && !memory.seatsSeen[seat]))
    .map(({ name, seat }) => [seat, { name, at: s.now }] as const)
  return Object.fromEntries([...recent, ...fresh])
}

/** What each counted seat has flushed at the least, for the record: a copy that later has less was set back. */
export function withSeen(s: Situation, record: TermRecord): TermRecord['rules'] {
  const own = ownRule(record)
  if (!own || !record.rules || !primaryOf(s)) return record.rules
  const flushed = candidates(s).filter(known => known.flushed !== null && own.seats.includes(known.seat))
  const seen = {
    ...own.seen,
    ...Object.fromEntries(flushed.map(known => [known.seat, formatLsn(known.flushed!)])),
  }
  return record.rules.map(rule => (rule === own ? { ...own, seen } : rule))
}

function primaryOf(s: Situation): PrimaryStatus | null {
  return s.running.kind === 'primary' ? s.running.status : null
}
