// What the checks share: what was seen so far, and where to look.

import type { Instant } from '../src/kernel/time.ts'
import type { SimLog } from './log.ts'
import type { Scheduler } from './scheduler.ts'
import type { TermWatch } from './term-watch.ts'
import type { Branch, Copy } from './wal.ts'
import type { AgentRun, GuardProcess, Host } from './world.ts'

export interface Totals {
  acknowledged: number
  promotions: number
  takeovers: number
  switchovers: number
}

export interface Armed {
  readonly guard: GuardProcess | null
  readonly term: number
  /** On the member's own clocks; null: lifted by a maintenance pause. */
  readonly deadline: Instant | null
}

/** The store shows an old state, and nobody has begun it anew. */
export interface RolledBack {
  /** A later term than the one that it shows has been. */
  readonly older: boolean
  /** Agents that had seen more, by install. */
  readonly knowing: ReadonlyMap<string, AgentRun | null>
}

export interface Promised {
  /** Install of the leader. */
  readonly leader: string
  readonly term: number
  /** In true time. */
  readonly until: number
}

/** What several checks share. */
export interface Facts {
  readonly term: TermWatch
  /** What each member's guard was armed with last, until it gave that up. */
  readonly armed: Map<string, Armed>
  /** Branch that each term promoted. */
  readonly branches: Map<number, Branch>
  /** The newest acknowledged record of each branch: how much of it a complete copy has. */
  readonly acknowledged: Map<Branch, Copy>
  /** Primaries that had the right when they began to take writes, and in which term. */
  readonly served: Map<string, number | null>
  /** Terms that were taken from an asynchronous record: nobody was sealed. */
  readonly unsealed: number[]
  /** Terms that were taken before the old deadline, since enough seats were sealed. */
  readonly early: number[]
  rolledBack: RolledBack | null
  /** What each member has promised to leaders without a store, newest last. */
  readonly promises: Map<string, readonly Promised[]>
  /** Terms that were taken by a planned handing over, and from which term. */
  readonly planned: Map<number, number>
}

/** What a check needs to look around. */
export interface CheckContext {
  readonly scheduler: Scheduler
  readonly hosts: readonly Host[]
  readonly facts: Facts
  readonly totals: Totals
  readonly log: SimLog
  /** Operators want the maintenance pause, and wanted it when the request was sent that is applied now. */
  pauseWanted(sentAt: number): boolean
  /** Sealed takeovers need not wait for a deadline, or need not since a moment ago. */
  earlyAllowed(): boolean
  report(invariant: string, text: string): void
}

/** One of these terms is later than `older` and not later than `newer`. */
export function anyBetween(terms: readonly number[], older: number, newer: number): boolean {
  return terms.some(term => term > older && term <= newer)
}

/** An injected standstill of this machine's clocks goes beyond every margin: its promises by time are void. */
export function clockFault(context: CheckContext, host: Host): boolean {
  return context.scheduler.now() < host.clockFaultUntil
}
