// One look at the world: store, guard, instance and peers, in parallel and each under its own limit.
import type { ClusterState } from '../core/cluster.ts'
import type { GuardMode } from '../core/guard-status.ts'
import type { HistoryLine, InstanceStatus } from '../core/instance.ts'
import { effectiveSettings, type Settings } from '../core/settings.ts'
import { ATTEMPT_LIMIT_MS } from '../core/timers.ts'
import type { View } from '../core/view.ts'
import { reasonOf } from '../kernel/errors.ts'
import { known, lost, type Reading } from '../kernel/reading.ts'
import { elapsedAtLeast, elapsedAtMost, type Ms, remaining } from '../kernel/time.ts'
import type { Context } from './context.ts'
import type { HealthWatch } from './health-watch.ts'
import { learnHolder, watchHolder } from './holder-watch.ts'
import { limited } from './limited.ts'
import { type PeerWatch, peersWanted } from './peer-watch.ts'
import { sealAnswers } from './seal-watch.ts'

const STATUS_LIMIT_MS: Ms = 1000
const DIRECTORY_LIMIT_MS: Ms = 5000
/** Of a leader whose disk is in doubt: it has to give the leadership away, not to wait for that disk. */
const DOUBTED_DIRECTORY_LIMIT_MS: Ms = 300
/** Shortly before the deadline and after it no look may hold up a kill. */
const URGENT_LIMIT_MS: Ms = 200
const URGENT_BEFORE_MS: Ms = 1000
const OLD_STATE_MS: Ms = 3000
/** Every other look of an idle leader. */
const ACCEPTED_FOR_MS: Ms = 1500

export async function observe(context: Context, peers: PeerWatch, health: HealthWatch): Promise<View> {
  const { ports, options } = context
  const { clock, engine, guard } = ports
  const met = guard.status()
  if (context.settings) watchHolder(context, context.settings.value)
  const alive = met?.status.alive ?? false
  const [store, instance, accepts, directory] = await Promise.all([
    readStore(context),
    alive ? reading(context, STATUS_LIMIT_MS, signal => engine.status(signal)) : nothing(context),
    alive && mayLead(met?.status.mode) ? acceptance(context) : null,
    alive
      ? nothing(context)
      : reading(context, directoryLimit(context), signal => engine.dataDirectory(signal)),
  ])
  const cluster = store.kind === 'known' ? store.value : null
  const settings = settingsOf(context, cluster)
  const wanted = cluster ? peersWanted(cluster, context, settings) : []
  learnHolder(context, cluster)
  const draft = { cluster, instance }
  const [history, endsWithShutdown, reports] = await Promise.all([
    ownHistory(context, draft),
    shutdownSeen(context, draft),
    peers.look(wanted, cluster?.term?.value.rules != null),
  ])
  return {
    now: clock.now(),
    wallTime: clock.wallTime().toISOString(),
    chance: { nonce: clock.randomId(), seat: clock.randomId() },
    me: options.me,
    settings,
    store,
    guard: guard.status(),
    instance,
    accepts,
    health: health.look(instance, alive),
    notKept: context.notKept,
    directory,
    endsWithShutdown,
    failoverDueInMs: failoverDue(context, cluster),
    history,
    peers: reports,
    seals: sealAnswers(context, cluster),
    holderContact: context.holderContact,
    remembered: ports.journal.read(),
    memory: context.memory,
    job: context.job,
    requests: context.requests.map(filed => filed.request),
    ending: context.ending,
  }
}

/** Nobody acts on a standby that takes no new connections. */
function mayLead(mode: GuardMode | undefined): boolean {
  return mode === 'armed' || mode === 'unarmed'
}

/** Each question is a process of the server's: not at every look, as long as it answers. */
async function acceptance(context: Context): Promise<Reading<boolean>> {
  const { ports, accepted } = context
  if (accepted && elapsedAtMost(accepted, ports.clock.now()) < ACCEPTED_FOR_MS) return known(true, accepted)
  const found = await reading(context, ATTEMPT_LIMIT_MS, signal => ports.engine.accepts(signal))
  context.accepted = found.kind === 'known' && found.value ? found.at : null
  return found
}

function directoryLimit({ memory }: Context): Ms {
  return memory.hung || memory.doubtful ? DOUBTED_DIRECTORY_LIMIT_MS : DIRECTORY_LIMIT_MS
}

