// I6 at takeovers, and I12: who may lead next has stopped enough seats before, and a sealed one receives nothing.
import type { AcknowledgementRule, TermRecord } from '../src/core/term.ts'
import { comparePositions } from '../src/kernel/lsn.ts'
import type { CheckContext } from './check-context.ts'
import type { TermChange } from './term-watch.ts'
import { type Copy, contains, positionOf, tipOf } from './wal.ts'
import type { Host, Observer } from './world.ts'

type Checks = Pick<Observer, 'sealed' | 'streams'> & {
  /** `base`: the revision of the record that was replaced. */
  taken(change: TermChange, base: bigint): void
}

export function checkSeals(context: CheckContext): Checks {
  const { facts, hosts, report } = context
  /** The newest revision for which each member has said that it is sealed. */
  const answered = new Map<string, bigint>()
  /** The newest term that each member was sealed for. */
  const sealedTerm = new Map<string, number>()
  return {
    sealed: (name, base) => {
      answered.set(name, base)
      const host = hosts.find(other => other.name === name)
      sealedTerm.set(name, Math.max(sealedTerm.get(name) ?? 0, host?.memory.promise?.term ?? 0))
      const receiver = host?.postgres.instance?.receiver
      if (receiver?.source.instance?.phase === 'primary')
        report('I12', `${name} says that it is sealed, and streams from ${receiver.source.name}`)
    },
    taken: ({ before, after }, base) => {
      const rules = before?.record.rules ?? null
      if (!before || rules === null) return
      const candidate = hosts.find(host => host.memory.install === after.record.holder.install)
      if (candidate && hasEverything(context, candidate, before.record)) return
      // Its disk went while the request was on its way: there is nothing that it could promote.
      if (candidate?.postgres.directory === null) return
      const old = before.record.holder.install
      const stopped = hosts.filter(host => sealedFor(host, base) || deadHolder(host, old, candidate))
      // Whoever has more than the next leader proves nothing of what that one has.
      const counted = stopped.filter(host => !isAhead(context, host, candidate))
      // A copy that was lost since can acknowledge nothing any more.
      const seats = counted.flatMap(host => host.memory.seat ?? [])
      // Its leader had everything of the leaders before it, and had stopped whoever could acknowledge for them.
      const newest = rules.at(-1)
      const open =
        newest && seats.includes(newest.leader) ? null : rules.find(rule => !stoppedBy(rule, seats))
      if (open)
        report(
          'I6',
          `term ${after.record.term} was taken by ${after.record.holder.name} with ${counted.map(host => host.name).join() || 'nobody'} sealed and not ahead, against ${open.k} of ${open.seats.length} of term ${open.term}`,
        )
      const kept = rules.every(rule => after.record.rules?.some(other => covers(other, rule)))
      if (!kept) report('I6', `term ${after.record.term} has forgotten a rule of the leaders before it`)
    },
    streams: (postgres, source) => {
      const host = hosts.find(other => other.name === postgres.name)
      const upstream = hosts.find(other => other.name === source.name)
      if (!host || !upstream) return
      const { promise, floor } = host.memory
      const primary = source.instance?.phase === 'primary'
      const sealed = promise !== null && answered.get(host.name) === promise.base
      const term = primary ? (facts.served.get(source.name) ?? null) : null
      // Of the term that the seal was for, or a later one: what came before can have nothing acknowledged any more.
      const oldest = term ?? upstream.memory.floor
      if (sealed && (primary || upstream.memory.promise === null) && oldest < promise.term)
        report('I12', `${host.name} is sealed for term ${promise.term} and streams from ${source.name}`)
      // One that was never sealed may go on with its old leader until it is told otherwise: nobody counts on it.
      if (term !== null && term < Math.min(floor, sealedTerm.get(host.name) ?? 0))
        report('I12', `${host.name} streams from ${source.name} of term ${term}, below its floor ${floor}`)
    },
  }
}

/** The old leader has stopped in order, and nothing of it is missing here. */
function hasEverything({ facts }: CheckContext, candidate: Host, record: TermRecord): boolean {
  const copy = candidate.postgres.directory?.copy
  const branch = facts.branches.get(record.term)
  if (!copy) return false
  if (record.final && comparePositions(positionOf(copy), record.final) >= 0) return true
  const stopped = record.state === 'handover' && branch?.records.at(-1)?.kind === 'shutdown'
  return stopped && contains(copy, tipOf(branch))
}

function sealedFor({ memory }: Host, base: bigint): boolean {
  return memory.promise?.base === base
}

function isAhead(context: CheckContext, { postgres }: Host, candidate: Host | undefined): boolean {
  const [theirs, own] = [postgres.directory?.copy, candidate?.postgres.directory?.copy]
  if (!theirs || !own) return false
  return comparePositions(positionOf(withoutHand(context, theirs)), positionOf(own)) > 0
}

/** A promotion by hand after the seal adds nothing that anybody was promised (seed 1727 of 88573da). */
function withoutHand(context: CheckContext, copy: Copy): Copy {
  const { fork } = copy.branch
  const given = fork === null || [...context.facts.branches.values()].includes(copy.branch)
  return given ? copy : withoutHand(context, fork)
}

/** The holder that takes the next term itself: nothing of its PostgreSQL can acknowledge any more. */
function deadHolder(host: Host, holder: string, candidate: Host | undefined): boolean {
  return host === candidate && host.memory.install === holder
}

/** Who satisfies `rule` satisfies `older`, too. */
function covers(rule: AcknowledgementRule, older: AcknowledgementRule): boolean {
  const seats =
    rule.seats.length === older.seats.length && older.seats.every(seat => rule.seats.includes(seat))
  return rule.leader === older.leader && seats && rule.k === older.k
}

/** Whether nothing can be acknowledged by this rule without one of these seats, and one of them has everything. */
function stoppedBy({ leader, seats, k }: AcknowledgementRule, stopped: readonly string[]): boolean {
  if (stopped.includes(leader)) return true
  const inside = seats.filter(seat => stopped.includes(seat)).length
  return k > 0 && inside >= Math.max(1, seats.length - k + 1)
}
