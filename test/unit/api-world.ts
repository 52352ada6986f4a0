// A member without an agent: hand-built views, a fake agent that plays them, a store in memory, a real REST server.

import { openApi } from '../../src/api/server.ts'
import type { RestConfig } from '../../src/config/local-config.ts'
import type { Decision } from '../../src/core/action.ts'
import type { ClusterState, FailoverRequest, MemberRecord } from '../../src/core/cluster.ts'
import type { Evidence } from '../../src/core/evidence.ts'
import { UNKNOWN_HEALTH } from '../../src/core/health.ts'
import type { InstanceStatus } from '../../src/core/instance.ts'
import { EMPTY_MEMORY } from '../../src/core/memory.ts'
import type { PeerReport } from '../../src/core/peer.ts'
import type { RecordedDecision } from '../../src/core/recorded-decision.ts'
import type { MemberRequest, RequestOutcome } from '../../src/core/request.ts'
import { DEFAULT_SETTINGS } from '../../src/core/settings.ts'
import type { TermRecord } from '../../src/core/term.ts'
import type { View } from '../../src/core/view.ts'
import { type Lsn, parseLsn } from '../../src/kernel/lsn.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import { type Instant, later } from '../../src/kernel/time.ts'
import { createDesk, type Desk } from '../../src/operations/desk.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Peers } from '../../src/ports/peers.ts'
import type { KeyValue } from '../../src/ports/store.ts'
import { createClusterRecords } from '../../src/stores/cluster-records.ts'
import { clusterKeys } from '../../src/stores/keys.ts'
import { createMemoryStore, type MemoryState } from '../../src/stores/memory.ts'

export const WALL_TIME = '2030-05-01T10:00:00.000Z'
export const at = (text: string): Lsn => parseLsn(text)!

export const realNow = (): Instant => ({ mono: performance.now(), boot: performance.now() })

let ids = 0
/** Real timers, a wall clock that stands still. */
export const clock: Clock = {
  now: realNow,
  wallTime: () => new Date(WALL_TIME),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  limit: ms => AbortSignal.timeout(ms),
  randomId: () => `id-${++ids}`,
}

export const primary = {
  kind: 'primary',
  systemIdentifier: '7345678901234567890',
  serverVersion: 150_020,
  postmasterStartedAt: '2030-05-01T09:00:00.123Z',
  synchronousNames: '',
  checksumFailures: 0,
  pendingRestart: {},
  position: { timeline: 3, lsn: at('0/5000000') },
  inserted: at('0/5000000'),
  replication: [
    {
      pid: 5001,
      slot: 'birch',
      user: 'replicator',
      applicationName: 'birch',
      clientAddress: '10.0.0.2',
      state: 'streaming',
      syncState: 'async',
      syncPriority: 0,
      flushed: at('0/5000000'),
    },
  ],
  weakCommits: [],
  slots: [],
} as const satisfies InstanceStatus

export const standby = {
  kind: 'standby',
  systemIdentifier: '7345678901234567890',
  serverVersion: 150_020,
  postmasterStartedAt: '2030-05-01T09:00:00.123Z',
  synchronousNames: '',
  checksumFailures: 0,
  pendingRestart: {},
  position: { timeline: 3, lsn: at('0/4FFFF00') },
  replayed: at('0/4FFFE00'),
  received: at('0/4FFFF00'),
  localWalReplayed: true,
  receiving: true,
  heardMs: 100,
  replicationState: 'streaming',
  upstream: { host: '10.0.0.1', port: 5432 },
  replayPaused: false,
  applyDelayed: false,
  replayedAt: '2030-05-01T09:59:59.5Z',
  slots: [],
} as const satisfies InstanceStatus

export const record: TermRecord = {
  v: 1,
  cluster: '1',
  term: 12,
  state: 'serving',
  holder: { name: 'amber', install: 'i-amber', seat: 's-amber', machine: 'm-amber' },
  ttl: 10_000,
  nonce: 'n',
  at: { timeline: 3, lsn: at('0/5000000') },
  members: ['i-amber', 'i-birch', 'i-cedar'],
  rules: null,
  rulesVersion: 0,
  chain: [],
  timelineMax: 3,
  successor: null,
  final: null,
  mixed: false,
}

const HOSTS: Readonly<Record<string, string>> = { amber: '10.0.0.1', birch: '10.0.0.2', cedar: '10.0.0.3' }

