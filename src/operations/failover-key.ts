// The operators' request in the store: filed and withdrawn as it was seen.
import type { FailoverRequest } from '../core/cluster.ts'
import { reasonOf } from '../kernel/errors.ts'
import type { RecordsRead } from '../ports/records.ts'
import type { TransactionResult } from '../ports/store.ts'
import { type Answer, type Plan, ready, refused } from './answer.ts'
import { type Desk, STORE_LIMIT_MS } from './desk.ts'

export type Filed =
  /** `revision`: a look at the store that is as new as this has seen the request. */
  | { readonly kind: 'filed'; readonly revision: bigint }
  | { readonly kind: 'not-filed'; readonly answer: Answer }

/** Replaces whatever request is pending, as Patroni does. */
export async function fileFailover(desk: Desk, request: FailoverRequest): Promise<Filed> {
  const read = await freshRead(desk)
  if (read.kind === 'lost') return { kind: 'not-filed', answer: read.answer }
  const result = await desk.records.replaceFailover(request, read.value.failoverRevision, limit(desk))
  desk.agent.wake()
  return result.kind === 'unknown' ? readBack(desk, request) : filed(result)
}

/** Withdraws a scheduled switchover. */
export async function planWithdrawal(desk: Desk): Promise<Plan> {
  const read = await freshRead(desk)
  if (read.kind === 'lost') return { kind: 'refused', answer: read.answer }
  const { cluster, failoverRevision } = read.value
  const pending = cluster.failover?.value
  if (!pending?.scheduledAt) return refused(404, 'No switchover is scheduled')
  return ready(`would withdraw the switchover scheduled for ${pending.scheduledAt}`, async () => {
    const result = await desk.records.replaceFailover(null, failoverRevision, limit(desk))
    desk.agent.wake()
    const outcome = filed(result)
    return outcome.kind === 'filed' ? { status: 200, text: 'scheduled switchover deleted' } : outcome.answer
  })
}

type Fresh =
  | { readonly kind: 'read'; readonly value: RecordsRead }
  | { readonly kind: 'lost'; readonly answer: Answer }

export async function freshRead(desk: Desk): Promise<Fresh> {
  try {
    return { kind: 'read', value: await desk.records.read(limit(desk)) }
  } catch (error) {
    return { kind: 'lost', answer: { status: 503, text: `The store does not answer: ${reasonOf(error)}` } }
  }
}

function filed(result: TransactionResult): Filed {
  switch (result.kind) {
    case 'applied':
      return { kind: 'filed', revision: result.revision }
    case 'conflict':
      return notFiled(409, 'Somebody else changed the request at the same moment; nothing was done')
    case 'failed':
      return notFiled(503, `The store refused: ${result.reason}`)
    case 'unknown':
      return notFiled(503, 'The store did not answer in time; the request may or may not have been filed')
  }
}

/** A timed-out write is unknown: what the store holds now decides. */
async function readBack(desk: Desk, request: FailoverRequest): Promise<Filed> {
  const read = await freshRead(desk)
  if (read.kind === 'lost') return filed({ kind: 'unknown', reason: '' })
  const { cluster } = read.value
  const pending = cluster.failover?.value ?? null
  const ours =
    pending !== null &&
    pending.leader === request.leader &&
    pending.member === request.member &&
    pending.scheduledAt === request.scheduledAt
  return ours ? { kind: 'filed', revision: cluster.revision } : filed({ kind: 'unknown', reason: '' })
}

function notFiled(status: number, text: string): Filed {
  return { kind: 'not-filed', answer: { status, text } }
}

function limit(desk: Desk): AbortSignal {
  return desk.clock.limit(STORE_LIMIT_MS)
}
