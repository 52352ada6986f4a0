// Sends a transaction on the term record and does at the guard what belongs to it (protocol A6).
import type { TermChange } from '../core/action.ts'
import { ledBy, ledWith } from '../core/failsafe.ts'
import { ATTEMPTS_KEPT, type Attempt } from '../core/memory.ts'
import { ATTEMPT_LIMIT_MS, deadlineOf } from '../core/timers.ts'
import { reasonOf } from '../kernel/errors.ts'
import type { GuardAnswer } from '../ports/guard.ts'
import type { TermResult } from '../ports/leader-store.ts'
import type { Context } from './context.ts'
import { limited } from './limited.ts'
import { done, type Outcome, stopped } from './outcome.ts'

export async function changeTerm(context: Context, change: TermChange): Promise<Outcome> {
  const { clock, store } = context.ports
  const { record } = change
  // Before any request, not after the answer: the store may have granted it that early.
  const sentAt = clock.now()
  const attempt: Attempt = {
    nonce: record.nonce,
    sentAt,
    ttl: change.grants,
    term: record.term,
    after: change.after,
    id: change.id,
    base: change.expected,
    record,
  }
  if (change.leaderKey === 'put' && context.lease === null) await grantLease(context, record.ttl)
  const prepared = await prepare(context, change, attempt)
  if (prepared.kind === 'stopped') return prepared
  remember(context, attempt)
  const owner = { name: context.options.me.name, lease: context.lease }
  let result: TermResult
  try {
    result = await limited(clock, ATTEMPT_LIMIT_MS, signal => store.change(change, owner, signal))
  } catch (error) {
    result = { kind: 'unknown', reason: reasonOf(error) }
  }
  switch (result.kind) {
    case 'applied':
      return credit(context, attempt, result.revision)
    case 'conflict':
      return learn(context, attempt, result)
    case 'failed':
      forget(context, attempt)
      failed(context)
      return stopped(`${change.id} was not applied: ${result.reason}`)
    case 'unknown':
      context.memory = { ...context.memory, settled: false }
      failed(context)
      return stopped(`${change.id} has no known result: ${result.reason}`)
  }
}

/** An attempt that has succeeded: the record is as it says, and what is in flight for older revisions is void. */
export async function credit(context: Context, attempt: Attempt, revision: bigint): Promise<Outcome> {
  const { clock, guard, journal } = context.ports
  context.memory = {
    ...context.memory,
    attempts: [],
    settled: true,
    seen: { revision, at: clock.now(), nonce: attempt.nonce, seed: attempt.record.seed?.id },
    led: attempt.after === 'nothing' ? null : ledBy(attempt.record, revision),
    storeFailures: 0,
    failsafe: null,
  }
  if (attempt.after === 'nothing') return done()
  if (attempt.after === 'unarm') return fromGuard(await guard.unarm(attempt.term))
  const remembered = journal.read()
  // On disk before the guard is armed: after a reboot it is the proof that this guard alone could have served.
  if (remembered.servedTerm !== attempt.term)
    await journal.write({
      servedTerm: attempt.term,
      termMax: Math.max(remembered.termMax, attempt.term),
      floor: Math.max(remembered.floor, attempt.term),
      revisionMax: revision > remembered.revisionMax ? revision : remembered.revisionMax,
    })
  return fromGuard(await guard.arm(attempt.term, deadlineOf(attempt.sentAt, attempt.ttl), attempt.ttl))
}

/** The leader key needs one; a candidate whose lease has run out must not lose its turn for that. */
async function grantLease(context: Context, ttlMs: number): Promise<void> {
  const { clock, store } = context.ports
  const granted = await limited(clock, ATTEMPT_LIMIT_MS, signal => store.grantLease(ttlMs, signal))
  if (granted.kind !== 'held') return
  context.lease = granted.lease
  context.memory = { ...context.memory, published: null }
}

async function prepare(context: Context, change: TermChange, attempt: Attempt): Promise<Outcome> {
  const { guard } = context.ports
  const { record } = change
  const deadline = deadlineOf(attempt.sentAt, attempt.ttl)
  switch (change.before) {
    case 'nothing':
      return done()
    case 'lower':
      return fromGuard(await guard.lower(deadline))
    case 'arm':
      return fromGuard(await guard.arm(record.term, deadline, attempt.ttl))
    case 'drop':
      return fromGuard(await guard.drop(record.term))
  }
}

type Conflict = TermResult & { readonly kind: 'conflict' }

/** A lost comparison may mean that an earlier attempt of ours was applied after all. */
async function learn(context: Context, attempt: Attempt, conflict: Conflict): Promise<Outcome> {
  const { record, revision } = conflict
  const ours = context.memory.attempts.find(known => known.nonce === record?.nonce)
  if (ours && revision !== null) {
    const credited = await credit(context, ours, revision)
    return credited.kind === 'stopped' ? credited : stopped(`an earlier ${ours.id} was applied`)
  }
  forget(context, attempt)
  lost(context, attempt, conflict)
  return stopped(`${attempt.id} lost its comparison`)
}

/** The store has answered, and not that we lead: nothing is asked of others on the ground of what was known before. */
function lost(context: Context, attempt: Attempt, { record, revision }: Conflict): void {
  const { led } = context.memory
  const taken =
    record !== null &&
    record.cluster === attempt.record.cluster &&
    (record.term > attempt.term ||
      (record.term === attempt.term && record.holder.install !== context.options.me.install))
  context.memory = {
    ...context.memory,
    storeFailures: 0,
    // With the record as it was only the leader key has changed; the next look tells how.
    led: led !== null && revision === led.revision ? led : null,
    lostTerm: taken ? attempt.term : context.memory.lostTerm,
  }
}

function failed(context: Context): void {
  context.memory = { ...context.memory, storeFailures: context.memory.storeFailures + 1 }
}

function remember(context: Context, attempt: Attempt): void {
  const attempts = [attempt, ...context.memory.attempts].slice(0, ATTEMPTS_KEPT)
  context.memory = { ...context.memory, attempts, led: ledWith(context.memory.led, attempt.record) }
}

function forget(context: Context, attempt: Attempt): void {
  const attempts = context.memory.attempts.filter(known => known.nonce !== attempt.nonce)
  context.memory = { ...context.memory, attempts }
}

export function fromGuard(answer: GuardAnswer): Outcome {
  return answer.kind === 'done' ? done() : stopped(`the guard: ${answer.reason}`)
}