async function readStore(context: Context): Promise<Reading<ClusterState>> {
  const found = await reading(context, ATTEMPT_LIMIT_MS, signal => context.ports.store.read(signal))
  if (found.kind === 'lost') {
    // Since the first failure, not the last.
    context.storeLostSince ??= found.since
    return { ...found, since: context.storeLostSince }
  }
  context.storeLostSince = null
  // After a pause of its process etcd 3.4 may answer with an old state (reliability §1.5): as good as no answer.
  const now = context.ports.clock.now()
  const older =
    found.value.revision < context.storeRevision && found.value.clusterId === storeClusterOf(context)
  context.storeOldSince = older ? (context.storeOldSince ?? now) : null
  const { storeOldSince } = context
  if (storeOldSince && elapsedAtLeast(storeOldSince, now) < OLD_STATE_MS)
    return lost('the store answered with an old state', now)
  // For so long it is no late answer: the store itself went back in time, and the decision is to know.
  context.storeRevision = found.value.revision
  return found
}

function storeClusterOf(context: Context): string | null {
  return context.ports.journal.read().storeCluster
}

async function reading<T>(
  context: Context,
  limitMs: Ms,
  read: (signal: AbortSignal) => Promise<T>,
): Promise<Reading<T>> {
  const { clock } = context.ports
  try {
    const value = await limited(clock, Math.min(limitMs, urgency(context)), read)
    return known(value, clock.now())
  } catch (error) {
    return lost(reasonOf(error), clock.now())
  }
}

/** While a primary's deadline is near or over, a kill may be the next thing to do; who asks for a promise has one too. */
function urgency(context: Context): Ms {
  if (context.requests.some(({ request }) => request.kind === 'failsafe')) return URGENT_LIMIT_MS
  const { clock, guard } = context.ports
  const status = guard.status()?.status
  const counting = status?.mode === 'armed' && status.alive && status.deadline !== null
  return counting && remaining(status.deadline, clock.now()) < URGENT_BEFORE_MS ? URGENT_LIMIT_MS : Infinity
}

async function nothing(context: Context): Promise<Reading<never>> {
  return lost('not asked', context.ports.clock.now())
}

/** A value that can't be used is reported once, and the last good one stays in force. */
function settingsOf(context: Context, cluster: ClusterState | null): Settings {
  const local = context.options.local()
  // Until the cluster has a configuration, it is the one that this member would create it with.
  const config = cluster ? (cluster.config?.value ?? context.options.me.bootstrapConfig) : null
  if (config === null && context.settings) return context.settings.value
  const source = JSON.stringify([config, local])
  if (context.settings?.source === source) return context.settings.value
  const { settings, problems } = effectiveSettings(config ?? {}, local, context.settings?.value)
  for (const problem of problems)
    context.ports.log.warn('setting not usable', { key: problem.key, expected: problem.expected })
  if (config !== null) context.settings = { value: settings, source }
  return settings
}

interface Draft {
  readonly cluster: ClusterState | null
  readonly instance: Reading<InstanceStatus>
}

/** Of the timeline that the instance is on; a history never changes, so it is read once for each start. */
async function ownHistory(context: Context, { instance }: Draft): Promise<readonly HistoryLine[] | null> {
  if (instance.kind !== 'known' || instance.value.kind === 'starting') return null
  const { position, postmasterStartedAt } = instance.value
  const { timeline } = position
  const of = `${timeline} since ${postmasterStartedAt}`
  if (context.history?.of === of) return context.history.lines
  const found = await reading(context, STATUS_LIMIT_MS, () => context.ports.engine.history(timeline))
  const lines = found.kind === 'known' ? found.value : null
  if (lines) context.history = { of, lines }
  return lines
}

/** Asked only by the successor of a handover whose leader has gone silent to it. */
async function shutdownSeen(context: Context, draft: Draft): Promise<boolean> {
  const record = draft.cluster?.term?.value
  const { instance } = draft
  if (record?.state !== 'handover' || record.successor !== context.options.me.name) return false
  if (instance.kind !== 'known' || instance.value.kind !== 'standby') return false
  if (instance.value.replicationState === 'streaming') return false
  const found = await reading(context, STATUS_LIMIT_MS, signal =>
    context.ports.engine.endsWithShutdownCheckpoint(signal),
  )
  return found.kind === 'known' && found.value
}

/** Wall time: an operator's appointment, not a matter of safety. */
function failoverDue(context: Context, cluster: ClusterState | null): Ms | null {
  const scheduledAt = cluster?.failover?.value.scheduledAt
  if (!scheduledAt) return null
  const due = Date.parse(scheduledAt)
  return Number.isNaN(due) ? 0 : due - context.ports.clock.wallTime().getTime()
}