export function member(name: string, port: number, change: Partial<MemberRecord> = {}): MemberRecord {
  const leads = name === 'amber'
  return {
    name,
    connUrl: `postgres://${HOSTS[name] ?? '10.0.0.9'}:5432/postgres`,
    apiUrl: `http://127.0.0.1:${port}/patroni`,
    state: 'running',
    role: leads ? 'primary' : 'replica',
    version: '4.1.4',
    xlogLocation: leads ? at('0/5000000') : at('0/4FFFF00'),
    receiveLsn: leads ? null : at('0/4FFFF00'),
    replayLsn: leads ? null : at('0/4FFFE00'),
    replicationState: leads ? null : 'streaming',
    timeline: 3,
    tags: {},
    checkpointAfterPromote: true,
    pendingRestart: false,
    pendingRestartReason: null,
    scheduledRestart: null,
    pause: false,
    vigil: { version: '0.1.0', install: `i-${name}`, seat: `s-${name}`, machine: `m-${name}` },
    ...change,
  }
}

export const config = { ttl: 10, loop_wait: 2, postgresql: { parameters: { work_mem: '4MB' } } }

const keyed = <T>(value: T, modRevision = 7n) => ({ value, modRevision })

export function cluster(change: Partial<ClusterState> = {}): ClusterState {
  return {
    revision: 40n,
    clusterId: '1',
    term: keyed(record),
    leader: keyed('amber'),
    initialize: keyed('7345678901234567890'),
    // As the seeded store has it.
    config: keyed(config, 2n),
    members: [member('amber', 8001), member('birch', 8002), member('cedar', 8003)].map(m => keyed(m)),
    failover: null,
    sync: null,
    status: null,
    history: keyed([
      [1, 50331808, 'no recovery target specified', '2030-04-30T08:00:00+00:00', 'birch'],
      [2, 67109024, 'no recovery target specified', '2030-04-30T09:00:00+00:00', 'amber'],
    ] as const),
    failsafe: null,
    damaged: [],
    ...change,
  }
}

export interface ViewChange {
  readonly name?: string
  readonly instance?: InstanceStatus | null
  readonly cluster?: ClusterState | null
  readonly guard?: Partial<NonNullable<View['guard']>['status']> | null
  readonly deadlineInMs?: number
  readonly tags?: Readonly<Record<string, unknown>>
  readonly paused?: boolean
  readonly job?: View['job']
  readonly now?: Instant
  /** Of its REST interface. */
  readonly port?: number
  readonly pendingRestart?: Readonly<Record<string, { oldValue: string; newValue: string }>>
}

/** Amber, the leader, in good health; `change` says what is different. */
export function view(change: ViewChange = {}): View {
  const now = change.now ?? realNow()
  const name = change.name ?? 'amber'
  const instance = change.instance === undefined ? (name === 'amber' ? primary : standby) : change.instance
  const serves = instance?.kind === 'primary'
  const guard = {
    mode: serves ? 'armed' : 'standby',
    term: serves ? 12 : null,
    deadline: serves ? later(now, change.deadlineInMs ?? 8000) : null,
    postmaster: 4711,
    alive: instance !== null,
    exit: null,
    adopted: false,
    obstacles: {
      'cgroup.kill': null,
      nftables: null,
      watchdog: 'there is no /dev/watchdog',
      realtime: null,
    },
    ...change.guard,
  } as const
  const state = change.cluster === undefined ? cluster() : change.cluster
  const port = change.port ?? { amber: 8001, birch: 8002, cedar: 8003 }[name] ?? 8009
  return {
    now,
    wallTime: WALL_TIME,
    chance: { nonce: 'n', seat: 's' },
    me: {
      name,
      install: `i-${name}`,
      machine: `m-${name}`,
      connUrl: `postgres://${HOSTS[name] ?? '10.0.0.9'}:5432/postgres`,
      apiUrl: `http://127.0.0.1:${port}/patroni`,
      version: '0.1.0',
      mayBootstrap: true,
      bootstrapConfig: {},
      tags: {},
    },
    settings: {
      ...DEFAULT_SETTINGS,
      ttlMs: 10_000,
      loopWaitMs: 2000,
      pause: change.paused ?? false,
      tags: { ...DEFAULT_SETTINGS.tags, ...change.tags },
    },
    store: state ? known(state, now) : lost('connection refused', later(now, -4000)),
    guard: change.guard === null ? null : { status: guard, echoAt: now },
    instance: instance
      ? known(
          change.pendingRestart && instance.kind !== 'starting'
            ? { ...instance, pendingRestart: change.pendingRestart }
            : instance,
          now,
        )
      : lost('not running', now),
    accepts: known(true, now),
    health: UNKNOWN_HEALTH,
    notKept: null,
    directory: lost('not read', now),
    endsWithShutdown: false,
    failoverDueInMs: null,
    history: null,
    peers: {},
    seals: {},
    holderContact: null,
    remembered: {
      install: `i-${name}`,
      machine: `m-${name}`,
      storeCluster: '1',
      storeSeed: null,
      termMax: 12,
      revisionMax: 7n,
      rulesVersionMax: 0,
      floor: 0,
      promise: null,
      servedTerm: serves ? 12 : null,
      promotions: [],
      signalExpected: false,
      seat: `s-${name}`,
      seatState: 'ready',
      reported: null,
    },
    memory: { ...EMPTY_MEMORY, settled: true, seen: { revision: 7n, at: later(now, -300) } },
    job: change.job ?? null,
    requests: [],
    ending: 'no',
  }
}

