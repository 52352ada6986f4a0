// Small views for tests of decisions: a healthy three-member cluster, changed where a test says so.
import type { ClusterState, MemberRecord } from '../../src/core/cluster.ts'
import { decide } from '../../src/core/decide.ts'
import type { GuardStatus } from '../../src/core/guard-status.ts'
import { UNKNOWN_HEALTH } from '../../src/core/health.ts'
import type { ControlData, PrimaryStatus, StandbyStatus } from '../../src/core/instance.ts'
import { EMPTY_MEMORY, type Memory } from '../../src/core/memory.ts'
import type { PeerReport } from '../../src/core/peer.ts'
import { effectiveSettings, NO_LOCAL_SETTINGS } from '../../src/core/settings.ts'
import type { TermRecord } from '../../src/core/term.ts'
import type { View } from '../../src/core/view.ts'
import { lsn, type Position } from '../../src/kernel/lsn.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import type { Instant, Ms } from '../../src/kernel/time.ts'

export const NOW: Instant = { mono: 1_000_000, boot: 1_000_000 }

export function at(ms: Ms): Instant {
  return { mono: NOW.mono + ms, boot: NOW.boot + ms }
}

export function position(timeline: number, bytes: number): Position {
  return { timeline, lsn: lsn(bytes) }
}

export function record(change: Partial<TermRecord> = {}): TermRecord {
  return {
    v: 1,
    cluster: 'store-1',
    term: 5,
    state: 'serving',
    holder: { name: 'amber', install: 'amber-1', seat: 'amber-seat', machine: 'amber-machine' },
    ttl: 10_000,
    nonce: 'somebody',
    at: position(6, 1000),
    members: ['amber-1', 'birch-1', 'cedar-1'],
    rules: null,
    rulesVersion: 0,
    chain: [{ term: 5, timeline: 6, parent: 5, fork: lsn(900) }],
    timelineMax: 6,
    successor: null,
    final: null,
    mixed: false,
    ...change,
  }
}

export function member(name: string, change: Partial<MemberRecord> = {}): MemberRecord {
  return {
    name,
    connUrl: `postgres://10.0.0.${name.length}:5432/postgres`,
    apiUrl: `http://10.0.0.${name.length}:8008/patroni`,
    state: 'running',
    role: name === 'amber' ? 'primary' : 'replica',
    version: '4.1.4',
    xlogLocation: lsn(1000),
    receiveLsn: null,
    replayLsn: null,
    replicationState: null,
    timeline: 6,
    tags: {},
    checkpointAfterPromote: true,
    pendingRestart: false,
    pendingRestartReason: null,
    scheduledRestart: null,
    pause: false,
    vigil: { version: '0.1.0', install: `${name}-1`, seat: `${name}-seat`, machine: `${name}-machine` },
    ...change,
  }
}

export function cluster(
  change: Partial<ClusterState> & { readonly recordIs?: Partial<TermRecord> } = {},
): ClusterState {
  const { recordIs, ...rest } = change
  return {
    revision: 100n,
    clusterId: 'store-1',
    term: { value: record(recordIs), modRevision: 90n },
    leader: { value: recordIs?.holder?.name ?? 'amber', modRevision: 50n },
    initialize: { value: '7000000000000000001', modRevision: 2n },
    config: {
      value: { ttl: 10, loop_wait: 2, retry_timeout: 3, postgresql: { use_pg_rewind: true } },
      modRevision: 3n,
    },
    members: ['amber', 'birch', 'cedar'].map(name => ({ value: member(name), modRevision: 60n })),
    failover: null,
    sync: null,
    status: null,
    history: null,
    failsafe: null,
    damaged: [],
    ...rest,
  }
}

const RUNNING = {
  systemIdentifier: '7000000000000000001',
  serverVersion: 150020,
  postmasterStartedAt: '2026-11-20T00:00:00Z',
  synchronousNames: '',
  checksumFailures: 0,
  pendingRestart: {},
}

export function primary(where: Position, change: Partial<PrimaryStatus> = {}): PrimaryStatus {
  const replication = ['birch', 'cedar'].map((name, index) => ({
    pid: 5000 + index,
    slot: name,
    user: 'replicator',
    applicationName: name,
    clientAddress: null,
    state: 'streaming',
    syncState: 'async',
    syncPriority: 0,
    flushed: where.lsn,
  }))
  return {
    ...RUNNING,
    kind: 'primary',
    position: where,
    inserted: where.lsn,
    replication,
    weakCommits: [],
    slots: [],
    ...change,
  }
}

export function standby(where: Position, change: Partial<StandbyStatus> = {}): StandbyStatus {
  return {
    ...RUNNING,
    kind: 'standby',
    position: where,
    replayed: where.lsn,
    received: where.lsn,
    localWalReplayed: true,
    receiving: false,
    heardMs: null,
    replicationState: null,
    upstream: null,
    replayPaused: false,
    applyDelayed: false,
    replayedAt: null,
    slots: [],
    ...change,
  }
}

