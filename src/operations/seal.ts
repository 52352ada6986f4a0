// A candidate asks this member to stop receiving, so that the leader can be replaced (protocol A8).
import type { SealAnswer } from '../core/synchronous/seal.ts'
import { formatLsn } from '../kernel/lsn.ts'
import type { Ms } from '../kernel/time.ts'
import { type Plan, ready, refused } from './answer.ts'
import type { SealBody } from './bodies.ts'
import { type Desk, within } from './desk.ts'

/** The candidate asks again, and finds what was begun. */
const ANSWER_WITHIN_MS: Ms = 2200

export async function planSeal(desk: Desk, body: SealBody): Promise<Plan> {
  const { scope, ...request } = body
  if (scope !== desk.scope) return refused(412, `this is a member of ${desk.scope}`)
  return ready(`would stop receiving for ${body.candidate.name} until the record moves on`, async () => {
    const asked = desk.agent.request({
      kind: 'seal',
      id: desk.clock.randomId(),
      request,
      filedAt: desk.clock.now(),
    })
    desk.agent.wake()
    const outcome = await within(desk.clock, ANSWER_WITHIN_MS, asked)
    if (outcome?.kind === 'seal') return { status: 200, json: document(outcome.answer) }
    return { status: 503, text: outcome?.kind === 'refused' ? outcome.text : 'not sealed yet' }
  })
}

function document(answer: SealAnswer): unknown {
  if (answer.kind === 'refused') return { ...answer, revision: answer.revision?.toString() ?? null }
  const { timeline, lsn } = answer.position
  return { ...answer, base: answer.base.toString(), position: { timeline, lsn: formatLsn(lsn) } }
}
