// PostgreSQL as the agent's shell sees it. The engine does what it is told and says what it sees; whether the
// instance runs, and its start, stop, promotion and death, belong to the guard (ports/guard).
import type { Lsn, Position, Timeline } from '../kernel/lsn.ts'
import type { StartCommand } from './guard.ts'

/** What lies in the data directory. */
export type DataDirectory =
  /** Absent or empty. */
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
  /** Accepts connections but is not ready (starting up, shutting down, recovery not consistent yet). */
  | { readonly kind: 'starting'; readonly reason: string }

interface RunningStatus {
  readonly systemIdentifier: string
  /** server_version_num, for example 150020. */
  readonly serverVersion: number
  /** ISO text. */
  readonly postmasterStartedAt: string
  /** Parameters that wait for a restart: name -> value in the file and value in force. */
  readonly pendingRestart: Readonly<Record<string, { readonly oldValue: string; readonly newValue: string }>>
}

export interface PrimaryStatus extends RunningStatus {
  readonly kind: 'primary'
  /** Flush position. */
  readonly position: Position
  readonly replication: readonly ReplicationConnection[]
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
  /** `streaming`, `in archive recovery` or null. */
  readonly replicationState: string | null
  /** primary_conninfo is set, and whom it names (host and port). */
  readonly upstream: { readonly host: string; readonly port: number } | null
  readonly replayPaused: boolean
  readonly replayedAt: string | null
  readonly slots: readonly SlotStatus[]
}

export interface ReplicationConnection {
  readonly user: string
  readonly applicationName: string
  readonly clientAddress: string | null
  readonly state: string
  readonly syncState: string
  readonly syncPriority: number
  readonly flushed: Lsn | null
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

/** Parameters to run with: from dynamic and local configuration, already merged and checked. */
export interface InstanceSettings {
  readonly parameters: Readonly<Record<string, string>>
  readonly hba: readonly string[] | null
  readonly ident: readonly string[] | null
}

export interface CloneProgress {
  readonly bytesDone: number
  readonly bytesTotal: number | null
}

export interface Engine {
  /** The data directory, without a running instance being asked. Never throws for what it finds there. */
  dataDirectory(signal: AbortSignal): Promise<DataDirectory>
  /** The instance over SQL. @throws when it cannot be asked; the caller makes a lost reading of it. */
  status(signal: AbortSignal): Promise<InstanceStatus>
  /** Whether a NEW connection gets as far as the server's first answer: a stopped postmaster does not. */
  accepts(signal: AbortSignal): Promise<boolean>

  /** The command with which the guard starts the postmaster; TCP addresses are given here, never in the file. */
  startCommand(settings: InstanceSettings): Promise<StartCommand>
  /** Writes postgresql.conf, pg_hba.conf, pg_ident.conf for `upstream` (null: none). Atomic; false if nothing changed. */
  writeConfiguration(settings: InstanceSettings, upstream: Upstream | null, slot: string | null): Promise<boolean>
  /** Asks the running instance to re-read its files (SIGHUP), then reports what waits for a restart. */
  reload(): Promise<void>

  /** initdb into the empty data directory, marked as unfinished until `markServed`. */
  initialise(signal: AbortSignal): Promise<void>
  /** Superuser's password, replication and rewind roles, post_bootstrap: on the new primary, repeatable. */
  prepareCluster(signal: AbortSignal): Promise<void>
  /** Removes the bootstrap marker: from now on the directory may hold somebody's data. */
  markServed(): Promise<void>
  /** Removes a directory that carries our marker and was never served. Refuses anything else. */
  removeUnfinished(): Promise<void>
  /**
   * pg_basebackup into a new directory beside the old one, which is replaced (kept as `.replaced-*` until the new
   * one has started) only when the copy is complete. Checks the source's system identifier first.
   * @throws VigilError CLONE_FAILED; the old directory is then untouched.
   */
  clone(source: Upstream, expected: string, progress: (progress: CloneProgress) => void, signal: AbortSignal): Promise<void>
  /**
   * pg_rewind, with a marker on disk while it runs; `standby.signal` is moved away for it and put back.
   * @throws VigilError REWIND_FAILED; after a failure in the middle the directory reads as `unfinished: rewind`.
   */
  rewind(source: Upstream, expected: string, signal: AbortSignal): Promise<void>
  /** Removes kept old directories once the new copy streams. */
  discardReplaced(): Promise<void>

  /** The local copy of a timeline's history, oldest line first; empty for timeline 1. null: no such file. */
  history(timeline: Timeline): Promise<readonly HistoryLine[] | null>
  /** Asks another member's PostgreSQL for its history over the replication protocol. */
  historyOf(source: Upstream, timeline: Timeline, signal: AbortSignal): Promise<readonly HistoryLine[] | null>
  /** Makes empty history files for the numbers between, so that the next promotion takes `timeline` (protocol A6). */
  reserveTimelines(from: Timeline, timeline: Timeline): Promise<void>
  /** `standby.signal` back on disk, folder synced: after a promotion. */
  ensureStandbySignal(): Promise<void>
  checkpoint(signal: AbortSignal): Promise<void>
  /** Creates missing physical slots, drops those in `drop`. */
  ensureSlots(wanted: readonly string[], drop: readonly string[], signal: AbortSignal): Promise<void>
  /** Terminates walsenders of the named applications (a fast stop waits for them). */
  terminateWalSenders(applications: readonly string[], signal: AbortSignal): Promise<void>
  /** pg_controldata only, cheap enough to poll every 20 ms during a stop. */
  controlData(signal: AbortSignal): Promise<ControlData>
  /** Identity of the copy, kept in the data directory; null when there is none yet. */
  seat(): Promise<string | null>
  setSeat(seat: string): Promise<void>
  /** Closes connections; the instance goes on. */
  close(): void
}