export function control(change: Partial<ControlData> = {}): ControlData {
  return {
    systemIdentifier: '7000000000000000001',
    state: 'shut down in recovery',
    checkpoint: position(6, 1000),
    shutdownEnd: null,
    dataChecksums: true,
    walLogHints: true,
    majorVersion: 15,
    ...change,
  }
}

export function guard(change: Partial<GuardStatus> = {}): View['guard'] {
  const status: GuardStatus = {
    mode: 'standby',
    term: null,
    deadline: null,
    postmaster: 4711,
    alive: true,
    exit: null,
    adopted: false,
    ...change,
  }
  return { status, echoAt: NOW }
}

export const ARMED = guard({ mode: 'armed', term: 5, deadline: at(8000) })
export const DEAD = { postmaster: null, alive: false } as const

export function peer(name: string, where: Position, change: Partial<PeerReport> = {}): View['peers'] {
  const report: PeerReport = {
    name,
    install: `${name}-1`,
    role: 'standby',
    position: where,
    pendingRestart: false,
    noFailover: false,
    promotable: true,
    seat: `${name}-seat`,
    seatState: 'ready',
    trouble: null,
    term: 5,
    ...change,
  }
  return { [name]: known(report, NOW) }
}

export interface ViewChange extends Partial<Omit<View, 'memory' | 'remembered'>> {
  readonly memory?: Partial<Memory>
  readonly remembered?: Partial<View['remembered']>
}

/** Member `birch`, a running standby that follows `amber`, which leads. */
export function view(change: ViewChange = {}): View {
  const { memory, remembered, ...rest } = change
  const state = rest.store?.kind === 'known' ? rest.store.value : cluster()
  return {
    now: NOW,
    wallTime: '2026-11-20T12:00:00.000Z',
    chance: { nonce: 'fresh-nonce', seat: 'fresh-seat' },
    me: {
      name: 'birch',
      install: 'birch-1',
      machine: 'birch-machine',
      connUrl: 'postgres://10.0.0.5:5432/postgres',
      apiUrl: 'http://10.0.0.5:8008/patroni',
      version: '0.1.0',
      mayBootstrap: true,
      bootstrapConfig: { ttl: 10 },
      tags: {},
    },
    settings: effectiveSettings(state.config?.value ?? {}, NO_LOCAL_SETTINGS).settings,
    store: known(state, NOW),
    guard: guard(),
    instance: known(standby(position(6, 1000)), NOW),
    accepts: known(true, NOW),
    health: UNKNOWN_HEALTH,
    notKept: null,
    directory: lost('not asked', NOW),
    endsWithShutdown: false,
    failoverDueInMs: null,
    history: null,
    peers: {},
    seals: {},
    holderContact: null,
    job: null,
    requests: [],
    ending: 'no',
    ...rest,
    remembered: {
      install: 'birch-1',
      machine: 'birch-machine',
      storeCluster: 'store-1',
      storeSeed: null,
      termMax: 5,
      revisionMax: 80n,
      rulesVersionMax: 0,
      floor: 0,
      promise: null,
      servedTerm: null,
      promotions: [],
      signalExpected: false,
      seat: 'birch-seat',
      seatState: 'ready',
      reported: null,
      ...remembered,
    },
    memory: { ...EMPTY_MEMORY, seen: { revision: 90n, at: at(-500) }, discardDue: false, ...memory },
  }
}

/** The same member as the leader of term 5. */
export function leading(change: ViewChange = {}): View {
  const holder = { name: 'birch', install: 'birch-1', seat: 'birch-seat', machine: 'birch-machine' }
  return view({
    store: known(cluster({ recordIs: { holder } }), NOW),
    guard: ARMED,
    instance: known(primary(position(6, 2000)), NOW),
    ...change,
    remembered: {
      servedTerm: 5,
      promotions: [{ term: 5, timeline: 6, lsn: lsn(900) }],
      ...change.remembered,
    },
    memory: { settled: true, checkpointedTerm: 5, ...change.memory },
  })
}

export function leaderState(change: Partial<TermRecord>, rest: Partial<ClusterState> = {}): View['store'] {
  const holder = { name: 'birch', install: 'birch-1', seat: 'birch-seat', machine: 'birch-machine' }
  return known(cluster({ ...rest, recordIs: { holder, ...change } }), NOW)
}

/** Rule, and the actions by their kind; transactions by their name. */
export function outcome(of: View): { readonly rule: string; readonly actions: readonly string[] } {
  const { decision } = decide(of)
  const actions = decision.actions.filter(action => action.kind !== 'publish')
  return {
    rule: decision.rule,
    actions: actions.map(action => (action.kind === 'change-term' ? action.id : action.kind)),
  }
}
