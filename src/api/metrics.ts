// Metrics in Prometheus' text format: Patroni's names and labels, then vigil's own.

import { FENCING_LAYERS } from '../core/fencing.ts'
import type { InstanceStatus } from '../core/instance.ts'
import { PUBLISHED_VERSION } from '../core/published-version.ts'
import type { ClusterStatus } from '../core/status.ts'
import { lastSeen } from './patroni-document.ts'

interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  /** null: left out. */
  readonly value: number | string | null
  readonly labels?: Readonly<Record<string, string>>
}

/** Patroni's numbers for its states. */
const STATES = [
  'initializing new cluster',
  'initdb failed',
  'running custom bootstrap script',
  'custom bootstrap failed',
  'creating replica',
  'running',
  'starting',
  'starting after custom bootstrap',
  'start failed',
  'restarting',
  'restart failed',
  'stopping',
  'stopped',
  'stop failed',
  'crashed',
]

const GRADES = { none: 0, D: 1, C: 2, B: 3, A: 4 }

export function metricsText(status: ClusterStatus | null, scope: string): string {
  const name = status?.local.name ?? ''
  const metrics = status ? [...patroniMetrics(status), ...vigilMetrics(status)] : []
  const up: Metric = {
    name: 'vigil_up',
    type: 'gauge',
    help: 'Value is 1 once the agent has looked at the cluster.',
    value: status ? 1 : 0,
  }
  return format([up, ...metrics], { scope, name })
}

function patroniMetrics(status: ClusterStatus): readonly Metric[] {
  const { local } = status
  const running = local.instance && local.instance.kind !== 'starting' ? local.instance : null
  return [
    gauge('patroni_version', 'Patroni version that this member behaves like.', versionNumber()),
    gauge('patroni_postgres_running', 'Value is 1 if PostgreSQL runs.', running !== null),
    gauge(
      'patroni_postmaster_start_time',
      'Seconds since 1970 when PostgreSQL was started.',
      running ? Date.parse(running.postmasterStartedAt) / 1000 || 0 : 0,
    ),
    gauge(
      'patroni_primary',
      'Value is 1 if this member is the leader and a primary.',
      local.leads && running?.kind === 'primary',
    ),
    ...positionMetrics(local.instance),
    gauge('patroni_standby_leader', 'Value is 1 if this member leads a standby cluster.', 0),
    gauge('patroni_replica', 'Value is 1 if this member is a standby.', running?.kind === 'standby'),
    gauge('patroni_sync_standby', 'Value is 1 if commits wait for this member.', 0),
    gauge('patroni_quorum_standby', 'Value is 1 if commits wait for this member in a quorum.', 0),
    gauge(
      'patroni_postgres_server_version',
      'Version of PostgreSQL, 0 if it does not run.',
      running?.serverVersion ?? 0,
    ),
    gauge('patroni_cluster_unlocked', 'Value is 1 if nobody leads.', status.leader === null),
    gauge(
      'patroni_failsafe_mode_is_active',
      'Value is 1 if the primary goes on without the store.',
      local.failsafe.active || local.failsafe.promisedTo !== null,
    ),
    gauge('patroni_failsafe_mode_enabled', 'Value is 1 if failsafe_mode is in use.', status.failsafeMode),
    gauge(
      'patroni_postgres_timeline',
      'Timeline, 0 if PostgreSQL does not run.',
      running?.position.timeline ?? 0,
    ),
    gauge('patroni_dcs_last_seen', 'Seconds since 1970 when the store answered last.', lastSeen(status)),
    gauge(
      'patroni_pending_restart',
      'Value is 1 if a parameter waits for a restart.',
      Object.keys(local.pendingRestart).length > 0,
    ),
    gauge('patroni_is_paused', 'Value is 1 in maintenance mode.', status.paused),
    gauge('patroni_postgres_state', 'State of PostgreSQL as a number.', stateNumber(local.state)),
    gauge('patroni_failover_priority', 'Priority of this member in a failover.', priority(status)),
  ]
}

function positionMetrics(instance: InstanceStatus | null): readonly Metric[] {
  const primary = instance?.kind === 'primary' ? instance : null
  const standby = instance?.kind === 'standby' ? instance : null
  return [
    counter('patroni_xlog_location', 'Position of the primary, 0 on a standby.', primary?.position.lsn ?? 0n),
    counter(
      'patroni_xlog_received_location',
      'Position received, 0 on a primary.',
      standby?.received ?? standby?.replayed ?? 0n,
    ),
    counter('patroni_xlog_replayed_location', 'Position replayed, 0 on a primary.', standby?.replayed ?? 0n),
    gauge(
      'patroni_xlog_replayed_timestamp',
      'Seconds since 1970 of the last transaction replayed, 0 on a primary.',
      standby?.replayedAt ? Date.parse(standby.replayedAt) / 1000 || 0 : 0,
    ),
    gauge('patroni_xlog_paused', 'Value is 1 if replay is paused.', standby?.replayPaused === true),
    gauge(
      'patroni_postgres_streaming',
      'Value is 1 if this standby streams.',
      standby?.replicationState === 'streaming',
    ),
    gauge(
      'patroni_postgres_in_archive_recovery',
      'Value is 1 if this standby reads from the archive.',
      standby?.replicationState === 'in archive recovery',
    ),
  ]
}

