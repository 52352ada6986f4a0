// The member key: Patroni's fields and ours, from what this tick saw.
import type { MemberRecord, PublishedRole } from './cluster.ts'
import type { Situation } from './situation.ts'
import { isLeaving } from './synchronous/leaving.ts'

export function memberRecord(s: Situation): MemberRecord {
  const { me, memory, remembered, settings } = s.view
  const standby = s.running.kind === 'standby' ? s.running.status : null
  const primary = s.running.kind === 'primary' ? s.running.status : null
  const position = primary?.position ?? standby?.position ?? null
  const waiting = primary?.pendingRestart ?? standby?.pendingRestart ?? {}
  const pendingRestart = Object.keys(waiting).length > 0
  return {
    name: me.name,
    connUrl: me.connUrl,
    apiUrl: me.apiUrl,
    state: publishedState(s),
    role: publishedRole(s),
    version: null,
    xlogLocation: position?.lsn ?? null,
    receiveLsn: standby?.received ?? null,
    replayLsn: standby?.replayed ?? null,
    replicationState: standby?.replicationState ?? null,
    timeline: position?.timeline ?? null,
    tags: me.tags,
    checkpointAfterPromote: primary === null || memory.checkpointedTerm === s.record?.term,
    pendingRestart,
    pendingRestartReason: pendingRestart
      ? Object.fromEntries(
          Object.entries(waiting).map(([name, v]) => [
            name,
            { old_value: v.oldValue, new_value: v.newValue },
          ]),
        )
      : null,
    scheduledRestart: null,
    pause: settings.pause,
    vigil: {
      version: me.version,
      install: me.install,
      seat: remembered.seat,
      machine: me.machine,
      ...(isLeaving(s) && { leaving: true }),
    },
  }
}

/** Without the positions, which change with every commit. */
export function significance(member: MemberRecord): string {
  return JSON.stringify({ ...member, xlogLocation: null, receiveLsn: null, replayLsn: null })
}

export function positionsOf(member: MemberRecord): string {
  return [member.xlogLocation, member.receiveLsn, member.replayLsn].join('/')
}

export function publishedRole(s: Situation): PublishedRole {
  if (s.running.kind === 'primary') return s.record?.state === 'electing' ? 'promoted' : 'primary'
  if (
    s.running.kind === 'none' &&
    s.view.directory.kind === 'known' &&
    s.view.directory.value.kind === 'empty'
  )
    return 'uninitialized'
  return 'replica'
}

/** Patroni's words for what the instance is doing. */
export function publishedState(s: Situation): string {
  const { job, memory } = s.view
  if (job?.state === 'running' && job.order.kind === 'initialise') return 'initializing new cluster'
  if (job?.state === 'running' && job.order.kind === 'clone') return 'creating replica'
  if (s.running.kind === 'none') return s.guard?.exit?.cause === 'self' ? 'crashed' : 'stopped'
  if (memory.stopAskedAt) return memory.requestId ? 'restarting' : 'stopping'
  return s.running.kind === 'starting' || s.running.kind === 'unknown' ? 'starting' : 'running'
}
