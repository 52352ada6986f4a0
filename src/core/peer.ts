// What another member's agent says of itself.
import type { Position } from '../kernel/lsn.ts'

/** The part of GET /patroni that decisions need. */
export interface PeerReport {
  readonly name: string
  /** null: a real Patroni agent. */
  readonly install: string | null
  readonly role: 'primary' | 'standby' | 'none'
  /** null while it cannot say. */
  readonly position: Position | null
  readonly pendingRestart: boolean
  readonly noFailover: boolean
  /** Whether it may be promoted now, by its own word (seat ready, guard in `standby`). */
  readonly promotable: boolean
  /** Identity of its copy of the data, by its own word; null: a real Patroni agent, or no copy. */
  readonly seat: string | null
  readonly seatState: 'ready' | 'incomplete' | 'diverged'
  /** Why it can't write or is not fit to lead, in words; null: nothing is known against it. */
  readonly trouble: string | null
  /** The highest term it has seen. */
  readonly term: number | null
}
