// Other members' reports, asked for only while a decision may need them, and never waited for long: a dead host
// must not slow the ticks of those that are to replace it.
import type { ClusterState, MemberRecord } from '../core/cluster.ts'
import type { PeerReport } from '../core/peer.ts'
import type { Settings } from '../core/settings.ts'
import { contactWanted } from '../core/synchronous/suspicion.ts'
import type { TermRecord } from '../core/term.ts'
import { reasonOf } from '../kernel/errors.ts'
import { known, lost, type Reading } from '../kernel/reading.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { Context } from './context.ts'

/** Short enough that a report is from after the old leader's deadline once that has been waited out (F and rho). */
const REPORT_AGE_MAX_MS: Ms = 500
const REPORT_LIMIT_MS: Ms = 1000
/** How long a tick waits for answers that it has not got yet. */
const PATIENCE_MS: Ms = 150

export interface PeerWatch {
  /** `hurried`: a question that has been out for a while is not waited for again. */
  look(
    members: readonly MemberRecord[],
    hurried?: boolean,
  ): Promise<Readonly<Record<string, Reading<PeerReport>>>>
}

export function createPeerWatch(context: Context): PeerWatch {
  const { clock, peers } = context.ports
  const reports = new Map<string, Reading<PeerReport>>()
  const asking = new Map<string, { readonly answer: Promise<void>; readonly since: Instant }>()

  const ask = (member: MemberRecord & { readonly apiUrl: string }) => {
    const answer = peers
      .report(member.apiUrl, clock.limit(REPORT_LIMIT_MS))
      .then(report => reports.set(member.name, known(report, clock.now())))
      .catch(error => reports.set(member.name, lost(reasonOf(error), clock.now())))
      .then(() => {
        asking.delete(member.name)
      })
    asking.set(member.name, { answer, since: clock.now() })
  }

  return {
    async look(members, hurried = false) {
      const askable = members.filter(
        (m): m is MemberRecord & { readonly apiUrl: string } => m.apiUrl !== null,
      )
      for (const member of askable) if (!asking.has(member.name)) ask(member)
      const missing = askable.filter(member => !fresh(reports.get(member.name), context))
      const due = ({ since }: { readonly since: Instant }) =>
        !hurried || elapsedAtMost(since, clock.now()) < PATIENCE_MS
      const out = askable.flatMap(m => asking.get(m.name) ?? []).filter(due)
      if (missing.length > 0 && out.length > 0)
        await patience(
          context,
          out.map(({ answer }) => answer),
        )
      return Object.fromEntries(
        askable.flatMap(({ name }) => {
          const report = reports.get(name)
          return fresh(report, context) ? [[name, report] as const] : []
        }),
      )
    },
  }
}

/** While somebody may have to be replaced, or is being replaced. */
export function peersWanted(
  cluster: ClusterState,
  context: Context,
  settings: Settings,
): readonly MemberRecord[] {
  const record = cluster.term?.value
  const { seen } = context.memory
  const { me } = context.options
  if (!record) return []
  context.membersKnown = knownMembers(cluster, record, context.membersKnown)
  const others = context.membersKnown.filter(member => member.name !== me.name)
  const holding = record.holder.install === me.install
  const silentMs = seen ? elapsedAtMost(seen.at, context.ports.clock.now()) : 0
  const suspect = { record, settings, memory: context.memory, now: context.ports.clock.now() }
  const overdue = silentMs > record.ttl / 2 || contactWanted(suspect)
  const silent = !holding && overdue && record.state !== 'paused'
  // Before it takes its leadership back after a reboot: what the others know may be newer than the store.
  const back = holding && context.ports.guard.status()?.status.term !== record.term
  const moving = record.state === 'released' || record.state === 'handover'
  // Whether a copy has caught up is for itself to say: the leader's PostgreSQL knows names only.
  const catchingUp = context.memory.namesProof?.caughtUpAt != null
  const asks = holding && (context.memory.doubtful || catchingUp)
  return silent || back || moving || cluster.failover || asks ? others : []
}

/**
 * Present ones, and those that may lead by the record although their key has gone: after an outage of the store all keys
 * may be gone with their leases, and whoever sees it first must still ask the others whether they are better.
 */
function knownMembers(
  cluster: ClusterState,
  record: TermRecord,
  before: readonly MemberRecord[],
): readonly MemberRecord[] {
  const present = cluster.members.map(member => member.value)
  const names = new Set(present.map(member => member.name))
  const listed = (member: MemberRecord) => record.members.includes(member.vigil?.install ?? '')
  return [...present, ...before.filter(member => !names.has(member.name) && listed(member))]
}

function fresh(report: Reading<PeerReport> | undefined, context: Context): report is Reading<PeerReport> {
  if (!report) return false
  const at = report.kind === 'known' ? report.at : report.since
  return elapsedAtMost(at, context.ports.clock.now()) <= REPORT_AGE_MAX_MS
}

async function patience(context: Context, answers: readonly Promise<void>[]): Promise<void> {
  await new Promise<void>(resolve => {
    const cancel = context.ports.clock.after(PATIENCE_MS, resolve)
    void Promise.all(answers).then(() => {
      cancel()
      resolve()
    })
  })
}
