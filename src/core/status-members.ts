// One row a member: its own word for this one, the member keys for the others.
import type { Lsn, Timeline } from '../kernel/lsn.ts'
import type { MemberRecord, PublishedRole } from './cluster.ts'
import type { Situation } from './situation.ts'
import type { LocalStatus } from './status-local.ts'
import { type SyncRole, syncRoleOf } from './status-synchronous.ts'

export interface MemberStatus {
  readonly name: string
  readonly self: boolean
  readonly leader: boolean
  readonly role: PublishedRole
  /** Commits wait for it; null: they do not, or it leads. */
  readonly syncRole: SyncRole | null
  /** In Patroni's words: `running`, `streaming`, `creating replica`, ... */
  readonly state: string
  readonly host: string | null
  readonly port: number | null
  readonly apiUrl: string | null
  readonly timeline: Timeline | null
  /** The further one of received and replayed, or the flush position of a primary. */
  readonly lsn: Lsn | null
  readonly receiveLsn: Lsn | null
  readonly replayLsn: Lsn | null
  /** Bytes behind the leader; null: not known, or it is the leader. */
  readonly lag: number | null
  readonly receiveLag: number | null
  readonly replayLag: number | null
  readonly tags: Readonly<Record<string, unknown>>
  readonly pendingRestart: boolean
  readonly pendingRestartReason: Readonly<Record<string, unknown>> | null
  readonly scheduledRestart: Readonly<Record<string, unknown>> | null
  /** null: a real Patroni agent. */
  readonly install: string | null
  readonly version: string | null
}

export interface MemberContext {
  readonly leader: string | null
  readonly local: LocalStatus
  readonly leaderLsn: Lsn | null
}

export function memberRows(situation: Situation, context: MemberContext): readonly MemberStatus[] {
  const { local } = context
  const others = (situation.cluster?.members ?? []).map(member => member.value)
  const own = others.find(member => member.name === local.name)
  const rows = [
    ownRow(context, own ?? null),
    ...others.filter(member => member.name !== local.name).map(member => publishedRow(member, context)),
  ]
  return rows
    .map(row => ({ ...row, syncRole: row.leader ? null : syncRoleOf(situation, row.name) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function publishedRow(member: MemberRecord, context: MemberContext): Omit<MemberStatus, 'syncRole'> {
  const leader = member.name === context.leader
  const { receiveLsn, replayLsn, xlogLocation } = member
  return {
    ...placeOf(member.connUrl, member.apiUrl),
    name: member.name,
    self: false,
    leader,
    role: member.role,
    state: member.replicationState ?? member.state,
    timeline: member.timeline,
    ...lagOf({ lsn: xlogLocation, receiveLsn, replayLsn }, leader, context),
    tags: member.tags,
    pendingRestart: member.pendingRestart,
    pendingRestartReason: member.pendingRestartReason,
    scheduledRestart: member.scheduledRestart,
    install: member.vigil?.install ?? null,
    version: member.vigil?.version ?? member.version,
  }
}

/** What was just seen says more than what was published a moment ago. */
function ownRow(context: MemberContext, published: MemberRecord | null): Omit<MemberStatus, 'syncRole'> {
  const { local } = context
  const { instance } = local
  const standby = instance?.kind === 'standby' ? instance : null
  const leader = local.name === context.leader
  const pendingRestart = Object.keys(local.pendingRestart).length > 0
  return {
    ...placeOf(local.connUrl, local.apiUrl),
    name: local.name,
    self: true,
    leader,
    role: local.publishedRole,
    state: (local.state === 'running' ? standby?.replicationState : null) ?? local.state,
    timeline: positionOf(local)?.timeline ?? published?.timeline ?? null,
    ...lagOf(
      {
        lsn: positionOf(local)?.lsn ?? null,
        receiveLsn: standby?.received ?? null,
        replayLsn: standby?.replayed ?? null,
      },
      leader,
      context,
    ),
    tags: local.tags,
    pendingRestart,
    pendingRestartReason: pendingRestart ? pendingReason(local) : null,
    scheduledRestart: published?.scheduledRestart ?? null,
    install: local.install,
    version: local.version,
  }
}

/** For display: also while replay has not used up the local WAL, when it is no position to lead with. */
function positionOf({ instance, position }: LocalStatus) {
  return position ?? (instance && instance.kind !== 'starting' ? instance.position : null)
}

/** As Patroni spells it. */
export function pendingReason({ pendingRestart }: Pick<LocalStatus, 'pendingRestart'>) {
  const entries = Object.entries(pendingRestart)
  return Object.fromEntries(
    entries.map(([name, { oldValue, newValue }]) => [name, { old_value: oldValue, new_value: newValue }]),
  )
}

interface Positions {
  readonly lsn: Lsn | null
  readonly receiveLsn: Lsn | null
  readonly replayLsn: Lsn | null
}

function lagOf(positions: Positions, leader: boolean, { leaderLsn }: MemberContext) {
  const behind = (own: Lsn | null): number | null => {
    if (leader || own === null || leaderLsn === null) return null
    return own >= leaderLsn ? 0 : Number(leaderLsn - own)
  }
  return {
    ...positions,
    lag: behind(positions.lsn),
    receiveLag: behind(positions.receiveLsn),
    replayLag: behind(positions.replayLsn),
  }
}

function placeOf(connUrl: string | null, apiUrl: string | null) {
  const match = /^postgres(?:ql)?:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/?]+)(?::(\d+))?/.exec(connUrl ?? '')
  return {
    host: match ? match[1]!.replace(/^\[|\]$/g, '') : null,
    port: match ? Number(match[2] ?? 5432) : null,
    apiUrl,
  }
}
