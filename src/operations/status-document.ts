// ClusterStatus as JSON: the body of GET /status, and what the command line reads back. Its shape is stable.
import * as z from 'zod'
import type { Fencing } from '../core/fencing.ts'
import type { ClusterStatus, MemberStatus } from '../core/status.ts'
import { formatLsn, type Lsn, type Position } from '../kernel/lsn.ts'

const PositionDocument = z.object({ timeline: z.number(), lsn: z.string() })
const Loose = z.record(z.string(), z.unknown())

export const MemberDocument = z.object({
  name: z.string(),
  self: z.boolean(),
  leader: z.boolean(),
  role: z.string(),
  /** `sync` or `quorum`: commits wait for it. */
  synchronous: z.string().nullable(),
  state: z.string(),
  host: z.string().nullable(),
  port: z.number().nullable(),
  api_url: z.string().nullable(),
  timeline: z.number().nullable(),
  lsn: z.string().nullable(),
  replay_lsn: z.string().nullable(),
  lag_bytes: z.number().nullable(),
  replay_lag_bytes: z.number().nullable(),
  tags: Loose,
  pending_restart: z.boolean(),
  pending_restart_reason: Loose.nullable(),
  scheduled_restart: Loose.nullable(),
  version: z.string().nullable(),
  /** false: a Patroni agent. */
  vigil: z.boolean(),
})

export const LocalDocument = z.object({
  name: z.string(),
  version: z.string(),
  install: z.string(),
  seat: z.string().nullable(),
  seat_state: z.string(),
  role: z.string(),
  state: z.string(),
  leads: z.boolean(),
  deadline_left_ms: z.number().nullable(),
  guard: z
    .object({
      mode: z.string(),
      term: z.number().nullable(),
      alive: z.boolean(),
      adopted: z.boolean(),
      /** Not said by members of older versions. */
      forbids: z.string().nullable().default(null),
    })
    .nullable(),
  fencing: z.object({
    grade: z.string(),
    layers: z.array(z.string()),
    missing: z.array(z.string()),
    obstacles: z.record(z.string(), z.string()).default({}),
    next: z
      .object({ grade: z.string(), missing: z.array(z.string()) })
      .nullable()
      .default(null),
    realtime_obstacle: z.string().nullable().default(null),
    oom_obstacle: z.string().nullable().default(null),
    memory_obstacle: z.string().nullable().default(null),
  }),
  position: PositionDocument.nullable(),
  job: z
    .object({
      kind: z.string(),
      state: z.string(),
      from: z.string().nullable(),
      for_ms: z.number(),
      bytes_done: z.number().nullable(),
      bytes_total: z.number().nullable(),
      reason: z.string().nullable(),
    })
    .nullable(),
  /** Going on without the store. */
  failsafe: z
    .object({
      active: z.boolean(),
      for_ms: z.number().nullable(),
      against: z.string().nullable(),
      promised_to: z.string().nullable(),
    })
    .optional(),
  promotable: z.boolean(),
  trouble: z.string().nullable(),
  disks: z.array(
    z.object({
      holds: z.array(z.string()),
      free_bytes: z.number(),
      total_bytes: z.number(),
      failure: z.string().nullable(),
    }),
  ),
  term: z.number(),
  rule: z.string().nullable(),
})

export const StatusDocument = z.object({
  scope: z.string(),
  at: z.string(),
  age_ms: z.number(),
  store: z.object({
    state: z.enum(['known', 'lost']),
    cluster_id: z.string().nullable(),
    lost_for_ms: z.number().nullable(),
    reason: z.string().nullable(),
  }),
  system_identifier: z.string().nullable(),
  leader: z.string().nullable(),
  term: z
    .object({
      number: z.number(),
      state: z.string(),
      holder: z.string(),
      install: z.string(),
      ttl_ms: z.number(),
      silence_ms: z.number().nullable(),
      expired: z.boolean(),
      at: PositionDocument.nullable(),
      successor: z.string().nullable(),
      mixed: z.boolean(),
    })
    .nullable(),
  synchronous: z.object({
    mode: z.string(),
    strict: z.boolean(),
    state: z.string(),
    k: z.number(),
    members: z.array(z.string()),
  }),
  paused: z.boolean(),
  request: z
    .object({
      leader: z.string().nullable(),
      member: z.string().nullable(),
      scheduled_at: z.string().nullable(),
    })
    .nullable(),
  members: z.array(MemberDocument),
  member: LocalDocument,
  warnings: z.array(z.object({ code: z.string(), severity: z.string(), text: z.string() })),
})

