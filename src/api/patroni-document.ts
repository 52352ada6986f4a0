// A member and its cluster in Patroni's words: the bodies of /patroni, of the health checks and of /cluster.
import { PUBLISHED_VERSION } from '../core/published-version.ts'
import type { ClusterStatus, MemberStatus } from '../core/status.ts'
import { pendingReason } from '../core/status-members.ts'
import { formatLsn, type Lsn } from '../kernel/lsn.ts'
import type { ScheduledRestart } from '../operations/restart-schedule.ts'
import { localDocument } from '../operations/status-document.ts'

type Document = Readonly<Record<string, unknown>>

export function patroniDocument(status: ClusterStatus, scheduled: ScheduledRestart | null): Document {
  const { local } = status
  const pending = Object.keys(local.pendingRestart).length > 0
  return present({
    state: local.state,
    ...instancePart(status),
    role: local.publishedRole,
    ...syncPart(status),
    pause: status.paused || undefined,
    cluster_unlocked: status.leader === null || undefined,
    failsafe_mode_is_active: isActive(status) || undefined,
    dcs_last_seen: lastSeen(status),
    // Patroni's word for a member that must not be promoted because of its machine.
    watchdog_failed: local.guard?.forbids ? true : undefined,
    tags: Object.keys(local.tags).length > 0 ? local.tags : undefined,
    database_system_identifier: status.systemIdentifier ?? undefined,
    pending_restart: pending || undefined,
    pending_restart_reason: pending ? pendingReason(local) : undefined,
    scheduled_restart: scheduled ? scheduledDocument(scheduled) : undefined,
    patroni: { version: PUBLISHED_VERSION, scope: status.scope, name: local.name },
    vigil: localDocument(status),
  })
}

/** As Patroni has it: on the primary that goes on, and on the members that it has asked. */
function isActive({ local }: ClusterStatus): boolean {
  return local.failsafe.active || local.failsafe.promisedTo !== null
}

/** `sync_standby` or `quorum_standby`. */
function syncPart({ members }: ClusterStatus): Document {
  const role = members.find(member => member.self)?.syncRole
  return role ? { [role]: true } : {}
}

/** What only a running PostgreSQL can say. */
function instancePart({ local }: ClusterStatus): Document {
  const { instance } = local
  if (!instance || instance.kind === 'starting') return {}
  const common = {
    postmaster_start_time: patroniTime(instance.postmasterStartedAt),
    server_version: instance.serverVersion,
    timeline: instance.position.timeline,
  }
  if (instance.kind === 'primary') {
    return {
      ...common,
      xlog: { location: Number(instance.position.lsn) },
      replication: instance.replication.length > 0 ? instance.replication.map(connection) : undefined,
    }
  }
  return {
    ...common,
    xlog: {
      received_location: Number(instance.received ?? instance.replayed),
      replayed_location: Number(instance.replayed),
      replayed_timestamp: instance.replayedAt && patroniTime(instance.replayedAt),
      paused: instance.replayPaused,
    },
    replication_state: instance.replicationState ?? undefined,
  }
}

function connection(from: {
  readonly user: string
  readonly applicationName: string
  readonly clientAddress: string | null
  readonly state: string
  readonly syncState: string
  readonly syncPriority: number
}): Document {
  return {
    usename: from.user,
    application_name: from.applicationName,
    client_addr: from.clientAddress,
    state: from.state,
    sync_state: from.syncState,
    sync_priority: from.syncPriority,
  }
}

/** Sorted by name, as the rows are. */
export function clusterDocument(status: ClusterStatus): Document {
  const { request, leader } = status
  const pending = request?.scheduledAt
    ? present({
        at: patroniTime(request.scheduledAt).replace(' ', 'T'),
        from: request.leader ?? leader ?? undefined,
        to: request.member ?? undefined,
      })
    : undefined
  return present({
    members: status.members.map(clusterMember),
    scope: status.scope,
    pause: status.paused || undefined,
    scheduled_switchover: pending,
  })
}

function clusterMember(member: MemberStatus): Document {
  const lag = (bytes: number | null) => bytes ?? 'unknown'
  const lsn = (value: Lsn | null) => (value === null ? 'unknown' : formatLsn(value))
  const positions = member.leader
    ? {}
    : {
        receive_lag: lag(member.receiveLag),
        receive_lsn: lsn(member.receiveLsn),
        replay_lag: lag(member.replayLag),
        replay_lsn: lsn(member.replayLsn),
        lag: lag(member.lag),
        lsn: lsn(member.lsn),
      }
  return present({
    name: member.name,
    role: member.leader
      ? 'leader'
      : member.role === 'standby_leader'
        ? 'standby_leader'
        : (member.syncRole ?? 'replica'),
    state: member.state,
    api_url: member.apiUrl ?? undefined,
    host: member.host ?? undefined,
    port: member.port ?? undefined,
    timeline: member.timeline ?? undefined,
    pending_restart: member.pendingRestart || undefined,
    pending_restart_reason: member.pendingRestartReason ?? undefined,
    scheduled_restart: member.scheduledRestart ?? undefined,
    tags: Object.keys(member.tags).length > 0 ? member.tags : undefined,
    ...positions,
  })
}

function scheduledDocument({ schedule, postmasterStartedAt, conditions }: ScheduledRestart): Document {
  return present({
    schedule,
    postmaster_start_time: postmasterStartedAt === null ? undefined : patroniTime(postmasterStartedAt),
    ...conditions,
  })
}

/** Seconds since 1970 of the last answer of the store; 0: none yet. */
export function lastSeen({ wallTime, store }: ClusterStatus): number {
  const at = Date.parse(wallTime) - (store.kind === 'lost' ? store.forMs : 0)
  return Number.isNaN(at) ? 0 : Math.floor(at / 1000)
}

/** `2030-05-01 10:00:00.123456+00:00`; texts that are no ISO time stay as they are. */
export function patroniTime(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?$/.exec(text)
  if (!match) return text
  const [, date, clockTime, fraction = '', zone = 'Z'] = match
  const offset = zone === 'Z' ? '+00:00' : zone.length === 3 ? `${zone}:00` : zone
  return `${date} ${clockTime}.${fraction.padEnd(6, '0').slice(0, 6)}${offset}`
}

function present(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined))
}
