// I5, I15 and the loss that was agreed to, on the term record: what may follow what.
import type { TermRecord } from '../src/core/term.ts'
import { FENCE_MS } from '../src/core/timers.ts'
import { type CheckContext, clockFault } from './check-context.ts'
import type { AppliedRecord, TermChange } from './term-watch.ts'

/** By true time an observer whose clock is as wrong as allowed has waited at least this part of the ttl. */
const CERTAIN_WAIT = 0.98

export function checkRecord(context: CheckContext): (change: TermChange, sentAt: number) => void {
  const { facts, report, totals } = context
  return ({ before, after }, sentAt) => {
    if (!before) return
    const [old, now] = [before.record, after.record]
    if (now.term < old.term) report('I5', `the term went from ${old.term} to ${now.term}`)
    if (now.term > old.term + 1) report('I5', `the term jumped from ${old.term} to ${now.term}`)
    if (now.term === old.term && now.holder.install !== old.holder.install)
      report('I5', `term ${now.term} belongs to ${old.holder.name} and to ${now.holder.name}`)
    if (now.timelineMax < old.timelineMax) report('I5', 'the highest timeline went down')
    if (now.term > old.term && now.timelineMax === old.timelineMax)
      report('I5', `term ${now.term} has no timeline of its own`)
    const changed = promised(now) !== promised(old)
    if (now.rulesVersion < old.rulesVersion || (changed && now.rulesVersion === old.rulesVersion))
      report('I6', `the rules changed under one number: ${now.rulesVersion}`)
    const blocked = now.rules?.find(rule => rule.k > rule.seats.length)
    if (blocked) report('I6', `a rule asks for ${blocked.k} of ${blocked.seats.length} seats`)
    const kept = old.chain.filter(entry => entry.timeline >= (now.chain[0]?.timeline ?? 0))
    const same = kept.every(entry =>
      now.chain.some(e => e.timeline === entry.timeline && e.term === entry.term && e.fork === entry.fork),
    )
    if (!same) report('I5', `the chain of promotions was changed at term ${now.term}`)
    if (now.term === old.term) return
    checkRolledBack(context, now)
    if (old.state === 'paused' && context.pauseWanted(sentAt))
      report('I15', `term ${now.term} was taken in a maintenance pause`)
    totals.takeovers++
    if (old.rules === null) facts.unsealed.push(now.term)
    checkTaking(context, before, after)
  }
}

/** I11: nobody is promoted on the ground of an old state of the store, by anybody who could know that it is old. */
function checkRolledBack({ facts, hosts, report }: CheckContext, now: TermRecord): void {
  const { rolledBack } = facts
  if (!rolledBack) return
  const { name, install } = now.holder
  const known = rolledBack.knowing.get(install)
  const same = known != null && hosts.some(host => host.agent === known)
  if (same || rolledBack.older)
    report('I11', `${name} took term ${now.term} in a store that had gone back in time`)
}

/** What may acknowledge. Renewals note how far the seats have come, which changes nothing of that. */
function promised({ rules }: TermRecord): string {
  return JSON.stringify(rules?.map(({ term, leader, seats, k }) => [term, leader, seats, k]) ?? null)
}

/** Exclusion by time (I3): the old holder's deadline and the time its guard needs have passed, in true time. */
function checkTaking(context: CheckContext, before: AppliedRecord, after: AppliedRecord): void {
  const { facts, hosts, report, scheduler } = context
  const old = before.record
  const waited = after.at - before.at
  // After the whole wait it is an ordinary takeover, whatever was planned before.
  const soon = waited < old.ttl * CERTAIN_WAIT
  const clean = old.state === 'released' && old.final !== null && soon
  const handedOver = old.state === 'handover' && soon
  const byHolder = after.record.holder.install === old.holder.install
  if ((clean || handedOver) && !byHolder) facts.planned.set(after.record.term, old.term)

  const holder = hosts.find(host => host.memory.install === old.holder.install)
  const armed = holder && facts.armed.get(holder.name)
  // Released, or taken by the holder itself: the guard says so before the request, checked where it says it.
  if (!holder || byHolder || old.state === 'released' || handedOver) return
  // The same guard still: another one began with killing, and a reboot left nothing alive.
  const same = holder.up() && holder.guard?.process.alive() && armed?.guard === holder.guard
  // A holder whose own last takeover got no answer still has the deadline of the term before (seed 5013 of 88573da).
  if (!same || armed.term > old.term || armed.deadline === null || clockFault(context, holder)) return
  const excluded = holder.clock.reachedAt(armed.deadline) + FENCE_MS
  const early = excluded - scheduler.now()
  if (early > 1 && old.rules !== null && context.earlyAllowed()) facts.early.push(after.record.term)
  else if (early > 1)
    report(
      'I3',
      `term ${after.record.term} was taken ${early.toFixed(0)} ms before ${holder.name} can be excluded`,
    )
}
