// I3, I13 and I15 at the guards: nobody holds a deadline that the store did not grant, and it is kept to the tick.

import { type GuardState, TICK_MS } from '../src/guard/model.ts'
import { elapsedAtMost, type Instant, reached } from '../src/kernel/time.ts'
import { anyBetween, type CheckContext, clockFault } from './check-context.ts'
import type { TermChange } from './term-watch.ts'
import type { Host } from './world.ts'

/** For the process that runs the tick. */
const TICK_SLACK_MS = 20
/** A standstill explains a late tick for so long. */
const STALL_MS = 2000
const ROUNDING_MS = 1

export interface GuardChecks {
  guardStepped(host: Host, before: GuardState, after: GuardState, now: Instant): void
  termChanged(change: TermChange): void
}

export function checkGuards(context: CheckContext): GuardChecks {
  const { facts, hosts, log, report, scheduler } = context

  const checkGrant = (host: Host, term: number, deadline: Instant) => {
    const grant = facts.term.grantOf(term)
    const until = host.clock.reachedAt(deadline)
    // Resuming arms before it asks, and a request in flight may still be applied: only more than now counts.
    if (clockFault(context, host)) return
    if (!grant) return report('I3', `${host.name} has a deadline for term ${term}, which nobody was given`)
    if (grant.install !== host.memory.install)
      return report('I3', `${host.name} has a deadline for term ${term} of another member`)
    const beyond = until - grant.until
    if (beyond > ROUNDING_MS && !resuming(host, term) && !promised(host, term, until))
      report(
        'I3',
        `the deadline of ${host.name} lies ${beyond.toFixed(0)} ms behind what term ${term} was granted`,
      )
  }
  const resuming = (host: Host, term: number) => {
    const current = facts.term.current()?.record
    return (
      current?.state === 'paused' && current.term === term && current.holder.install === host.memory.install
    )
  }
  /** Everybody else who may lead by the record has promised to wait at least so long. */
  const promised = (host: Host, term: number, until: number) => {
    const { install } = host.memory
    const record = facts.term.current()?.record
    const others = record?.members.filter(member => member !== install) ?? []
    const given = (member: string) => {
      const name = hosts.find(other => other.memory.install === member)?.name ?? ''
      const promises = facts.promises.get(name) ?? []
      return promises.some(p => p.leader === install && p.term === term && p.until >= until - ROUNDING_MS)
    }
    return record?.term === term && others.every(given)
  }
  const handedOver = (term: number | null) => [...facts.planned.values()].some(planned => planned === term)
  const checkOthers = (host: Host) => {
    // A handed-over leadership that hears late of its last renewal: nothing of it can write any more.
    const over = handedOver(host.guard?.state().term ?? null) && !host.postgres.instance?.sessions
    if (over || clockFault(context, host)) return
    for (const other of hosts) {
      const state = other.guard?.process.alive() ? other.guard.state() : null
      if (other === host || !state || !other.up() || clockFault(context, other)) continue
      // Its shutdown checkpoint was seen: it can write again only in a new term.
      if (handedOver(state.term) && !other.postgres.instance?.sessions) continue
      const terms = [state.term ?? 0, host.guard?.state().term ?? 0] as const
      if (anyBetween(facts.early, Math.min(...terms), Math.max(...terms))) continue
      const holds = state.mode === 'armed' && !reached(state.deadline!, other.clock.now())
      const endless = state.mode === 'unarmed' && state.alive
      if (holds || endless)
        report('I3', `${host.name} and ${other.name} both hold a deadline that has not come`)
    }
  }
  return {
    guardStepped: (host, before, after, now) => {
      if (before.mode !== after.mode)
        log.line(host.name, `guard ${before.mode} -> ${after.mode}${after.term ? ` term ${after.term}` : ''}`)
      const moved = after.deadline !== before.deadline || after.mode !== before.mode
      if (after.mode === 'armed' && after.term !== null && moved) {
        facts.armed.set(host.name, { guard: host.guard, term: after.term, deadline: after.deadline })
        checkGrant(host, after.term, after.deadline!)
        checkOthers(host)
      }
      if (after.mode === 'unarmed' && before.mode !== 'unarmed') {
        facts.armed.set(host.name, { guard: host.guard, term: after.term!, deadline: null })
        if (facts.term.current()?.record.state !== 'paused')
          report('I3', `${host.name} has no deadline, and no maintenance pause is recorded`)
      }
      checkPunctual(context, host, { before, after, now })
    },
    termChanged: ({ before, after }) => {
      const { term, state } = after.record
      const holder = hosts.find(host => host.memory.install === after.record.holder.install)
      const guard = holder?.guard?.process.alive() ? holder.guard.state() : null
      if (!holder || !guard) return
      if (guard.mode === 'armed' && guard.term === term) checkGrant(holder, term, guard.deadline!)
      if (before?.record.state === 'paused' && state !== 'paused' && guard.mode === 'unarmed' && guard.alive)
        report('I3', `the maintenance pause has ended, and ${holder.name} has no deadline`)
      const gone = state === 'released' && guard.mode === 'armed' && guard.term === term
      if (gone && !reached(guard.deadline!, holder.clock.now()) && scheduler.now() > 0)
        report('I3', `term ${term} is released while ${holder.name} still holds its deadline`)
    },
  }
}

interface GuardStep {
  readonly before: GuardState
  readonly after: GuardState
  readonly now: Instant
}

/** I13: at the deadline, to the tick, whatever message came with it. I15: a pause is no reason to kill. */
function checkPunctual(context: CheckContext, host: Host, { before, after, now }: GuardStep): void {
  const { report, scheduler } = context
  if (before.mode === 'armed' && reached(before.deadline!, now)) {
    if (after.mode === 'armed') report('I13', `${host.name} moved a deadline that had passed`)
    const late = elapsedAtMost(before.deadline!, now)
    const stalled = scheduler.now() - host.lastStall < STALL_MS
    if (late > TICK_MS + TICK_SLACK_MS && !stalled)
      report('I13', `the guard of ${host.name} was ${late.toFixed(0)} ms late`)
  }
  const begunToKill = !before.killing && after.killing
  const instance = host.postgres.instance
  const healthy =
    instance?.phase === 'primary' && instance.postmaster.running() && instance.children.running()
  const settled = scheduler.now() - host.lastFault > STALL_MS * 2
  if (before.mode === 'unarmed' && begunToKill && healthy && settled && host.agent?.ending !== true)
    report('I15', `a healthy primary on ${host.name} was killed in a maintenance pause`)
}
