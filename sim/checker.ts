// Watches a run and says at once when something happened that must never happen (reliability 5.3).

import { decodeTerm } from '../src/stores/codec.ts'
import { checkAcknowledgements } from './check-acknowledgements.ts'
import type { CheckContext, Facts, Totals } from './check-context.ts'
import { checkCopies } from './check-copies.ts'
import { checkGuards } from './check-guards.ts'
import { checkHistories } from './check-histories.ts'
import { checkRecord } from './check-record.ts'
import { checkRules } from './check-rules.ts'
import { checkSeals } from './check-seals.ts'
import type { SimLog } from './log.ts'
import type { Scheduler } from './scheduler.ts'
import { createTermWatch, type TermChange } from './term-watch.ts'
import type { Host, Observer, World } from './world.ts'

export interface Violation {
  readonly invariant: string
  readonly text: string
  readonly at: number
}

export interface Checker extends Observer {
  /** The term record was written; `base` is the revision that it replaces. */
  /** `sentAt` in true time. */
  termWritten(text: string, base: bigint | null, sentAt: number): void
  violations(): readonly Violation[]
  report(invariant: string, text: string): void
  readonly totals: Totals
  readonly facts: Facts
}

/** One wrong thing shows in many places: the first few are enough. */
const VIOLATIONS_KEPT = 5
const PROMISES_KEPT = 8

export interface Watched {
  readonly scheduler: Scheduler
  readonly log: SimLog
  readonly hosts: readonly Host[]
  /** Once it is there. */
  readonly world: () => World
  readonly wanted: Pick<CheckContext, 'pauseWanted' | 'earlyAllowed'>
}

export function createChecker({ scheduler, log, hosts, world, wanted }: Watched): Checker {
  const violations: Violation[] = []
  const totals: Totals = { acknowledged: 0, promotions: 0, takeovers: 0, switchovers: 0 }
  const facts: Facts = {
    term: createTermWatch(),
    armed: new Map(),
    branches: new Map(),
    acknowledged: new Map(),
    rolledBack: null,
    promises: new Map(),
    planned: new Map(),
    served: new Map(),
    unsealed: [],
    early: [],
  }
  const report = (invariant: string, text: string) => {
    if (violations.length >= VIOLATIONS_KEPT) return
    violations.push({ invariant, text, at: scheduler.now() })
    log.line('CHECK', `${invariant} violated: ${text}`)
  }
  const context: CheckContext = { scheduler, hosts, facts, totals, log, report, ...wanted }
  const record = checkRecord(context)
  const guards = checkGuards(context)
  const histories = checkHistories(context, world)
  const rules = checkRules(context)
  const seals = checkSeals(context)
  const acknowledgements = checkAcknowledgements(context, histories)
  const copies = checkCopies(context)
  return {
    ...acknowledgements,
    ...copies,
    releasedAlone: rules.releasedAlone,
    namesInForce: rules.namesInForce,
    sealed: seals.sealed,
    streams: seals.streams,
    guardStepped: guards.guardStepped,
    promised: (name, { leader, term, ttl }) => {
      const promise = { leader: leader.install, term, until: scheduler.now() + ttl }
      facts.promises.set(name, [...(facts.promises.get(name) ?? []), promise].slice(-PROMISES_KEPT))
    },
    rolledBack: entry => {
      const shown = entry === null ? null : decodeTerm(entry.value)
      const saw = (host: Host) => {
        const seen = host.agent?.process.alive() ? host.agent.handle.latest()?.view.memory.seen : null
        return seen && (entry === null || seen.revision > entry.modRevision) ? host.agent : null
      }
      facts.rolledBack = {
        older: !shown?.ok || shown.value.term < (facts.term.current()?.record.term ?? 0),
        knowing: new Map(hosts.map(host => [host.memory.install, saw(host)])),
      }
    },
    begunAnew: text => {
      facts.rolledBack = null
      facts.term.applied(text, scheduler.now())
    },
    termWritten: (text, base, sentAt) => {
      const change = facts.term.applied(text, scheduler.now())
      if (!change) return report('record', `not readable: ${text}`)
      record(change, sentAt)
      guards.termChanged(change)
      histories.termChanged(change)
      rules.termChanged(change)
      if (change.before && change.after.record.term > change.before.record.term && base !== null)
        seals.taken(change, base)
      log.line('store', describe(change))
    },
    violations: () => violations,
    report,
    totals,
    facts,
  }
}

function describe({ after }: TermChange): string {
  const { term, state, holder, ttl, timelineMax, successor, rules } = after.record
  const ruled = rules?.map(rule => `${rule.term}:${rule.k} of ${rule.seats.map(seat => seat.slice(0, 4))}`)
  const parts = [
    `term ${term} ${state} by ${holder.name}`,
    `ttl ${ttl}`,
    `timeline ${timelineMax}`,
    ...(successor ? [`successor ${successor}`] : []),
    ...(ruled ? [`rules ${ruled.join(' and ')}`] : []),
  ]
  return parts.join(', ')
}
