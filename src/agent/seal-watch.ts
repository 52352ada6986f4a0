// Sealing from both sides: this member's own promise carried out, and the others asked for theirs, never waited for.
import type { ClusterState } from '../core/cluster.ts'
import type { SealAnswer, SealPromise, SealRequest } from '../core/synchronous/seal.ts'
import { reasonOf } from '../kernel/errors.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { Context } from './context.ts'
import { done, type Outcome, stopped } from './outcome.ts'

/** Of one attempt; an attempt that was not certain is made again in the next tick. */
const STOP_LIMIT_MS: Ms = 1500
/** A member writes its promise, cuts and looks twice before it answers. */
const ANSWER_LIMIT_MS: Ms = 2500
/** Between two questions to a member that refused or could not be reached. */
const AGAIN_MS: Ms = 150

/** Questions and answers that belong to one revision. */
export interface SealRound {
  readonly base: bigint
  readonly answers: Map<string, SealAnswer>
  readonly asking: Set<string>
  readonly endedAt: Map<string, Instant>
}

/** The promise first: what was cut without one would be lost with the next restart. */
export async function seal(context: Context, promise: SealPromise): Promise<Outcome> {
  const { clock, engine, guard, journal } = context.ports
  const kept = journal.read().promise
  if (kept?.base !== promise.base || kept.cluster !== promise.cluster) await journal.write({ promise })
  context.memory = { ...context.memory, cutFor: null, configured: null }
  if (guard.status()?.status.alive !== true) return done()
  const limit = clock.limit(STOP_LIMIT_MS)
  const before = await engine.status(limit)
  if (before.kind !== 'standby') return stopped('no standby that could be sealed answers')
  await engine.stopReceiving(limit)
  context.memory = { ...context.memory, cutFor: before.postmasterStartedAt }
  return done()
}

/** Each member by itself: a dead host must not delay the answers of the living. */
export function askSeals(context: Context, request: SealRequest): void {
  const { clock, log, peers } = context.ports
  if (context.seals?.base !== request.base)
    context.seals = { base: request.base, answers: new Map(), asking: new Set(), endedAt: new Map() }
  const round = context.seals
  for (const { name, apiUrl, vigil } of context.membersKnown) {
    if (apiUrl === null || !vigil || vigil.install === context.options.me.install) continue
    const { install } = vigil
    const ended = round.endedAt.get(install)
    if (round.asking.has(install) || round.answers.get(install)?.kind === 'sealed') continue
    if (ended && elapsedAtMost(ended, clock.now()) < AGAIN_MS) continue
    round.asking.add(install)
    void peers
      .seal(apiUrl, request, clock.limit(ANSWER_LIMIT_MS))
      .then(answer => {
        if (answer.kind === 'sealed' && (answer.install !== install || answer.base !== request.base))
          throw new Error('the answer is of another member or for another revision')
        round.answers.set(install, answer)
      })
      .catch(error => log.debug('no seal', { member: name, reason: reasonOf(error) }))
      .then(() => {
        round.asking.delete(install)
        round.endedAt.set(install, clock.now())
        context.wake()
      })
  }
}

/** Of the revision that was read just now, and of no other. */
export function sealAnswers(
  context: Context,
  cluster: ClusterState | null,
): Readonly<Record<string, SealAnswer>> {
  const { seals } = context
  if (!seals || !cluster?.term || cluster.term.modRevision !== seals.base) return {}
  return Object.fromEntries(seals.answers)
}
