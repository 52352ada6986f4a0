// Restart of this member's PostgreSQL: now, or at a time, under conditions.

import { seconds } from '../core/setting-kind.ts'
import type { ClusterStatus } from '../core/status.ts'
import { type Answer, type Plan, ready, refused } from './answer.ts'
import type { RestartBody } from './bodies.ts'
import { type Desk, within } from './desk.ts'
import { askedTime } from './wall-time.ts'

/** Patroni's words for roles, and what they stand for. */
const ROLES: Readonly<Record<string, readonly ('primary' | 'standby')[]>> = {
  any: ['primary', 'standby'],
  primary: ['primary'],
  master: ['primary'],
  leader: ['primary'],
  replica: ['standby'],
  standby: ['standby'],
  'standby-leader': [],
  standby_leader: [],
}

export async function planRestart(desk: Desk, body: RestartBody): Promise<Plan> {
  const status = desk.status()
  if (!status) return refused(503, 'This member has not looked at the cluster yet')
  const problem = formProblem(body)
  if (problem) return refused(400, problem)
  return body.schedule ? planScheduled(desk, status, body, body.schedule) : planNow(desk, status, body)
}

export async function planUnscheduling(desk: Desk): Promise<Plan> {
  const pending = desk.schedule.pending()
  if (!pending) return refused(404, 'no restarts are scheduled')
  return ready(`would withdraw the restart scheduled for ${pending.schedule}`, async () =>
    desk.schedule.clear()
      ? { status: 200, text: 'scheduled restart deleted' }
      : { status: 404, text: 'no restarts are scheduled' },
  )
}

function formProblem({ role, postgres_version, timeout }: RestartBody): string | null {
  if (role && !Object.hasOwn(ROLES, role)) return `role is one of ${Object.keys(ROLES).join(', ')}`
  if (postgres_version != null && versionNumber(postgres_version) === null)
    return 'postgres_version is a version of PostgreSQL, such as 15.4'
  if (timeout != null && seconds({ min: 1 }).read(timeout) === undefined)
    return 'timeout is a number of seconds, or has a unit, such as 5min'
  return null
}

function planNow(desk: Desk, status: ClusterStatus, body: RestartBody): Plan {
  const condition = unmetCondition(status, body)
  if (condition) return refused(503, `restart conditions are not satisfied: ${condition}`)
  const busy = busyReason(status)
  if (busy) return refused(503, busy)
  const { name, role } = status.local
  return ready(`would restart PostgreSQL of ${name} (${role})`, () => restartNow(desk, status, body))
}

function planScheduled(desk: Desk, status: ClusterStatus, body: RestartBody, schedule: string): Plan {
  if (status.paused) return refused(500, 'Cannot schedule a restart in maintenance mode')
  const time = askedTime(schedule, desk.clock.wallTime())
  if (time.kind === 'refused') return refused(time.status, `Cannot schedule: ${time.reason}`)
  if (desk.schedule.pending()) return refused(409, 'Another restart is already scheduled')
  const { instance } = status.local
  const { schedule: _, ...conditions } = body
  const restart = {
    schedule: time.iso,
    epochMs: time.epochMs,
    postmasterStartedAt: instance && instance.kind !== 'starting' ? instance.postmasterStartedAt : null,
    conditions,
  }
  return ready(`would restart PostgreSQL of ${status.local.name} at ${time.iso}`, async () =>
    desk.schedule.set(restart, () => void restartIfStillMeant(desk, body, restart.postmasterStartedAt))
      ? { status: 202, text: 'Restart scheduled' }
      : { status: 409, text: 'Another restart is already scheduled' },
  )
}

async function restartIfStillMeant(desk: Desk, body: RestartBody, startedAt: string | null): Promise<void> {
  const status = desk.status()
  const instance = status?.local.instance
  if (!status || !instance || instance.kind === 'starting') return
  if (startedAt !== null && instance.postmasterStartedAt !== startedAt) return
  const plan = planNow(desk, status, body)
  if (plan.kind === 'ready') await plan.perform()
}

async function restartNow(desk: Desk, status: ClusterStatus, body: RestartBody): Promise<Answer> {
  const id = desk.clock.randomId()
  const asked = desk.agent.request({ kind: 'restart', id, onlyIfPending: body.restart_pending === true })
  desk.agent.wake()
  const limitMs = body.timeout == null ? 5 * 60_000 : (seconds().read(body.timeout) ?? 0)
  const outcome = await within(desk.clock, limitMs, asked)
  if (outcome === null) return { status: 503, text: `${status.local.name} is still starting` }
  return outcome.kind === 'refused'
    ? { status: 503, text: outcome.text }
    : { status: 200, text: 'restarted successfully' }
}

function unmetCondition(status: ClusterStatus, body: RestartBody): string | null {
  const { local } = status
  if (body.role && local.role !== 'none' && !ROLES[body.role]!.includes(local.role)) {
    return `this member is a ${local.role}`
  }
  const instance = local.instance && local.instance.kind !== 'starting' ? local.instance : null
  const wanted = body.postgres_version == null ? null : versionNumber(body.postgres_version)
  if (wanted !== null && instance && instance.serverVersion >= wanted)
    return `PostgreSQL is at ${instance.serverVersion} already`
  if (body.restart_pending && Object.keys(local.pendingRestart).length === 0) return 'no restart is pending'
  return null
}

function busyReason({ local }: ClusterStatus): string | null {
  if (local.ending !== 'no') return 'the agent is ending'
  if (local.job?.state === 'running' && ['clone', 'rewind', 'initialise'].includes(local.job.kind))
    return `a ${local.job.kind} is running`
  return null
}

/** `15.4` as PostgreSQL numbers it, 150004; `9.6.1` is 90601. */
function versionNumber(version: string | number): number | null {
  const parts = /^(\d{1,3})(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?$/.exec(String(version).trim())
  if (!parts) return null
  const [major, minor, patch] = parts.slice(1).map(part => Number(part ?? 0)) as [number, number, number]
  if (major >= 10) return parts[3] === undefined ? major * 10_000 + minor : null
  return major * 10_000 + minor * 100 + patch
}
