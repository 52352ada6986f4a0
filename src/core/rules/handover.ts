// Planned switchover (protocol A9): a failure before the stop changes nothing; after it the successor has the first right.
import { comparePositions, type Position } from '../../kernel/lsn.ts'
import { elapsedAtMost } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { lagBehind } from '../candidate.ts'
import type { PeerReport } from '../peer.ts'
import { handoverRecord, renewedRecord } from '../record.ts'
import { isDead, memberByName, renewalDue, type Situation } from '../situation.ts'
import type { TermRecord } from '../term.ts'
import { plainRenewal, release, renew } from '../transaction.ts'
import { leads } from './leading.ts'
import { type Plan, type Rule, wait } from './rule.ts'

const POLL_MS = 20
/** Then the walsenders of everybody but the successor are ended: a fast stop waits for them. */
const WALSENDERS_MS = 2000
const STOP_LIMIT_MS = 15_000
const CHECKPOINT_LIMIT_MS = 60_000

export const HANDOVER: readonly Rule[] = [
  {
    id: 'handover-release',
    when: 'in handover, and the instance has stopped',
    does: 'gives the term up at the guard and releases the leadership (T5) with the final position',
    plan: s =>
      s.holding && s.record?.state === 'handover' && isDead(s) && servedHere(s) ? releasing(s) : null,
  },
  {
    id: 'handover-stopping',
    when: 'in handover, and the instance is stopping',
    does: 'renews; after 2 s ends the walsenders of others, after the limit kills',
    plan: s => (leads(s) && s.record?.state === 'handover' && s.view.memory.stopAskedAt ? stopping(s) : null),
  },
  {
    id: 'handover-abort',
    when: 'in handover before the stop, and this agent did not begin it or the successor is gone',
    does: 'goes on serving (T1): clients have noticed nothing',
    plan: s => {
      if (!leads(s) || s.record?.state !== 'handover' || s.running.kind !== 'primary') return null
      const reason = s.view.memory.handoverSince
        ? successorObstacle(s, s.record.successor)
        : 'agent restarted'
      if (!reason) return null
      const back = renewedRecord(s.view, s.record, s.end)
      return {
        because: { reason },
        actions: [renew(s, { ...back, state: 'serving', successor: null }), ...clearCheckpoint(s)],
        memory: { lastAttemptAt: s.now, handoverSince: null, lastRefusal: reason },
      }
    },
  },
  {
    id: 'handover-stop',
    when: 'in handover, and the instance runs',
    does: 'stops it fast: the shutdown checkpoint is the last thing that it writes',
    plan: s =>
      leads(s) && s.record?.state === 'handover'
        ? { actions: [...dueRenewal(s), { kind: 'stop', mode: 'fast' }], wakeInMs: POLL_MS }
        : null,
  },
  {
    id: 'switchover-begin',
    when: 'leading, a switchover was asked for, and a member can take over',
    does: 'runs a CHECKPOINT while clients go on, then records the handover (T1)',
    plan: s => (requested(s) ? begin(s) : null),
  },
]

/** The request that is due now, addressed to this leader. */
function requested(s: Situation): boolean {
  const { failover } = s.cluster ?? {}
  const due = s.view.failoverDueInMs === null || s.view.failoverDueInMs <= 0
  return failover != null && due && leads(s) && s.record?.state === 'serving' && s.running.kind === 'primary'
}

function begin(s: Situation): Plan | null {
  const request = s.cluster?.failover
  if (!request) return null
  const { job, memory, me } = s.view
  const refuse = (reason: string): Plan => ({
    because: { refused: reason },
    actions: [...dueRenewal(s), { kind: 'put-failover', value: null, modRevision: request.modRevision }],
    memory: { handoverSince: null, lastRefusal: reason, ...renewedNow(s) },
  })
  if (request.value.leader && request.value.leader !== me.name)
    return refuse(`${request.value.leader} does not lead`)
  const successor = request.value.member ?? bestPeer(s)?.name ?? null
  const against = successorObstacle(s, successor)
  if (against) {
    // Another look: a member that was just asked for the first time may not have answered yet.
    const tried = memory.handoverSince && elapsedAtMost(memory.handoverSince, s.now) > 3000
    if (tried) return refuse(against)
    return {
      because: { waiting: against },
      actions: dueRenewal(s),
      memory: { handoverSince: memory.handoverSince ?? s.now, ...renewedNow(s) },
      wakeInMs: 200,
    }
  }
  if (job?.state === 'running' && elapsedAtMost(job.startedAt, s.now) < CHECKPOINT_LIMIT_MS)
    return { because: { successor }, actions: dueRenewal(s), memory: renewedNow(s), wakeInMs: POLL_MS }
  if (
    job?.order.kind !== 'checkpoint' ||
    !memory.handoverSince ||
    job.startedAt.mono < memory.handoverSince.mono
  )
    return {
      because: { successor },
      actions: [...dueRenewal(s), ...clearCheckpoint(s), { kind: 'run-job', order: { kind: 'checkpoint' } }],
      memory: { handoverSince: memory.handoverSince ?? s.now, ...renewedNow(s) },
      wakeInMs: POLL_MS,
    }
  const record = handoverRecord(s.view, s.record as TermRecord, successor as string, s.end as Position)
  return {
    because: { successor },
    actions: [
      renew(s, record, 'T1', { failover: { value: null, modRevision: request.modRevision } }),
      ...clearCheckpoint(s),
    ],
    memory: { lastAttemptAt: s.now },
    wakeInMs: 1,
  }
}

