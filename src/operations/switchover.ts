// Planned and forced changes of the leader: checks, then a request in the store that the members act on.
import type { FailoverRequest } from '../core/cluster.ts'
import type { PeerReport } from '../core/peer.ts'
import type { ClusterStatus, MemberStatus } from '../core/status.ts'
import type { Ms } from '../kernel/time.ts'
import { type Plan, ready, refused } from './answer.ts'
import type { SwitchoverBody } from './bodies.ts'
import { type Desk, PEER_LIMIT_MS } from './desk.ts'
import { fileFailover } from './failover-key.ts'
import { type Change, leaderChange } from './leader-change.ts'
import { askedTime } from './wall-time.ts'

export async function planSwitchover(desk: Desk, body: SwitchoverBody): Promise<Plan> {
  if (body.accept_loss) return refused(400, 'A switchover loses nothing; accept_loss belongs to a failover')
  return planChange(desk, 'switchover', body)
}

export async function planFailover(desk: Desk, body: SwitchoverBody): Promise<Plan> {
  if (body.scheduled_at) return refused(400, 'A failover cannot be scheduled; a switchover can')
  // As in Patroni: who names the leader means a switchover.
  return body.leader ? planSwitchover(desk, body) : planChange(desk, 'failover', body)
}

async function planChange(desk: Desk, change: Change, body: SwitchoverBody): Promise<Plan> {
  const status = desk.status()
  if (!status) return refused(503, 'This member has not looked at the cluster yet')
  if (status.store.kind === 'lost') return refused(503, `The store does not answer: ${status.store.reason}`)
  const request = {
    leader: body.leader ?? null,
    candidate: body.candidate ?? body.member ?? null,
    acceptLoss: body.accept_loss === true,
  }
  const problem = formProblem(change, request, status, body.scheduled_at ?? null)
  if (problem) return problem
  const time = body.scheduled_at ? askedTime(body.scheduled_at, desk.clock.wallTime()) : null
  if (time?.kind === 'refused') return refused(time.status, `Cannot schedule: ${time.reason}`)
  const candidates = await usableCandidates(desk, status, request.candidate)
  if (candidates.kind === 'none') return refused(412, candidates.reason)
  const failover: FailoverRequest = {
    leader: change === 'switchover' ? status.leader : null,
    member: request.candidate,
    scheduledAt: time?.iso ?? null,
    ...(change === 'failover' && body.accept_loss === true && { acceptLoss: true }),
  }
  const would = describe(change, status, { candidates: candidates.members, at: time?.iso ?? null })
  return ready(would, async () => {
    const filed = await fileFailover(desk, failover)
    if (filed.kind !== 'filed') return filed.answer
    if (time) return { status: 202, text: 'Switchover scheduled' }
    return leaderChange(desk, {
      change,
      candidate: request.candidate,
      before: status,
      filed,
      limitMs: limitOf(status),
    })
  })
}

interface Asked {
  readonly leader: string | null
  readonly candidate: string | null
  readonly acceptLoss: boolean
}

function formProblem(
  change: Change,
  { leader, candidate, acceptLoss }: Asked,
  status: ClusterStatus,
  scheduledAt: string | null,
): Plan | null {
  if (change === 'failover' && !candidate) return refused(400, 'A failover needs a candidate')
  if (change === 'switchover' && !leader) return refused(400, 'A switchover needs the name of the leader')
  if (status.paused && scheduledAt) return refused(400, 'Cannot schedule a switchover in maintenance mode')
  if (status.paused && !candidate) return refused(400, 'In maintenance mode a switchover needs a candidate')
  // The way out of a pause whose leader is gone for good.
  const orphaned = acceptLoss && status.leader === null
  if (status.paused && !orphaned) return refused(412, 'In maintenance mode nobody hands over: resume first')
  if (candidate && candidate === (leader ?? status.leader))
    return refused(400, 'The candidate is the leader already')
  if (change === 'switchover' && status.leader === null)
    return refused(412, 'The cluster has no leader: a failover to a named candidate is possible')
  if (leader && leader !== status.leader) return refused(412, `The leader is ${status.leader}, not ${leader}`)
  return null
}

interface Candidate {
  readonly name: string
  /** Bytes behind the leader's last known position; null: not known. */
  readonly lag: number | null
}

type Candidates =
  | { readonly kind: 'some'; readonly members: readonly Candidate[] }
  | { readonly kind: 'none'; readonly reason: string }

/** Members that may lead and answer at their own address. */
async function usableCandidates(
  desk: Desk,
  status: ClusterStatus,
  wanted: string | null,
): Promise<Candidates> {
  const listed = status.members.filter(member =>
    wanted ? member.name === wanted : member.name !== status.leader,
  )
  if (wanted && listed.length === 0) return { kind: 'none', reason: `There is no member ${wanted}` }
  if (listed.length === 0) return { kind: 'none', reason: 'There is no other member' }
  const judged = await Promise.all(listed.map(member => judge(desk, status, member)))
  const members = judged.filter(verdict => typeof verdict !== 'string')
  if (members.length > 0) return { kind: 'some', members }
  const reasons = listed.map((member, index) => `${member.name} ${judged[index]}`)
  return { kind: 'none', reason: `No candidate can take over: ${reasons.join('; ')}` }
}

/** A candidate, or why this member is none. */
async function judge(desk: Desk, status: ClusterStatus, member: MemberStatus): Promise<Candidate | string> {
  const priority = member.tags['failover_priority']
  if (member.tags['nofailover'] === true || (typeof priority === 'number' && priority <= 0))
    return 'is tagged nofailover'
  if (!['running', 'streaming', 'in archive recovery'].includes(member.state)) return `is ${member.state}`
  // This agent answers by answering; it need not ask itself.
  if (member.self) return { name: member.name, lag: member.lag }
  if (!member.apiUrl) return 'has no address'
  try {
    const report = await desk.peers.report(member.apiUrl, desk.clock.limit(PEER_LIMIT_MS))
    if (report.noFailover) return 'is tagged nofailover'
    if (report.role === 'none') return 'does not run'
    return { name: member.name, lag: lagOf(report, status) ?? member.lag }
  } catch {
    return 'does not answer'
  }
}

/** Its own word is fresher than what it has published. */
function lagOf({ position }: PeerReport, status: ClusterStatus): number | null {
  const leader = status.members.find(member => member.leader)?.lsn ?? status.leadership?.at?.lsn
  if (!position || leader == null) return null
  return position.lsn >= leader ? 0 : Number(leader - position.lsn)
}

function describe(
  change: Change,
  status: ClusterStatus,
  { candidates, at }: { readonly candidates: readonly Candidate[]; readonly at: string | null },
): string {
  const to = candidates.map(({ name, lag }) => `${name} (${lagText(lag)})`).join(' or ')
  const from = status.leader === null ? '' : ` from ${status.leader}`
  const verb = change === 'switchover' ? 'switch over' : 'fail over'
  return `would ${at ? `schedule a switchover for ${at}` : verb}${from} to ${to}`
}

function lagText(lag: number | null): string {
  return lag === null ? 'lag unknown' : `${lag} bytes behind`
}

function limitOf({ loopWaitMs }: ClusterStatus): Ms {
  return 2 * Math.max(10_000, loopWaitMs)
}
