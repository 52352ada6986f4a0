// The one read model: what a member can say of its cluster. REST bodies, the status screen and metrics render from it.
import type { Lsn } from '../kernel/lsn.ts'
import { elapsedAtLeast, type Instant } from '../kernel/time.ts'
import type { Decision } from './action.ts'
import { isMapping } from './setting-kind.ts'
import { type Situation, situationOf } from './situation.ts'
import { type LocalStatus, localStatus } from './status-local.ts'
import { memberRows } from './status-members.ts'
import type { ClusterStatus, Leadership } from './status-model.ts'
import { synchronousStatus } from './status-synchronous.ts'
import { warningsOf } from './status-warnings.ts'
import type { View } from './view.ts'

export type { MemberStatus } from './status-members.ts'
export type { ClusterStatus } from './status-model.ts'

export interface StatusInput {
  readonly scope: string
  readonly now: Instant
  readonly decision: Decision | null
}

/** `input.now` may be later than the view: a deadline that has passed since then has passed. */
export function statusOf(view: View, input: StatusInput): ClusterStatus {
  const situation = situationOf(view)
  const { now, scope, decision } = input
  const cluster = situation.cluster
  const leadership = leadershipOf(situation, now)
  const local = localStatus(situation, { now, decision })
  const leader = leaderName(situation, leadership, local)
  const members = memberRows(situation, { leader, local, leaderLsn: leaderLsn(situation, leader, local) })
  const base = {
    scope,
    wallTime: view.wallTime,
    ageMs: elapsedAtLeast(view.now, now),
    store: storeStatus(view, now),
    systemIdentifier: systemIdentifier(situation),
    leadership,
    leader,
    paused: cluster?.config ? cluster.config.value['pause'] === true : view.settings.pause,
    request: cluster?.failover?.value ?? null,
    members,
    history: cluster?.history?.value ?? [],
    config: cluster?.config ?? null,
    failsafe: failsafeAddresses(view),
    failsafeMode: view.settings.failsafeMode,
    local,
    synchronous: synchronousStatus(situation),
    maximumLagOnFailover: view.settings.maximumLagOnFailover,
    loopWaitMs: view.settings.loopWaitMs,
    ttlMs: view.settings.ttlMs,
  }
  return { ...base, warnings: warningsOf(situation, base) }
}

/** Somebody else may have written it: what is no mapping is none. */
function failsafeAddresses({ settings, memory }: View): ClusterStatus['failsafe'] {
  if (!settings.failsafeMode || memory.failsafeKey === null) return null
  try {
    const found: unknown = JSON.parse(memory.failsafeKey)
    return isMapping(found) ? found : null
  } catch {
    return null
  }
}

function storeStatus(view: View, now: Instant): ClusterStatus['store'] {
  const { store } = view
  return store.kind === 'known'
    ? { kind: 'known', revision: store.value.revision, clusterId: store.value.clusterId }
    : { kind: 'lost', forMs: elapsedAtLeast(store.since, now), reason: store.reason }
}

function leadershipOf(situation: Situation, now: Instant): Leadership | null {
  const { record, view } = situation
  if (!record) return null
  const { seen } = view.memory
  return {
    term: record.term,
    state: record.state,
    holder: record.holder.name,
    install: record.holder.install,
    ttlMs: record.ttl,
    silenceMs: seen ? elapsedAtLeast(seen.at, now) : null,
    expired: situation.waitedOut,
    at: record.at,
    successor: record.successor,
    timelineMax: record.timelineMax,
    mixed: record.mixed,
  }
}

function leaderName(situation: Situation, leadership: Leadership | null, local: LocalStatus): string | null {
  if (!situation.cluster) return local.leads ? local.name : null
  const key = situation.cluster.leader?.value ?? null
  // Beside real Patroni agents the leader key decides, and the record may be history (protocol A11).
  if (!leadership || leadership.mixed) return key
  return leadership.state === 'released' || leadership.expired ? null : leadership.holder
}

/** The furthest position of the leader that is known here. */
function leaderLsn(situation: Situation, leader: string | null, local: LocalStatus): Lsn | null {
  if (leader === null) return null
  if (leader === local.name && local.position) return local.position.lsn
  const published = situation.cluster?.members.find(member => member.value.name === leader)?.value
  const known = [situation.record?.at?.lsn, published?.xlogLocation].filter(value => value != null)
  return known.reduce<Lsn | null>((best, value) => (best === null || value > best ? value : best), null)
}

function systemIdentifier({ cluster, view, control }: Situation): string | null {
  const running = view.instance.kind === 'known' ? view.instance.value : null
  if (cluster?.initialize?.value) return cluster.initialize.value
  if (running && running.kind !== 'starting') return running.systemIdentifier
  return control?.systemIdentifier ?? null
}
