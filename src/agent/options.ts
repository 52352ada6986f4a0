// What an agent is made of.
import type { LocalSettings } from '../core/settings.ts'
import type { Me } from '../core/view.ts'
import type { Clock } from '../ports/clock.ts'
import type { Engine } from '../ports/engine.ts'
import type { Guard } from '../ports/guard.ts'
import type { Journal } from '../ports/journal.ts'
import type { Log } from '../ports/log.ts'
import type { Peers } from '../ports/peers.ts'
import type { KeyValue } from '../ports/store.ts'

export interface AgentPorts {
  readonly clock: Clock
  readonly store: KeyValue
  readonly guard: Guard
  readonly engine: Engine
  readonly peers: Peers
  readonly journal: Journal
  readonly log: Log
  /** Recorded decisions that are worth keeping across restarts, for `explain`; never waited for. */
  readonly keepDecision?: (line: string) => void
}

export interface AgentOptions {
  readonly me: Me
  readonly namespace: string
  readonly scope: string
  /** Settings of the local file; replaced on reload. */
  readonly local: () => LocalSettings
  /** Smallest ttl that this machine's fencing allows, ms (protocol A10). */
  readonly ttlFloorMs: number
}
