// The one mutable thing of an agent: what it carries from tick to tick.
import type { MemberRecord } from '../core/cluster.ts'
import type { Evidence } from '../core/evidence.ts'
import type { HistoryLine } from '../core/instance.ts'
import type { Job } from '../core/job.ts'
import { EMPTY_MEMORY, type Memory } from '../core/memory.ts'
import type { MemberRequest, RequestOutcome } from '../core/request.ts'
import type { Settings } from '../core/settings.ts'
import type { HolderContact } from '../core/synchronous/seal.ts'
import type { TermRecord } from '../core/term.ts'
import type { Instant } from '../kernel/time.ts'
import type { AgentOptions, AgentPorts } from './options.ts'
import type { SealRound } from './seal-watch.ts'

export interface FiledRequest {
  readonly request: MemberRequest
  readonly answer: (outcome: RequestOutcome) => void
}

export interface Context {
  readonly ports: AgentPorts
  readonly options: AgentOptions
  memory: Memory
  job: Job | null
  /** Oldest first. */
  readonly requests: FiledRequest[]
  ending: 'no' | 'stop' | 'leave'
  /** The newest good settings, and the configuration they were made from. */
  settings: { readonly value: Settings; readonly source: string } | null
  lease: string | null
  /** The history of the timeline that the instance is on, and of which start of it. */
  history: { readonly of: string; readonly lines: readonly HistoryLine[] } | null
  /** Why the member's memory could not be written at the last look; null: it was. */
  notKept: string | null
  /** When the position was last kept on disk. */
  reportedAt: Instant | null
  /** Highest revision of the store in any read: a lower one is an old read. */
  storeRevision: bigint
  /** Since when every read has shown a lower one. */
  storeOldSince: Instant | null
  /** When the running instance last took a new connection; null: not the last time. */
  accepted: Instant | null
  /** When the newest revision of the record was last kept on disk. */
  revisionKeptAt: Instant | null
  /** The store has not answered since; null: it has. */
  storeLostSince: Instant | null
  /** Members as they were last published, those whose key has gone included. */
  membersKnown: readonly MemberRecord[]
  /** Of the record that was read last. */
  holderKnown: {
    readonly install: string
    readonly apiUrl: string
    readonly connUrl: string
    readonly record: TermRecord
  } | null
  holderContact: HolderContact | null
  /** Questions to the holder that have not ended. */
  readonly contacting: Set<'agent' | 'server'>
  /** Oldest first, as last read. */
  evidence: readonly Evidence[]
  /** Questions for seals, for one revision of the record. */
  seals: SealRound | null
  /** Something may have changed: decide again soon. */
  wake: () => void
  /** Ends the loop. */
  exit: (status: number, reason: string) => void
}

export function createContext(ports: AgentPorts, options: AgentOptions): Context {
  return {
    ports,
    options,
    memory: EMPTY_MEMORY,
    job: null,
    requests: [],
    ending: 'no',
    settings: null,
    lease: null,
    history: null,
    notKept: null,
    reportedAt: null,
    storeRevision: 0n,
    storeOldSince: null,
    accepted: null,
    revisionKeptAt: null,
    storeLostSince: null,
    membersKnown: [],
    holderKnown: null,
    holderContact: null,
    contacting: new Set(),
    seals: null,
    evidence: [],
    wake: () => undefined,
    exit: () => undefined,
  }
}
