// What an agent is made of.
import type { LocalSettings } from '../core/settings.ts'
import type { Me } from '../core/view.ts'
import type { Clock } from '../ports/clock.ts'
import type { Engine } from '../ports/engine.ts'
import type { Guard } from '../ports/guard.ts'
import type { Journal } from '../ports/journal.ts'
import type { LeaderStore } from '../ports/leader-store.ts'
import type { Log } from '../ports/log.ts'
import type { Peers } from '../ports/peers.ts'

export interface AgentPorts {
  readonly clock: Clock
  readonly store: LeaderStore
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
  /** Settings of the local file; replaced on reload. */
  readonly local: () => LocalSettings
  /** Reads the local file again; `local` answers with it afterwards. */
  readonly reloadFiles: () => void
}
