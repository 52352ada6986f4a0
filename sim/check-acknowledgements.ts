// I1 to I5 and I9 at every acknowledgement, and I14 at every planned promotion.
import { FENCE_MS } from '../src/core/timers.ts'
import { elapsedAtMost } from '../src/kernel/time.ts'
import { anyBetween, type CheckContext, clockFault } from './check-context.ts'
import type { HistoryChecks } from './check-histories.ts'
import { contains, describeCopy } from './wal.ts'
import type { Host, Observer, Postgres } from './world.ts'

/** After the whole machine stood still its processes race for the first turn; nothing on it can decide that. */
const THAW_MS = 400

type Checks = Pick<Observer, 'acknowledged' | 'servesWrites' | 'stoppedServing' | 'promoted'>

export function checkAcknowledgements(context: CheckContext, histories: HistoryChecks): Checks {
  const { facts, hosts, log, report, scheduler, totals } = context
  /** First acknowledgement of each term. */
  const firstOf = new Map<number, { readonly at: number; readonly name: string }>()
  const { served } = facts

  const hostOf = (name: string) => hosts.find(host => host.name === name) as Host
  const right = (host: Host): number | null => {
    const guard = host.guard?.process.alive() ? host.guard.state() : null
    if (guard?.mode !== 'armed' && guard?.mode !== 'unarmed') return null
    return guard.term
  }
  return {
    servesWrites: postgres => {
      const host = hostOf(postgres.name)
      const term = right(host)
      served.set(postgres.name, term)
      log.line(
        postgres.name,
        `takes writes at ${describeCopy(postgres.directory!.copy)}, term ${term ?? 'none'}`,
      )
    },
    stoppedServing: name => {
      if (served.delete(name)) log.line(name, 'takes no more writes')
    },
    promoted: (postgres, from) => {
      totals.promotions++
      const host = hostOf(postgres.name)
      const branch = postgres.directory!.copy.branch
      const term = right(host)
      log.line(postgres.name, `promoted from ${describeCopy(from)} to timeline ${branch.timeline}`)
      if (term === null) return
      if (postgres.directory!.torn) report('I8', `${postgres.name} was promoted with a torn copy`)
      const other = facts.branches.get(term)
      if (other && other !== branch)
        report('I5', `term ${term} promoted timelines ${other.timeline} and ${branch.timeline}`)
      for (const [otherTerm, known] of facts.branches)
        if (known.timeline === branch.timeline && known !== branch)
          report('I5', `timeline ${branch.timeline} belongs to terms ${otherTerm} and ${term}`)
      facts.branches.set(term, branch)
      histories.promoted(term, postgres.name, from)
      checkPlanned(context, postgres, term, from)
    },
    acknowledged: (postgres, _instance, commit) => {
      const { record, copy, by } = commit
      totals.acknowledged++
      const host = hostOf(postgres.name)
      const now = scheduler.now()
      const branch = copy.branch
      const known = facts.acknowledged.get(branch)
      if (!known || copy.count > known.count) facts.acknowledged.set(branch, copy)
      const term = served.get(postgres.name) ?? null
      log.line(
        postgres.name,
        `ack ${branch.timeline}:${record.end.toString(16)} term ${term ?? 'none'} ${by}`,
      )
      if (term === null) {
        // Who promotes by hand and does not wait for standbys is told by nobody.
        if (by !== 'local')
          report('I9', `${postgres.name} acknowledged without ever having been given a term`)
        return
      }
      histories.acknowledged(term, postgres, commit)
      const thawing = now - host.lastStall < THAW_MS
      if (thawing || clockFault(context, host)) return
      checkDeadline(context, host, term)
      if (!firstOf.has(term)) firstOf.set(term, { at: now, name: postgres.name })
      for (const [later, first] of firstOf)
        if (later > term && first.name !== postgres.name && !anyBetween(facts.early, term, later))
          report(
            'I3',
            `${postgres.name} acknowledged in term ${term} after ${first.name} did in term ${later}`,
          )
      if (facts.branches.get(term) !== branch)
        report('I5', `${postgres.name} acknowledged on a timeline that term ${term} did not promote`)
    },
  }
}

/** I4. F is what the guard may need; orphans of a dead guard are bound by the same. */
function checkDeadline(context: CheckContext, host: Host, term: number): void {
  const armed = context.facts.armed.get(host.name)
  if (!armed?.deadline) return
  const late = elapsedAtMost(armed.deadline, host.clock.now())
  if (late > FENCE_MS)
    context.report('I4', `${host.name} acknowledged ${late.toFixed(0)} ms after its deadline of term ${term}`)
}

/** I14: what the old leader acknowledged before a planned end is in the copy that was promoted. */
function checkPlanned(
  context: CheckContext,
  postgres: Postgres,
  term: number,
  from: Parameters<Checks['promoted']>[1],
) {
  const { facts, report, totals } = context
  const oldTerm = facts.planned.get(term)
  if (oldTerm === undefined) return
  totals.switchovers++
  const old = facts.branches.get(oldTerm)
  const last = old && facts.acknowledged.get(old)
  if (last && !contains(from, last))
    report(
      'I14',
      `${postgres.name} took over term ${term} as planned from ${describeCopy(from)}, without ${describeCopy(last)}`,
    )
}