function vigilMetrics(status: ClusterStatus): readonly Metric[] {
  const { local, leadership, store } = status
  return [
    {
      ...gauge('vigil_info', "Value is 1; vigil's version is a label.", 1),
      labels: { version: local.version },
    },
    gauge(
      'vigil_leads',
      'Value is 1 if this member holds the leadership by an unexpired deadline.',
      local.leads,
    ),
    gauge('vigil_term', 'Number of the leadership, as last seen.', leadership?.term ?? local.term),
    gauge(
      'vigil_deadline_left_seconds',
      'Time left until the guard ends PostgreSQL.',
      seconds(local.deadlineLeftMs),
    ),
    gauge(
      'vigil_record_silence_seconds',
      'Time since the term record moved.',
      seconds(leadership?.silenceMs ?? null),
    ),
    gauge('vigil_guard_connected', 'Value is 1 if the guard answers.', local.guard !== null),
    gauge('vigil_fencing_grade', 'Fencing: 0 none, 1 D, 2 C, 3 B, 4 A.', GRADES[local.fencing.grade]),
    ...FENCING_LAYERS.map(layer => ({
      ...gauge(
        'vigil_fencing_layer',
        'Value is 1 if this layer of fencing is active.',
        local.fencing.layers.includes(layer),
      ),
      labels: { layer },
    })),
    gauge('vigil_promotable', 'Value is 1 if this member may be promoted now.', local.promotable),
    gauge('vigil_store_reachable', 'Value is 1 if the store answers.', store.kind === 'known'),
    gauge('vigil_look_age_seconds', "Age of the agent's last look at the cluster.", seconds(status.ageMs)),
    gauge('vigil_members', 'Members that can be seen.', status.members.length),
    gauge(
      'vigil_alarms',
      'Warnings that need somebody.',
      status.warnings.filter(w => w.severity === 'alarm').length,
    ),
    ...status.members.map(member => ({
      ...gauge('vigil_member_lag_bytes', 'Bytes that a member is behind the leader.', member.lag),
      labels: { member: member.name },
    })),
    ...jobMetrics(status),
  ]
}

function jobMetrics({ local: { job } }: ClusterStatus): readonly Metric[] {
  if (!job) return []
  const labels = { kind: job.kind }
  return [
    { ...gauge('vigil_job_running', 'Value is 1 while long work runs.', job.state === 'running'), labels },
    { ...gauge('vigil_job_failed', 'Value is 1 if long work has failed.', job.state === 'failed'), labels },
    { ...gauge('vigil_job_bytes_done', 'Bytes copied.', job.bytesDone), labels },
    { ...gauge('vigil_job_bytes_total', 'Bytes to copy.', job.bytesTotal), labels },
  ]
}

function gauge(name: string, help: string, value: number | string | boolean | null): Metric {
  return { name, type: 'gauge', help, value: typeof value === 'boolean' ? Number(value) : value }
}

function counter(name: string, help: string, value: bigint): Metric {
  return { name, type: 'counter', help, value: value.toString() }
}

/** Samples of one name stay together, under one HELP and TYPE. */
function format(metrics: readonly Metric[], common: Readonly<Record<string, string>>): string {
  const shown = metrics.filter(metric => metric.value !== null)
  const names = [...new Set(shown.map(metric => metric.name))]
  const lines = names.flatMap(name => {
    const samples = shown.filter(metric => metric.name === name)
    const { help, type } = samples[0]!
    return [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(sample => `${name}${labelText({ ...common, ...sample.labels })} ${sample.value}`),
    ]
  })
  return `${lines.join('\n')}\n`
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

/** 4.1.4 is 040104. */
function versionNumber(): string {
  return PUBLISHED_VERSION.split('.')
    .map(part => part.padStart(2, '0'))
    .join('')
}

function stateNumber(state: string): number {
  const index = STATES.indexOf(state)
  // What Patroni has no number for (it cannot be asked) is nearest to a failed start.
  return index < 0 ? STATES.indexOf('start failed') : index
}

function priority({ local }: ClusterStatus): number {
  if (local.tags['nofailover'] === true) return 0
  const given = local.tags['failover_priority']
  return typeof given === 'number' ? given : 1
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms) / 1000
}
