// What an operator should look at, with a stable code each.
import { elapsedAtMost, type Ms } from '../kernel/time.ts'
import type { Situation } from './situation.ts'
import { slotsOfNobody } from './slots.ts'
import { healthWarnings } from './status-health.ts'
import type { ClusterStatus, Warning } from './status-model.ts'
import { synchronousWarnings } from './status-synchronous-warnings.ts'
import { onlyLeaderHasAll } from './synchronous/takeover.ts'

const RECEIVER_SHOWN_MS: Ms = 600_000

type Described = Omit<ClusterStatus, 'warnings'>

/** Alarms first. */
export function warningsOf(situation: Situation, status: Described): readonly Warning[] {
  const found = [
    ...storeWarnings(situation, status),
    ...leaderWarnings(status),
    ...guardWarnings(situation, status),
    ...copyWarnings(status),
    ...slotWarnings(situation),
    ...sealWarnings(situation),
    ...synchronousWarnings(situation),
    ...healthWarnings(situation, status.local),
    ...settingWarnings(situation, status),
  ]
  return [
    ...found.filter(warning => warning.severity === 'alarm'),
    ...found.filter(warning => warning.severity === 'notice'),
  ]
}

function storeWarnings({ cluster, frozen, unresolved }: Situation, status: Described): readonly Warning[] {
  const { store } = status
  const warnings: Warning[] = []
  if (store.kind === 'lost')
    warnings.push(
      alarm('store-lost', `the store has not answered for ${secondsText(store.forMs)}: ${store.reason}`),
    )
  warnings.push(...failsafeWarnings(status))
  if (frozen !== null)
    warnings.push(
      alarm(
        'store-frozen',
        `nobody can be promoted: ${frozen}. Bring the right store back, or accept this one with "vigil store reseed"`,
      ),
    )
  for (const { key, reason } of cluster?.damaged ?? [])
    warnings.push(alarm('key-damaged', `key ${key} is not understood (${reason}) and is ignored`))
  if (unresolved)
    warnings.push(notice('request-unresolved', 'a write to the store may or may not have been applied'))
  return warnings
}

function failsafeWarnings({ local }: Described): readonly Warning[] {
  const { active, against, promisedTo } = local.failsafe
  const warnings: Warning[] = []
  if (active)
    warnings.push(
      alarm('failsafe', 'the primary goes on without the store, as long as every member promises to wait'),
    )
  if (against !== null)
    warnings.push(
      alarm('failsafe-refused', `the primary stops at its deadline: it lacks a promise (${against})`),
    )
  if (promisedTo !== null)
    warnings.push(notice('failsafe-promised', `leaves the leadership to ${promisedTo}, which has no store`))
  return warnings
}

function leaderWarnings(status: Described): readonly Warning[] {
  const { leadership, leader, store, paused, local } = status
  const warnings: Warning[] = []
  if (store.kind === 'known' && leader === null) {
    const since = leadership?.silenceMs ?? null
    const silent = since === null ? '' : `, the record has been silent for ${secondsText(since)}`
    warnings.push(alarm('no-leader', `no member leads${silent}`))
  }
  if (local.role === 'primary' && !local.leads && !paused)
    warnings.push(
      alarm('primary-without-leadership', 'PostgreSQL here runs as primary without holding the leadership'),
    )
  if (paused)
    warnings.push(notice('paused', 'maintenance mode: nothing is started, stopped or promoted by itself'))
  if (leadership?.mixed)
    warnings.push(notice('mixed-cluster', 'Patroni agents belong to this cluster; it is as safe as they are'))
  return warnings
}

function guardWarnings({ view }: Situation, { local }: Described): readonly Warning[] {
  if (!local.guard) return [alarm('guard-lost', 'the guard does not answer: this member may not be primary')]
  const warnings: Warning[] = []
  if (local.guard.mode === 'fenced')
    warnings.push(alarm('fenced', 'the guard has ended PostgreSQL on this member'))
  if (local.guard.adopted)
    warnings.push(
      notice('instance-adopted', 'PostgreSQL was not started by the guard: it would outlive the guard'),
    )
  if (local.guard.forbids)
    warnings.push(alarm('may-not-lead', `cannot become leader: ${local.guard.forbids}`))
  const { grade, next } = local.fencing
  if (view.settings.synchronousMode === 'off' && (grade === 'C' || grade === 'D'))
    warnings.push(
      alarm(
        'fencing-weak',
        `asynchronous cluster with fencing grade ${grade}: if agent and guard are stopped together, the old primary goes on and its commits are lost; grade ${next?.grade} needs ${next?.missing.join(' and ')}`,
      ),
    )
  return warnings
}

