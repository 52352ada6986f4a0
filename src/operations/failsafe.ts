// A leader without a store asks this member to leave the leadership alone for one wait (protocol A10).
import { FAILSAFE_OFF, RUNS_AS_PRIMARY } from '../core/failsafe.ts'
import type { Ms } from '../kernel/time.ts'
import { type Plan, ready, refused } from './answer.ts'
import type { FailsafeBody } from './bodies.ts'
import { type Desk, within } from './desk.ts'

/** The leader waits less; whatever is answered later moves no deadline. */
const ANSWER_WITHIN_MS: Ms = 2000

/** As Patroni answers: what its agents look for is the status and this word. */
const STATUS_OF: Readonly<Record<string, number>> = { [RUNS_AS_PRIMARY]: 500, [FAILSAFE_OFF]: 502 }
const REFUSED = 409

export async function planFailsafe(desk: Desk, body: FailsafeBody): Promise<Plan> {
  const { vigil } = body
  if (vigil && vigil.scope !== desk.scope) return refused(412, `this is a member of ${desk.scope}`)
  return ready(`would leave the leadership to ${body.name} for one wait`, async () => {
    const asked = vigil && {
      ...vigil,
      leader: { name: body.name, install: vigil.install },
    }
    const id = desk.clock.randomId()
    const answer = desk.agent.request({ kind: 'failsafe', id, asked: asked ?? null })
    desk.agent.wake()
    const outcome = await within(desk.clock, ANSWER_WITHIN_MS, answer)
    if (outcome?.kind === 'done') return { status: 200, text: outcome.text }
    if (outcome?.kind !== 'refused') return { status: 503, text: 'no decision in time' }
    return { status: STATUS_OF[outcome.text] ?? REFUSED, text: outcome.text }
  })
}
