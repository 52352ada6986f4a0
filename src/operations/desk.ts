// What operations work with: the agent, the store's records, the other members, time.
import type { Decision } from '../core/action.ts'
import type { Evidence } from '../core/evidence.ts'
import type { RecordedDecision } from '../core/recorded-decision.ts'
import type { MemberRequest, RequestOutcome } from '../core/request.ts'
import { type ClusterStatus, statusOf } from '../core/status.ts'
import type { View } from '../core/view.ts'
import type { Ms } from '../kernel/time.ts'
import type { Clock } from '../ports/clock.ts'
import type { Peers } from '../ports/peers.ts'
import type { ClusterRecords } from '../ports/records.ts'
import { createRestartSchedule, type RestartSchedule } from './restart-schedule.ts'

/** The part of the agent that faces use. */
export interface MemberAgent {
  latest(): { readonly view: View; readonly decision: Decision } | null
  decisions(): readonly RecordedDecision[]
  evidence(): readonly Evidence[]
  request(request: MemberRequest): Promise<RequestOutcome>
  wake(): void
}

export interface DeskOptions {
  readonly scope: string
  readonly agent: MemberAgent
  readonly records: ClusterRecords
  readonly peers: Peers
  readonly clock: Clock
  /** The last lines that the agent logged, oldest first. */
  readonly logs: (lines: number) => readonly string[]
}

export interface Desk extends DeskOptions {
  /** Made for this instant; null before the agent's first look. */
  status(): ClusterStatus | null
  readonly schedule: RestartSchedule
}

/** A read or write of the store, or a question to a peer. */
export const STORE_LIMIT_MS: Ms = 3000
export const PEER_LIMIT_MS: Ms = 2000

export function createDesk(options: DeskOptions): Desk {
  const { agent, clock, scope } = options
  return {
    ...options,
    status() {
      const latest = agent.latest()
      return latest && statusOf(latest.view, { scope, now: clock.now(), decision: latest.decision })
    },
    schedule: createRestartSchedule(clock),
  }
}

export async function pause(clock: Clock, ms: Ms): Promise<void> {
  await new Promise<void>(resolve => {
    clock.after(ms, resolve)
  })
}

/** The value, or null when it takes longer than `ms`; it is not abandoned, only no longer waited for. */
export async function within<T>(clock: Clock, ms: Ms, value: Promise<T>): Promise<T | null> {
  let cancel = () => {}
  const late = new Promise<null>(resolve => {
    cancel = clock.after(ms, () => resolve(null))
  })
  try {
    return await Promise.race([value, late])
  } finally {
    cancel()
  }
}