function stopping(s: Situation): Plan {
  const asked = s.view.memory.stopAskedAt
  const since = asked ? elapsedAtMost(asked, s.now) : 0
  const limit = s.view.settings.primaryStopTimeoutMs || STOP_LIMIT_MS
  const actions: Action[] = [...dueRenewal(s)]
  if (since > limit) actions.push({ kind: 'kill', reason: 'the stop did not end' })
  else if (since > WALSENDERS_MS)
    actions.push({ kind: 'terminate-walsenders', except: s.record?.successor ? [s.record.successor] : [] })
  return { because: { sinceMs: since }, actions, memory: renewedNow(s), wakeInMs: POLL_MS }
}

function releasing(s: Situation): Plan {
  if (s.view.directory.kind !== 'known') return wait({ reading: 'control data' }, POLL_MS)
  const final = cleanEnd(s)
  return {
    because: { clean: final !== null },
    actions: [release(s, final, s.record?.successor ?? null)],
    memory: { lastAttemptAt: s.now, handoverSince: null, stopAskedAt: null },
    wakeInMs: POLL_MS,
  }
}

/** Where the shutdown checkpoint ends, if the stop was clean. */
export function cleanEnd(s: Situation): Position | null {
  const { control } = s
  if (control?.state !== 'shut down' || control.shutdownEnd === null) return null
  return { timeline: control.checkpoint.timeline, lsn: control.shutdownEnd }
}

function servedHere(s: Situation): boolean {
  return s.guardKnowsTerm || s.view.remembered.servedTerm === s.record?.term
}

function successorObstacle(s: Situation, name: string | null): string | null {
  if (!name) return 'no member can take over'
  if (name === s.view.me.name) return 'the candidate leads already'
  const reading = s.view.peers[name]
  if (reading?.kind !== 'known') return `${name} does not answer`
  const peer = reading.value
  if (!peer.install || !s.record?.members.includes(peer.install)) return `${name} is not a listed member`
  if (peer.noFailover) return `${name} is tagged nofailover`
  if (!peer.promotable || !peer.position) return `${name} can't be promoted now`
  if (!streams(s, name)) return `${name} does not stream`
  const lag = s.end ? lagBehind(peer.position, s.end) : 0
  if (lag > s.view.settings.maximumLagOnFailover) return `${name} lags ${lag} bytes`
  return null
}

/** What the stop writes must reach the successor: from this leader, or from the member it is told to stream from. */
function streams(s: Situation, name: string): boolean {
  if (s.running.kind !== 'primary') return true
  const direct = s.running.status.replication.some(c => c.applicationName === name && c.state === 'streaming')
  const member = memberByName(s.cluster, name)
  return direct || (member?.tags['replicatefrom'] !== undefined && member.replicationState === 'streaming')
}

function bestPeer(s: Situation): PeerReport | null {
  const usable = Object.values(s.view.peers)
    .flatMap(reading => (reading.kind === 'known' ? [reading.value] : []))
    .filter(peer => successorObstacle(s, peer.name) === null)
  const order = (a: PeerReport, b: PeerReport) =>
    comparePositions(b.position as Position, a.position as Position) || (a.name < b.name ? -1 : 1)
  return [...usable].sort(order)[0] ?? null
}

function dueRenewal(s: Situation): readonly Action[] {
  return renewalDue(s) ? [plainRenewal(s, s.end)] : []
}

function renewedNow(s: Situation): { lastAttemptAt?: Situation['now'] } {
  return renewalDue(s) ? { lastAttemptAt: s.now } : {}
}

function clearCheckpoint(s: Situation): readonly Action[] {
  return s.view.job && s.view.job.state !== 'running' ? [{ kind: 'clear-job' }] : []
}
