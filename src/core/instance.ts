// PostgreSQL as it was seen: the data directory, and the running instance.
import type { Lsn, Position, Timeline } from '../kernel/lsn.ts'
import type { Ms } from '../kernel/time.ts'

/** What lies in the data directory. */
export type DataDirectory =
  /** Absent, empty, or holding only an interrupted copy of ours, which the next clone removes. */
  | { readonly kind: 'empty' }
  /** Made by us and never served: ours to remove (marker on disk). `what` says which step did not end. */
  | { readonly kind: 'unfinished'; readonly what: 'bootstrap' | 'rewind' }
  | { readonly kind: 'present'; readonly control: ControlData }
  /** Not empty, and not readable as a data directory. Never touched. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** From pg_controldata. */
export interface ControlData {
  readonly systemIdentifier: string
  /** `shut down`, `shut down in recovery`, `in production`, `in archive recovery`, ... */
  readonly state: string
  readonly checkpoint: Position
  /** Where the WAL ends if `checkpoint` is the last record (a shutdown checkpoint), else null. */
  readonly shutdownEnd: Lsn | null
  readonly dataChecksums: boolean
  readonly walLogHints: boolean
  readonly majorVersion: number
}

/** A running instance, asked over SQL. */
export type InstanceStatus =
  | PrimaryStatus
  | StandbyStatus
  /**
   * Answers but lets the agent not in: starting up, shutting down, recovery not consistent yet; or a wrong password,
   * or no session left.
   */
  | { readonly kind: 'starting'; readonly reason: string }

interface RunningStatus {
  readonly systemIdentifier: string
  /** server_version_num, for example 150020. */
  readonly serverVersion: number
  /** ISO text. */
  readonly postmasterStartedAt: string
  /** synchronous_standby_names in force. */
  readonly synchronousNames: string
  /** Blocks with a wrong checksum that were met since the statistics began, in all databases. */
  readonly checksumFailures: number
  /** Parameters that wait for a restart: name -> value in the file and value in force. */
  readonly pendingRestart: Readonly<Record<string, { readonly oldValue: string; readonly newValue: string }>>
}

export interface PrimaryStatus extends RunningStatus {
  readonly kind: 'primary'
  /** Flush position. */
  readonly position: Position
  /** Where the next record goes: beyond the flush position, somebody may be waiting for the disk. */
  readonly inserted: Lsn
  readonly replication: readonly ReplicationConnection[]
  /** Where commits do not wait for standbys although the cluster is synchronous, in words. */
  readonly weakCommits: readonly WeakCommits[]
  readonly slots: readonly SlotStatus[]
}

export interface StandbyStatus extends RunningStatus {
  readonly kind: 'standby'
  /** max(received, replayed) of this start of PostgreSQL, with the timeline of the last byte (protocol A8 "Position"). */
  readonly position: Position
  readonly replayed: Lsn
  readonly received: Lsn | null
  /** Replay has used up the local WAL: the position is the end of what this copy has. */
  readonly localWalReplayed: boolean
  /** A walreceiver process exists. */
  readonly receiving: boolean
  /** Since the upstream was last heard; null: no receiver, or nothing heard yet. */
  readonly heardMs: Ms | null
  /** `streaming`, `in archive recovery` or null. */
  readonly replicationState: string | null
  /** primary_conninfo is set, and whom it names (host and port). */
  readonly upstream: { readonly host: string; readonly port: number } | null
  readonly replayPaused: boolean
  /** recovery_min_apply_delay is set: a promotion would first have to replay what it holds back. */
  readonly applyDelayed: boolean
  readonly replayedAt: string | null
  readonly slots: readonly SlotStatus[]
}

export interface ReplicationConnection {
  /** Of the walsender. */
  readonly pid: number
  /** That it reads from; null: none. */
  readonly slot: string | null
  readonly user: string
  readonly applicationName: string
  readonly clientAddress: string | null
  readonly state: string
  readonly syncState: string
  readonly syncPriority: number
  readonly flushed: Lsn | null
}

/** A setting of `synchronous_commit` that a commit of these sessions is acknowledged by before a standby has it. */
export interface WeakCommits {
  readonly value: string
  /** null: every role, every database. */
  readonly role: string | null
  readonly database: string | null
}

export interface SlotStatus {
  readonly name: string
  readonly kind: 'physical' | 'logical'
  readonly active: boolean
  readonly restartLsn: Lsn | null
  readonly walStatus: string | null
}

/** Where a standby streams from or a copy is made from. */
export interface Upstream {
  readonly name: string
  readonly host: string
  readonly port: number
}

/** One line of a history file: `timeline` ended at `end`. */
export interface HistoryLine {
  readonly timeline: Timeline
  readonly end: Lsn
}

export interface CloneProgress {
  readonly bytesDone: number
  readonly bytesTotal: number | null
}

/** What the copy still has after a crash: replayed WAL ends at a record, and is on disk. */
export function keptPosition({ position, replayed }: StandbyStatus): Position {
  return { timeline: position.timeline, lsn: replayed }
}