function slotWarnings(situation: Situation): readonly Warning[] {
  return slotsOfNobody(situation).map(name =>
    notice(
      'slot-of-nobody',
      `no member is there for replication slot ${name}, and it keeps WAL: if that member was renamed or removed, drop it with SELECT pg_drop_replication_slot('${name}')`,
    ),
  )
}

function copyWarnings({ local }: Described): readonly Warning[] {
  const warnings: Warning[] = []
  if (local.seatState === 'diverged')
    warnings.push(
      alarm('copy-diverged', 'this copy of the data has a history that the cluster does not know'),
    )
  if (local.seatState === 'incomplete')
    warnings.push(notice('copy-incomplete', 'this copy of the data is not complete yet'))
  if (local.job?.state === 'failed')
    warnings.push(alarm('job-failed', `${local.job.kind} failed: ${local.job.reason ?? 'unknown reason'}`))
  const { instance } = local
  if (instance?.kind === 'standby' && instance.replicationState !== 'streaming')
    warnings.push(notice('not-streaming', 'this standby does not stream'))
  if (instance?.kind === 'standby' && instance.replayPaused)
    warnings.push(notice('replay-paused', 'replay is paused on this standby'))
  if (instance?.kind === 'starting')
    warnings.push(notice('not-let-in', `PostgreSQL does not let the agent in: ${instance.reason}`))
  const slots = instance && instance.kind !== 'starting' ? instance.slots : []
  for (const slot of slots.filter(slot => slot.walStatus === 'lost' || slot.walStatus === 'unreserved'))
    warnings.push(alarm('slot-lost', `replication slot ${slot.name} has lost WAL or is about to`))
  const waiting = Object.keys(local.pendingRestart)
  if (waiting.length > 0)
    warnings.push(notice('pending-restart', `waits for a restart: ${waiting.join(', ')}`))
  return warnings
}

function sealWarnings({ record, view, now }: Situation): readonly Warning[] {
  const warnings: Warning[] = []
  const { promise } = view.remembered
  const { receiverAt } = view.memory
  if (promise)
    warnings.push(
      notice(
        'sealed',
        `this standby receives nothing until the leader renews or term ${promise.term} begins`,
      ),
    )
  if (receiverAt && elapsedAtMost(receiverAt, now) < RECEIVER_SHOWN_MS)
    warnings.push(
      alarm('receiver-while-sealed', 'a walreceiver turned up on this sealed standby and was ended'),
    )
  if (record && onlyLeaderHasAll(record) && record.state !== 'paused')
    warnings.push(
      alarm(
        'no-automatic-promotion',
        `commits wait for no standby: only ${record.holder.name} certainly has everything, and nobody is promoted in its place by itself`,
      ),
    )
  return warnings
}

/** Settings that a file may carry and that change nothing yet are said aloud: silence would be a promise. */
function settingWarnings({ view }: Situation, { store }: Described): readonly Warning[] {
  const { settings } = view
  const warnings: Warning[] = []
  if (settings.standbyCluster !== null)
    warnings.push(
      alarm('standby-cluster', 'standby_cluster is set and not supported yet: nobody is promoted'),
    )
  if (store.kind === 'known' && view.settings.tags.nofailover)
    warnings.push(notice('never-leader', 'this member is tagged nofailover'))
  return warnings
}

function alarm(code: string, text: string): Warning {
  return { code, text, severity: 'alarm' }
}

function notice(code: string, text: string): Warning {
  return { code, text, severity: 'notice' }
}

function secondsText(ms: Ms): string {
  return `${Math.round(ms / 1000)} s`
}
