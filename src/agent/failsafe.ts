// Asks the other members to go on without the store, and moves the deadline when all of them have promised to wait.
import type { Action } from '../core/action.ts'
import type { FailsafeAnswer } from '../core/failsafe.ts'
import { deadlineOf } from '../core/timers.ts'
import { reasonOf } from '../kernel/errors.ts'
import { type Instant, type Ms, remaining } from '../kernel/time.ts'
import type { Context } from './context.ts'
import { fromGuard } from './leadership.ts'
import { type Outcome, stopped } from './outcome.ts'

/** A member answers in its next tick, which may begin with a look at a store that does not answer. */
const ANSWER_LIMIT_MS: Ms = 1500

type Asking = Extract<Action, { kind: 'ask-failsafe' }>
type Refusal = { readonly name: string; readonly reason: string }

export async function askFailsafe(context: Context, action: Asking): Promise<Outcome> {
  const { clock, guard } = context.ports
  const { term, ttl } = action.question
  // Before the first question, not after the answers: somebody may have begun to wait that early.
  const sentAt = clock.now()
  const against = await firstRefusal(context, action, answerLimit(context, sentAt))
  keep(context, sentAt, against)
  if (against) return stopped(`failsafe: ${against.name}: ${against.reason}`)
  return fromGuard(await guard.arm(term, deadlineOf(sentAt, ttl), ttl))
}

/** What comes after the deadline moves it no more; if the guard does not keep it, the next look must (seed 13809). */
function answerLimit({ ports }: Context, now: Instant): Ms {
  const deadline = ports.guard.status()?.status.deadline
  return deadline ? Math.max(1, Math.min(ANSWER_LIMIT_MS, remaining(deadline, now))) : ANSWER_LIMIT_MS
}

/** null: everybody has promised. One refusal is enough to know that it is not everybody. */
async function firstRefusal(context: Context, action: Asking, limitMs: Ms): Promise<Refusal | null> {
  const answers = action.installs.map(install => answerOf(context, action, { install, limitMs }))
  return new Promise(resolve => {
    for (const answer of answers) void answer.then(refusal => refusal && resolve(refusal))
    void Promise.all(answers).then(refusals => resolve(refusals.find(refusal => refusal !== null) ?? null))
  })
}

async function answerOf(
  context: Context,
  { question }: Asking,
  { install, limitMs }: { readonly install: string; readonly limitMs: Ms },
): Promise<Refusal | null> {
  const { clock, peers } = context.ports
  const member = context.membersKnown.find(known => known.vigil?.install === install)
  if (!member?.apiUrl) return { name: member?.name ?? install, reason: 'its address is not known' }
  const { name, apiUrl } = member
  try {
    const asked = { ...question, to: install }
    const answer: FailsafeAnswer = await peers.failsafe(apiUrl, asked, clock.limit(limitMs))
    return answer.kind === 'accepted' ? null : { name, reason: answer.reason }
  } catch (error) {
    return { name, reason: reasonOf(error) }
  }
}

function keep(context: Context, askedAt: Instant, against: Refusal | null): void {
  const before = context.memory.failsafe
  context.memory = {
    ...context.memory,
    failsafe: {
      since: before?.since ?? askedAt,
      askedAt,
      agreedAt: against ? (before?.agreedAt ?? null) : askedAt,
      against: against ? [against] : [],
    },
  }
}
