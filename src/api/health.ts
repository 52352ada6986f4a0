// Health checks: is this member what a load balancer looks for?

import type { StandbyStatus } from '../core/instance.ts'
import { bytes } from '../core/setting-kind.ts'
import type { ClusterStatus } from '../core/status.ts'
import { type Lsn, lsn } from '../kernel/lsn.ts'
import type { Ms } from '../kernel/time.ts'
import type { HealthName } from '../operations/table.ts'

export interface HealthInput {
  /** null: the agent has not looked yet. */
  readonly status: ClusterStatus | null
  readonly query: URLSearchParams
  /** How long the agent has been up without a first look. */
  readonly upMs: Ms
}

export function isHealthy(name: HealthName, { status, query, upMs }: HealthInput): boolean {
  if (name === 'liveness') return isLive(status, upMs)
  if (!status) return false
  switch (name) {
    case 'health-primary':
    case 'health-leader':
      return isPrimary(status)
    case 'health-replica':
      return isReplica(status, query)
    case 'health-async':
      return isReplica(status, query) && syncRole(status) === null
    case 'health-sync':
      return isReplica(status, query) && syncRole(status) === 'sync_standby'
    case 'health-quorum':
      return isReplica(status, query) && syncRole(status) === 'quorum_standby'
    case 'health-read-only':
      return isPrimary(status) || isReplica(status, query)
    case 'health-running':
      return status.local.state === 'running' && status.local.role !== 'none'
    case 'health-read-only-sync':
      return isPrimary(status) || (isReplica(status, query) && syncRole(status) === 'sync_standby')
    case 'health-read-only-quorum':
      return isPrimary(status) || (isReplica(status, query) && syncRole(status) === 'quorum_standby')
    case 'health-standby-leader':
      // No standby clusters yet: nobody is that.
      return false
    case 'readiness':
      return isReady(status, query)
  }
}

/** The deadline alone would call a dead PostgreSQL primary; the role alone, one that has lost the leadership. */
function isPrimary({ local }: ClusterStatus): boolean {
  return local.leads && local.role === 'primary' && local.state === 'running'
}

function syncRole({ members }: ClusterStatus) {
  return members.find(member => member.self)?.syncRole ?? null
}

function isReplica(status: ClusterStatus, query: URLSearchParams): boolean {
  const standby = runningStandby(status)
  if (!standby || status.local.tags['noloadbalance'] === true) return false
  const wanted = query.get('replication_state')
  if (wanted !== null && standby.replicationState !== wanted) return false
  const lagMax = query.get('lag')
  if (lagMax !== null && !isWithin(status, standby.replayed, bytes({ min: 0 }).read(lagMax))) return false
  return tagsMatch(status, query)
}

function isReady(status: ClusterStatus, query: URLSearchParams): boolean {
  if (isPrimary(status)) return true
  const standby = runningStandby(status)
  if (standby?.replicationState !== 'streaming') return false
  const asked = query.get('lag')
  const lagMax = asked === null ? status.maximumLagOnFailover : bytes({ min: 0 }).read(asked)
  const own = query.get('mode') === 'write' ? (standby.received ?? standby.replayed) : standby.replayed
  return status.store.kind === 'known' && isWithin(status, own, lagMax)
}

/** The agent's loop must have looked within the ttl; a member that cannot lead is given twice that. */
function isLive(status: ClusterStatus | null, upMs: Ms): boolean {
  if (!status) return upMs < FIRST_LOOK_WITHIN_MS
  if (status.paused) return true
  const allowed = status.local.role === 'primary' ? status.ttlMs : 2 * status.ttlMs
  return status.ageMs < status.loopWaitMs + allowed
}

const FIRST_LOOK_WITHIN_MS: Ms = 60_000

function runningStandby({ local }: ClusterStatus): StandbyStatus | null {
  const running = local.state === 'running' && local.instance?.kind === 'standby'
  return running ? (local.instance as StandbyStatus) : null
}

function isWithin(status: ClusterStatus, own: Lsn, lagMax: number | undefined): boolean {
  if (lagMax === undefined) return false
  return Number(leaderPosition(status, own) - own) <= lagMax
}

/** The furthest the leader is known to be; without any word of it, what was received here. */
function leaderPosition({ members, leadership, local }: ClusterStatus, own: Lsn): Lsn {
  const received = local.instance?.kind === 'standby' ? local.instance.received : null
  const known = [own, received, leadership?.at?.lsn, members.find(member => member.leader)?.lsn]
  return known.reduce<Lsn>((best, value) => (value != null && value > best ? value : best), lsn(0))
}

function tagsMatch({ local }: ClusterStatus, query: URLSearchParams): boolean {
  return [...query].every(([key, wanted]) => {
    if (!key.startsWith('tag_')) return true
    const found = local.tags[key.slice('tag_'.length)]
    if (found === undefined) return false
    return typeof found === 'string' ? found === wanted : String(found) === wanted.toLowerCase()
  })
}
