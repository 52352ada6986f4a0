// Everything one decision may depend on. A recorded view replays in a test.
import type { Reading } from '../kernel/reading.ts'
import type { Instant, Ms } from '../kernel/time.ts'
import type { ClusterState } from './cluster.ts'
import type { GuardStatus } from './guard-status.ts'
import type { Health } from './health.ts'
import type { DataDirectory, HistoryLine, InstanceStatus } from './instance.ts'
import type { Job } from './job.ts'
import type { MemberMemory } from './member-memory.ts'
import type { Memory } from './memory.ts'
import type { PeerReport } from './peer.ts'
import type { MemberRequest } from './request.ts'
import type { Settings } from './settings.ts'
import type { HolderContact, SealAnswer } from './synchronous/seal.ts'

export interface View {
  readonly now: Instant
  /** ISO text, for what people read; nothing is decided by it. */
  readonly wallTime: string
  /** Fresh random numbers for this tick, should it need them. */
  readonly chance: { readonly nonce: string; readonly seat: string }
  readonly me: Me
  readonly settings: Settings
  readonly store: Reading<ClusterState>
  /** null: not connected. */
  readonly guard: { readonly status: GuardStatus; readonly echoAt: Instant } | null
  /** The running instance; lost when nothing runs or it did not answer. */
  readonly instance: Reading<InstanceStatus>
  /** Whether a new connection got the server's first answer; lost counts as no; null: not asked of who doesn't lead. */
  readonly accepts: Reading<boolean> | null
  /** What is known of this machine's ability to write. */
  readonly health: Health
  /** What must be remembered could not be written to the state directory: the reason. */
  readonly notKept: string | null
  /** Read only while nothing runs. */
  readonly directory: Reading<DataDirectory>
  /** In state `handover`, on the successor: its WAL ends with the old leader's shutdown checkpoint. */
  readonly endsWithShutdown: boolean
  /** Until the operators' request in `/failover` is due; null: there is none, or it has no time. */
  readonly failoverDueInMs: Ms | null
  /** History of the running instance's timeline. */
  readonly history: readonly HistoryLine[] | null
  /** By member name; only filled while a decision may need them. */
  readonly peers: Readonly<Record<string, Reading<PeerReport>>>
  /** What other members answered to this one's request to seal themselves, by install, for the present revision. */
  readonly seals: Readonly<Record<string, SealAnswer>>
  /** null: not asked. */
  readonly holderContact: HolderContact | null
  readonly remembered: MemberMemory
  readonly memory: Memory
  readonly job: Job | null
  readonly requests: readonly MemberRequest[]
  /** The agent was asked to end. `leave`: PostgreSQL goes on (upgrade of the agent). */
  readonly ending: 'no' | 'stop' | 'leave'
}

/** What this member is. */
export interface Me {
  readonly name: string
  readonly install: string
  readonly machine: string
  /** Addresses under which others reach PostgreSQL and the agent. */
  readonly connUrl: string
  readonly apiUrl: string
  /** Version of vigil. */
  readonly version: string
  /** bootstrap section present: this member may create the cluster. */
  readonly mayBootstrap: boolean
  /** `bootstrap.dcs`, what `/config` begins with. */
  readonly bootstrapConfig: Readonly<Record<string, unknown>>
  readonly tags: Readonly<Record<string, unknown>>
}
