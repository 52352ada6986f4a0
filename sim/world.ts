// Everything there is in one run, and what the checker is told of.

import type { GuardState } from '../src/guard/model.ts'
import type { Instant } from '../src/kernel/time.ts'
import type { Directory } from './data-directory.ts'
import type { Host } from './host.ts'
import type { SimLog } from './log.ts'
import type { Network } from './network.ts'
import type { Instance, Postgres } from './postgres.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimStore } from './store.ts'
import type { Copy, WalRecord } from './wal.ts'

export interface World {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly log: SimLog
  readonly network: Network
  readonly store: SimStore
  readonly hosts: Host[]
  readonly observe: Observer
  postgresAt(host: string): Postgres | undefined
  host(name: string): Host | undefined
  nextBranchId(): number
  /** Clients find out that this instance takes writes. */
  clients(postgres: Postgres, instance: Instance): void
  /** How long children may outlive a guard's death here at most: what is promised only for a deadline far enough away. */
  lingerLimitMs(name: string): number
}

/** What the simulated parts report, at the moment when it is true. */
export interface Observer {
  /** Something that must not happen did. */
  report(invariant: string, text: string): void
  servesWrites(postgres: Postgres): void
  stoppedServing(name: string): void
  promoted(postgres: Postgres, from: Copy): void
  acknowledged(postgres: Postgres, instance: Instance, record: WalRecord, copy: Copy): void
  guardStepped(host: Host, before: GuardState, after: GuardState, now: Instant): void
  directoryRemoved(host: Host, directory: Directory): void
  /** A rewind begins: what was there is overwritten. */
  rewound(host: Host, directory: Directory): void
  copyReplaced(host: Host): void
}
