// Everything there is in one run: its parts as the others see them, and what the checker is told of.
import type { AgentHandle } from '../src/agent/handle.ts'
import type { FailsafeAsked } from '../src/core/failsafe.ts'
import type { MemberMemory } from '../src/core/member-memory.ts'
import type { LocalSettings } from '../src/core/settings.ts'
import type { Answer, GuardMessage, GuardState } from '../src/guard/model.ts'
import type { Instant, Ms } from '../src/kernel/time.ts'
import type { GuardStatus } from '../src/ports/guard.ts'
import type { KeyValueEntry } from '../src/ports/store.ts'
import type { CommitQueue } from './commits.ts'
import type { Configuration, Directory } from './data-directory.ts'
import type { DiskState } from './disk.ts'
import type { HostClock } from './host-clock.ts'
import type { SimLog } from './log.ts'
import type { Network } from './network.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import type { StandbyNames } from './standby-names.ts'
import type { SimStore } from './store.ts'
import type { Copy, RecordKind, WalRecord } from './wal.ts'

export interface World {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly log: SimLog
  readonly network: Network
  readonly store: SimStore
  readonly hosts: Host[]
  readonly observe: Observer
  postgresAt(host: string): Postgres | undefined
  host(name: string): Host | undefined
  nextBranchId(): number
  /** Clients find out that this instance takes writes. */
  clients(postgres: Postgres, instance: Instance): void
  /** How long children may outlive a guard's death here at most: what is promised only for a deadline far enough away. */
  lingerLimitMs(name: string): number
}

/** What the simulated parts report, at the moment when it is true. */
export interface Observer {
  /** Something that must not happen did. */
  report(invariant: string, text: string): void
  servesWrites(postgres: Postgres): void
  stoppedServing(name: string): void
  promoted(postgres: Postgres, from: Copy): void
  acknowledged(postgres: Postgres, instance: Instance, commit: Acknowledged): void
  /** A session that waits was let go although no standby has answered for its commit. */
  releasedAlone(postgres: Postgres, instance: Instance): void
  /** What may release commits has changed somewhere in this instance. */
  namesInForce(postgres: Postgres, instance: Instance): void
  /** A member has answered that it receives nothing until the record has moved beyond `base`. */
  sealed(name: string, base: bigint): void
  /** A walreceiver has connected. */
  streams(postgres: Postgres, source: Postgres): void
  guardStepped(host: Host, before: GuardState, after: GuardState, now: Instant): void
  /** The store is about to show this term record again; null: none. */
  rolledBack(term: KeyValueEntry | null): void
  /** An operator puts this record in its place. */
  begunAnew(text: string): void
  /** A member has promised to leave the leadership alone, and the answer is about to leave. */
  promised(name: string, asked: FailsafeAsked): void
  directoryRemoved(host: Host, directory: Directory): void
  /** A rewind begins: what was there is overwritten. */
  rewound(host: Host, directory: Directory): void
  copyReplaced(host: Host): void
}

export interface Acknowledged {
  readonly record: WalRecord
  /** Everything up to it. */
  readonly copy: Copy
  /** `local`: the session does not wait, whatever is configured. `nobody`: no names were in force. */
  readonly by: 'local' | 'nobody' | 'standbys'
}

/** One machine. What survives what is decided in host. */
export interface Host {
  readonly name: string
  readonly clock: HostClock
  readonly postgres: Postgres
  guard: GuardProcess | null
  agent: AgentRun | null
  /** On disk. */
  memory: MemberMemory
  local: LocalSettings
  /** SIGKILL takes at most so long to end everything. */
  killMs: number
  /** How often it came back with an empty disk. */
  disksLost: number
  /** Chance that a rewind fails midway. */
  rewindFailure: number
  /** A slow disk adds to everything that waits for it. */
  slowDiskMs: number
  diskDelayMs(): number
  disk: DiskState
  frozen(): boolean
  up(): boolean
  startAgent(): void
  killAgent(): void
  freeze(kind: 'processes' | 'suspend' | 'freeze'): void
  thaw(): void
  powerOff(): void
  powerOn(): void
  /** When it last went on after a standstill of the whole machine or of the guard. */
  lastStall: number
  /** Both its clocks stood still, which nothing inside can tell: what it promises by them is void until then. */
  clockFaultUntil: number
  /** When the scenario last did something to it. */
  lastFault: number
}

