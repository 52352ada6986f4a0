// PostgreSQL as the agent's shell sees it. The engine does what it is told and says what it sees; whether the
// instance runs, and its start, stop, promotion and death, belong to the guard (ports/guard).
import type { Evidence } from '../core/evidence.ts'
import type { DiskPlace } from '../core/health.ts'
import type {
  CloneProgress,
  ControlData,
  DataDirectory,
  HistoryLine,
  InstanceStatus,
  Upstream,
} from '../core/instance.ts'
import type { Lsn, Timeline } from '../kernel/lsn.ts'
import type { StartCommand } from './guard.ts'

export type {
  CloneProgress,
  ControlData,
  DataDirectory,
  HistoryLine,
  InstanceStatus,
  PrimaryStatus,
  SlotStatus,
  StandbyStatus,
  Upstream,
} from '../core/instance.ts'

export interface EvidenceOrder {
  /** The leader, whose history is the accepted one. */
  readonly source: Upstream
  readonly expected: string
  /** The newest known term. */
  readonly term: number
  /** The copy is known to be no beginning of the accepted history, even if timeline numbers say that it is. */
  readonly suspect: boolean
}

/** Parameters to run with: from dynamic and local configuration, already merged and checked. */
export interface InstanceSettings {
  readonly parameters: Readonly<Record<string, string>>
  readonly hba: readonly string[] | null
  readonly ident: readonly string[] | null
  /** For a primary; null: as the user configured it (asynchronous cluster). */
  readonly synchronousNames?: string | null
  /** Only the agent and standbys are let in (protocol A12-3). */
  readonly closed?: boolean
}

export type WriteAnswer =
  | { readonly kind: 'written' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Somebody answers and lets the agent not in (no session left, shutting down): says nothing of the disk. */
  | { readonly kind: 'kept-out'; readonly reason: string }

export interface Engine {
  /** The data directory, without a running instance being asked. Never throws for what it finds there. */
  dataDirectory(signal: AbortSignal): Promise<DataDirectory>
  /** The instance over SQL. @throws when it cannot be asked; the caller makes a lost reading of it. */
  status(signal: AbortSignal): Promise<InstanceStatus>
  /** Whether a NEW connection gets as far as the server's first answer: a stopped postmaster does not. */
  accepts(signal: AbortSignal): Promise<boolean>
  /**
   * Whether a NEW connection gets a record into the WAL, flushed, without waiting for standbys (protocol A12-1). Only of
   * a primary, and one at a time: it may hang for as long as the disk does. Never throws.
   */
  writes(signal: AbortSignal): Promise<WriteAnswer>
  /** Writes a small file on each file system in use. May hang as long as the disk does. @throws when given up. */
  disks(signal: AbortSignal): Promise<readonly DiskPlace[]>

  /**
   * The command with which the guard starts the postmaster; TCP addresses are given here, never in the file. Called
   * before each start and never while the instance runs: it releases timeline numbers that no promotion has used.
   */
  startCommand(settings: InstanceSettings): Promise<StartCommand>
  /**
   * Writes postgresql.conf, pg_hba.conf, pg_ident.conf for `upstream` (null: none). Atomic; false if nothing changed.
   * As `standby` the instance waits for a name that nobody has, so that a promotion by hand acknowledges nothing.
   */
  writeConfiguration(
    settings: InstanceSettings,
    upstream: Upstream | null,
    slot: string | null,
    role: 'primary' | 'standby',
  ): Promise<boolean>
  /**
   * No upstream in the file that wins, and certainly no walreceiver any more (protocol A8, steps 2-5): until the files
   * name one again, this running standby receives nothing. @throws when that is not certain
   */
  stopReceiving(signal: AbortSignal): Promise<void>
  /**
   * Over a NEW connection, so that every process has been told before it: synchronous_standby_names in force, then WAL
   * that waits for nobody and ends at `lsn`. Whoever reports that flushed has adopted the names. On a standby `lsn` is null.
   */
  adoption(signal: AbortSignal): Promise<{ readonly names: string; readonly lsn: Lsn | null }>
  /** Walsenders only; others are left alone. */
  terminateBackends(pids: readonly number[], signal: AbortSignal): Promise<void>
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
   * Keeps the WAL, a list of the transactions and, of a running copy, the rows that the source's history has not, outside
   * the data directory: before a rewind or a clone. Repeatable; null: nothing to keep, or it was kept before.
   * @throws VigilError EVIDENCE_NOT_KEPT
   */
  keepEvidence(order: EvidenceOrder, signal: AbortSignal): Promise<Evidence | null>
  /** What has been kept here, oldest first. */
  evidence(): Promise<readonly Evidence[]>
  /**
   * pg_basebackup into a new directory beside the old one, which is replaced (kept as `.replaced-*` until the new
   * one has started) only when the copy is complete. Checks the source's system identifier first.
   * @throws VigilError CLONE_FAILED; the old directory is then untouched.
   */
  clone(
    source: Upstream,
    expected: string,
    progress: (progress: CloneProgress) => void,
    signal: AbortSignal,
    slot?: string | null,
  ): Promise<void>
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
  /**
   * Makes history files without entries for the numbers between that have none, so that the next promotion takes
   * `timeline` (protocol A6).
   */
  reserveTimelines(from: Timeline, timeline: Timeline): Promise<void>
  /**
   * `standby.signal` back on disk, folder synced: after a promotion. Also gives the numbers that it passed over to the
   * archive, where there is one.
   */
  ensureStandbySignal(): Promise<void>
  hasStandbySignal(): Promise<boolean>
  checkpoint(signal: AbortSignal): Promise<void>
  /** Creates missing physical slots, drops those in `drop`. */
  ensureSlots(wanted: readonly string[], drop: readonly string[], signal: AbortSignal): Promise<void>
  /** Terminates walsenders of the named applications (a fast stop waits for them). */
  terminateWalSenders(applications: readonly string[], signal: AbortSignal): Promise<void>
  /**
   * Whether the WAL of this running standby ends with its upstream's shutdown checkpoint: the upstream stopped in
   * order, and nothing of it is missing here (protocol A7 X1).
   */
  endsWithShutdownCheckpoint(signal: AbortSignal): Promise<boolean>
  /** pg_controldata only, cheap enough to poll every 20 ms during a stop. */
  controlData(signal: AbortSignal): Promise<ControlData>
  /** Identity of the copy, kept in the data directory; null when there is none yet. */
  seat(): Promise<string | null>
  setSeat(seat: string): Promise<void>
  /** Closes connections; the instance goes on. */
  close(): void
}
