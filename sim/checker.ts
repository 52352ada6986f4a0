// Watches a run and says at once when something happened that must never happen (reliability 5.3).

import { checkAcknowledgements } from './check-acknowledgements.ts'
import type { CheckContext, Facts, Totals } from './check-context.ts'
import { checkCopies } from './check-copies.ts'
import { checkGuards } from './check-guards.ts'
import { checkRecord } from './check-record.ts'
import type { SimLog } from './log.ts'
import type { Scheduler } from './scheduler.ts'
import { createTermWatch, type TermChange } from './term-watch.ts'
import type { Host, Observer } from './world.ts'

export interface Violation {
  readonly invariant: string
  readonly text: string
  readonly at: number
}

export interface Checker extends Observer {
  /** The term record was written. */
  termWritten(text: string): void
  violations(): readonly Violation[]
  report(invariant: string, text: string): void
  readonly totals: Totals
  readonly facts: Facts
}

/** One wrong thing shows in many places: the first few are enough. */
const VIOLATIONS_KEPT = 5

export function createChecker(
  scheduler: Scheduler,
  log: SimLog,
  hosts: readonly Host[],
  pauseWanted: () => boolean,
): Checker {
  const violations: Violation[] = []
  const totals: Totals = { acknowledged: 0, promotions: 0, takeovers: 0, switchovers: 0 }
  const facts: Facts = {
    term: createTermWatch(),
    armed: new Map(),
    branches: new Map(),
    acknowledged: new Map(),
    planned: new Map(),
  }
  const report = (invariant: string, text: string) => {
    if (violations.length >= VIOLATIONS_KEPT) return
    violations.push({ invariant, text, at: scheduler.now() })
    log.line('CHECK', `${invariant} violated: ${text}`)
  }
  const context: CheckContext = { scheduler, hosts, facts, totals, log, report, pauseWanted }
  const record = checkRecord(context)
  const guards = checkGuards(context)
  const acknowledgements = checkAcknowledgements(context)
  const copies = checkCopies(context)
  return {
    ...acknowledgements,
    ...copies,
    releasedAlone: () => {},
    namesInForce: () => {},
    streams: () => {},
    guardStepped: guards.guardStepped,
    termWritten: text => {
      const change = facts.term.applied(text, scheduler.now())
      if (!change) return report('record', `not readable: ${text}`)
      record(change)
      guards.termChanged(change)
      log.line('store', describe(change))
    },
    violations: () => violations,
    report,
    totals,
    facts,
  }
}

function describe({ after }: TermChange): string {
  const { term, state, holder, ttl, timelineMax, successor } = after.record
  return `term ${term} ${state} by ${holder.name}, ttl ${ttl}, timeline ${timelineMax}${successor ? `, successor ${successor}` : ''}`
}