export interface AgentRun {
  readonly process: Process
  readonly handle: AgentHandle
  /** Ending was asked for: it is not started again. */
  ending: boolean
}

/** One member's PostgreSQL. */
export interface Postgres {
  readonly name: string
  directory: Directory | null
  /** Copies kept beside the directory that replaced them. */
  readonly replaced: Directory[]
  instance: Instance | null
  /** Scenario: how long things take. */
  readonly pace: { stopMs: Ms; recoveryMs: Ms; promotionMs: Ms; lagMs: Ms }
  alive(): boolean
  /** Executes the postmaster; its pid, or null when it would not even start. */
  start(): number | null
  fastStop(): void
  immediateStop(): void
  /** SIGUSR1: looks for the promote file. */
  promoteIfAsked(): void
  /** SIGKILL to every process, delivered within this time. */
  killEverything(withinMs: Ms): void
  killPostmaster(): void
  /** It ends by itself, with everything. */
  panic(): void
  /** The machine is off. */
  powerOff(): void
  reload(): void
  write(kind: RecordKind): WalRecord | null
  onExit(callback: (code: number | null, signal: string | null) => void): void
}

/** One run of it. */
export interface Instance {
  readonly pid: number
  readonly postmaster: Process
  readonly children: Process
  phase: 'starting' | 'standby' | 'promoting' | 'primary' | 'stopping'
  /** What the phase was before it began to stop. */
  role: 'standby' | 'primary'
  configuration: Configuration
  readonly startedAt: string
  /** Where replay is, while it has not used up what was on disk at the start. null: it has. */
  replayBehind: Copy | null
  /** It has received something in this run. */
  received: boolean
  receiver: Receiver | null
  readonly senders: Set<WalSender>
  readonly commits: CommitQueue
  /** Replay waits for somebody's query. */
  replayStuck: boolean
  /** Pid of the next backend or walsender. */
  nextChild: number
  /** A client waits for the disk. */
  unflushed: boolean
  /** Clients have connections. */
  sessions: boolean
}

/** A walreceiver: the standby's end of a connection. */
export interface Receiver {
  readonly postgres: Postgres
  readonly instance: Instance
  readonly source: Postgres
  sender: WalSender | null
  /** When anything came last, in true time. */
  heardAt: number
  open: boolean
  /** WAL up to here has come, and is flushed. False: it fits no more. */
  take(sent: Copy): boolean
  /** The other end is gone; noticed after so long. */
  sourceEnded(ms: Ms): void
}

/** A walsender: the primary's end. It may be there without the other one. */
export interface WalSender {
  readonly pid: number
  /** application_name: what the standby says it is. */
  readonly name: string
  readonly slot: string | null
  /** Identity of the copy at the other end. */
  readonly seat: string | null
  /** null: no member of the cluster. */
  readonly receiver: Receiver | null
  readonly source: Postgres
  readonly instance: Instance
  /** In force in this process. */
  names: StandbyNames | null
  priority: number
  flushed: number
  /** SIGHUP has come, and has not been looked at. */
  signalled: boolean
  /** This process alone is stopped: what waits for it. */
  held: (() => void)[] | null
  busy: boolean
  open: boolean
}

export interface GuardProcess {
  readonly process: Process
  state(): GuardState
  /** From an agent; answered through its connection. */
  message(connection: Connection, id: number, message: GuardMessage): void
  attach(connection: Connection): void
  detach(connection: Connection): void
}

/** The agent's end of the line. */
export interface Connection {
  readonly agent: Process
  answered(answer: Answer, status: GuardStatus): void
  echoed(status: GuardStatus, at: Instant): void
  closed(): void
}