export const decision: Decision = { rule: 'lead', because: {}, actions: [], wakeInMs: 1000 }

export interface World {
  readonly desk: Desk
  readonly store: MemoryState
  readonly requests: MemberRequest[]
  readonly keys: ReturnType<typeof clusterKeys>
  /** What the agent sees from now on. */
  show(next: () => View | null): void
  outcome(next: Promise<RequestOutcome>): void
  failover(): Partial<FailoverRequest> | null
  readonly decisions: RecordedDecision[]
  readonly evidence: Evidence[]
}

export interface WorldOptions {
  readonly view?: () => View | null
  readonly peer?: (apiUrl: string) => PeerReport | null
  readonly fault?: Parameters<MemoryState['open']>[0]
}

export const peerReport: PeerReport = {
  name: 'birch',
  install: 'i-birch',
  role: 'standby',
  position: { timeline: 3, lsn: at('0/4FFFF00') },
  pendingRestart: false,
  noFailover: false,
  promotable: true,
  trouble: null,
  seat: 's-birch',
  seatState: 'ready',
  term: 12,
}

/** `/config` and an empty `/failover` are in the store, as after a bootstrap and an earlier switchover. */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const store = createMemoryStore(clock)
  const keys = clusterKeys('service', 'main')
  const limit = new AbortController().signal
  const seeding: KeyValue = store.open()
  await seeding.transact(
    {
      compare: [],
      writes: [
        { put: keys.config, value: JSON.stringify(config) },
        { put: keys.failover, value: '{}' },
      ],
      readOnFailure: [],
    },
    limit,
  )
  let current = options.view ?? (() => view())
  let answer: Promise<RequestOutcome> = Promise.resolve({ kind: 'done', text: 'done' })
  const requests: MemberRequest[] = []
  const decisions: RecordedDecision[] = []
  const evidence: Evidence[] = []
  const peers: Peers = {
    async report(apiUrl) {
      const found = options.peer ? options.peer(apiUrl) : peerReport
      if (!found) throw new Error('connection refused')
      return found
    },
    seal: () => Promise.reject(new Error('connection refused')),
    failsafe: () => Promise.reject(new Error('connection refused')),
    serverAnswers: () => Promise.resolve(false),
  }
  const desk = createDesk({
    scope: 'main',
    agent: {
      latest: () => {
        const shown = current()
        return shown && { view: shown, decision }
      },
      decisions: () => decisions,
      evidence: () => evidence,
      request: asked => {
        requests.push(asked)
        return answer
      },
      wake: () => {},
    },
    records: createClusterRecords(store.open(options.fault), keys),
    peers,
    clock,
    logs: lines => ['first line', 'second line'].slice(-lines),
  })
  return {
    desk,
    store,
    requests,
    keys,
    decisions,
    evidence,
    show: next => {
      current = next
    },
    outcome: next => {
      answer = next
    },
    failover: () =>
      JSON.parse(store.entries.get(keys.failover)?.value ?? 'null') as Partial<FailoverRequest> | null,
  }
}

export const openRest: RestConfig = {
  listen: { hosts: ['127.0.0.1'], port: 0 },
  connectAddress: { host: '127.0.0.1', port: 0 },
  scheme: 'http',
  authentication: null,
  tls: { caFile: null, certificateFile: null, keyFile: null, keyPassword: null },
  verifyClient: 'none',
  allowlist: null,
}

export const guardedRest: RestConfig = {
  ...openRest,
  authentication: { username: 'ada', password: 'correct horse' },
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Port 0 is a free one; closed when the test ends. */
export async function serve(world: World, rest: RestConfig = openRest) {
  const server = await openApi(world.desk, rest, silent)
  const port = server.addresses[0]!.port
  return { server, port, url: `${rest.scheme}://127.0.0.1:${port}` }
}