export type StatusDocument = z.infer<typeof StatusDocument>
export type MemberDocument = z.infer<typeof MemberDocument>
export type LocalDocument = z.infer<typeof LocalDocument>

export function statusDocument(status: ClusterStatus): StatusDocument {
  const { store, request } = status
  return {
    scope: status.scope,
    at: status.wallTime,
    age_ms: status.ageMs,
    store: {
      state: store.kind,
      cluster_id: store.kind === 'known' ? store.clusterId : null,
      lost_for_ms: store.kind === 'lost' ? Math.round(store.forMs) : null,
      reason: store.kind === 'lost' ? store.reason : null,
    },
    system_identifier: status.systemIdentifier,
    leader: status.leader,
    term: termDocument(status),
    synchronous: { ...status.synchronous, members: [...status.synchronous.members] },
    paused: status.paused,
    request: request && { leader: request.leader, member: request.member, scheduled_at: request.scheduledAt },
    members: status.members.map(memberDocument),
    member: localDocument(status),
    warnings: status.warnings.map(({ code, severity, text }) => ({ code, severity, text })),
  }
}

function termDocument({ leadership }: ClusterStatus): StatusDocument['term'] {
  if (!leadership) return null
  const { term, state, holder, install, ttlMs, silenceMs, expired, at, successor, mixed } = leadership
  return {
    number: term,
    state,
    holder,
    install,
    ttl_ms: ttlMs,
    silence_ms: silenceMs === null ? null : Math.round(silenceMs),
    expired,
    at: positionDocument(at),
    successor,
    mixed,
  }
}

const ROLE_WORDS: Readonly<Record<string, string>> = { replica: 'standby', uninitialized: 'none' }

function memberDocument(member: MemberStatus): MemberDocument {
  return {
    name: member.name,
    self: member.self,
    leader: member.leader,
    role: ROLE_WORDS[member.role] ?? member.role,
    synchronous: member.syncRole === null ? null : member.syncRole === 'sync_standby' ? 'sync' : 'quorum',
    state: member.state,
    host: member.host,
    port: member.port,
    api_url: member.apiUrl,
    timeline: member.timeline,
    lsn: lsnText(member.lsn),
    replay_lsn: lsnText(member.replayLsn),
    lag_bytes: member.lag,
    replay_lag_bytes: member.replayLag,
    tags: member.tags,
    pending_restart: member.pendingRestart,
    pending_restart_reason: member.pendingRestartReason,
    scheduled_restart: member.scheduledRestart,
    version: member.version,
    vigil: member.install !== null,
  }
}

export function localDocument({ local }: Pick<ClusterStatus, 'local'>): LocalDocument {
  const { job, guard } = local
  return {
    name: local.name,
    version: local.version,
    install: local.install,
    seat: local.seat,
    seat_state: local.seatState,
    role: local.role,
    state: local.state,
    leads: local.leads,
    deadline_left_ms: local.deadlineLeftMs === null ? null : Math.round(local.deadlineLeftMs),
    guard: guard && { ...guard },
    fencing: fencingDocument(local.fencing),
    position: positionDocument(local.position),
    job: job && {
      kind: job.kind,
      state: job.state,
      from: job.from,
      for_ms: Math.round(job.forMs),
      bytes_done: job.bytesDone,
      bytes_total: job.bytesTotal,
      reason: job.reason,
    },
    failsafe: {
      active: local.failsafe.active,
      for_ms: local.failsafe.forMs === null ? null : Math.round(local.failsafe.forMs),
      against: local.failsafe.against,
      promised_to: local.failsafe.promisedTo,
    },
    promotable: local.promotable,
    trouble: local.trouble,
    disks: local.disks.map(disk => ({
      holds: [...disk.holds],
      free_bytes: disk.freeBytes,
      total_bytes: disk.totalBytes,
      failure: disk.failure,
    })),
    term: local.term,
    rule: local.rule,
  }
}

function fencingDocument(fencing: Fencing): LocalDocument['fencing'] {
  const { grade, layers, missing, obstacles, next } = fencing
  return {
    grade,
    layers: [...layers],
    missing: [...missing],
    obstacles: { ...obstacles },
    next: next && { grade: next.grade, missing: [...next.missing] },
    realtime_obstacle: fencing.realtimeObstacle,
    oom_obstacle: fencing.oomObstacle,
    memory_obstacle: fencing.memoryObstacle,
  }
}

export function positionDocument(position: Position | null): { timeline: number; lsn: string } | null {
  return position && { timeline: position.timeline, lsn: formatLsn(position.lsn) }
}

function lsnText(value: Lsn | null): string | null {
  return value === null ? null : formatLsn(value)
}
