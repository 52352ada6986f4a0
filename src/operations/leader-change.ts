// Waits until a requested change of the leader has come true, has failed, or has taken too long.
import type { ClusterStatus } from '../core/status.ts'
import { elapsedAtLeast, type Ms } from '../kernel/time.ts'
import type { Answer } from './answer.ts'
import { type Desk, pause } from './desk.ts'

/** `switchover`: planned, the leader hands over. `failover`: to a named candidate, whether somebody leads or not. */
export type Change = 'switchover' | 'failover'

const LOOK_EVERY_MS: Ms = 200

export interface AwaitedChange {
  readonly change: Change
  readonly candidate: string | null
  readonly before: ClusterStatus
  readonly filed: { readonly revision: bigint }
  readonly limitMs: Ms
}

export async function leaderChange(desk: Desk, awaited: AwaitedChange): Promise<Answer> {
  const startedAt = desk.clock.now()
  const lastBefore = desk.agent.decisions().at(-1)?.sequence ?? -1
  while (elapsedAtLeast(startedAt, desk.clock.now()) < awaited.limitMs) {
    const status = desk.status()
    const verdict = status ? verdictOn(awaited, status) : 'pending'
    if (verdict === 'failed') return { status: 503, text: failureText(desk, awaited, lastBefore) }
    if (verdict !== 'pending') return { status: 200, text: successText(awaited, verdict.leader) }
    await pause(desk.clock, LOOK_EVERY_MS)
    desk.agent.wake()
  }
  return { status: 503, text: `${title(awaited.change)} status unknown: it has not ended in time` }
}

type Verdict = 'pending' | 'failed' | { readonly leader: string }

/** Only looks that are as new as the request count: an older one has not seen it. */
function verdictOn({ before, filed, candidate }: AwaitedChange, status: ClusterStatus): Verdict {
  const { store, leadership, leader } = status
  if (store.kind === 'lost' || store.revision < filed.revision) return 'pending'
  if (!leadership || leadership.mixed) {
    if (leader !== null && leader !== before.leader) return { leader }
    return status.request === null && leader === before.leader && leader !== null ? 'failed' : 'pending'
  }
  const settled = leadership.state === 'serving' || leadership.state === 'paused'
  if (!settled || leadership.expired) return 'pending'
  const newTerm = leadership.term > (before.leadership?.term ?? 0)
  const moved =
    newTerm && (leadership.holder !== before.leadership?.holder || leadership.holder === candidate)
  if (moved) return { leader: leadership.holder }
  // The same member leads on, and nobody will act on the request any more.
  return newTerm || status.request === null ? 'failed' : 'pending'
}

function successText({ change, candidate }: AwaitedChange, leader: string): string {
  const verb = change === 'switchover' ? 'switched' : 'failed'
  const instead = candidate && candidate !== leader ? ` instead of "${candidate}"` : ''
  return `Successfully ${verb} over to "${leader}"${instead}`
}

/** Why, if this member is the one that refused; the leader's own record of decisions has it otherwise. */
function failureText(desk: Desk, { change }: AwaitedChange, lastBefore: number): string {
  const told = desk.agent
    .decisions()
    .filter(decision => decision.sequence > lastBefore)
    .map(({ because }) => because['refused'] ?? because['reason'])
    .findLast(reason => typeof reason === 'string')
  return `${title(change)} failed: ${told ?? 'the leader goes on'}`
}

function title(change: Change): string {
  return change === 'switchover' ? 'Switchover' : 'Failover'
}
