// Carries out one action. Nothing is decided, retried or slept over here.

import type { Action } from '../core/action.ts'
import { keptPosition } from '../core/instance.ts'
import { positionsOf, significance } from '../core/published-member.ts'
import { ATTEMPT_LIMIT_MS } from '../core/timers.ts'
import type { View } from '../core/view.ts'
import { unreachable } from '../kernel/assert.ts'
import { reasonOf } from '../kernel/errors.ts'
import { comparePositions } from '../kernel/lsn.ts'
import { elapsedAtMost, type Ms, reached } from '../kernel/time.ts'
import type { Context } from './context.ts'
import { askFailsafe } from './failsafe.ts'
import { configure, promote, proveNames, start } from './instance.ts'
import { runJob } from './jobs.ts'
import { changeTerm, credit, fromGuard } from './leadership.ts'
import { limited } from './limited.ts'
import { done, type Outcome, stopped } from './outcome.ts'
import { askSeals, seal } from './seal-watch.ts'

const SQL_LIMIT_MS: Ms = 2000
const GUARD_LIMIT_MS: Ms = 3000
/** It costs an fsync. */
const REPORT_EVERY_MS: Ms = 10_000

/** Never throws: what went wrong ends the tick, and the next one decides anew. */
export async function perform(context: Context, action: Action, view: View): Promise<Outcome> {
  try {
    return await carryOut(context, action, view)
  } catch (error) {
    return stopped(reasonOf(error))
  }
}

async function carryOut(context: Context, action: Action, view: View): Promise<Outcome> {
  const { ports } = context
  const { clock, engine, guard } = ports
  switch (action.kind) {
    case 'change-term':
      return changeTerm(context, action)
    case 'credit':
      return credit(context, action.attempt, action.revision)
    case 'kill':
      return kill(context)
    case 'stop':
      return stop(context, action.mode)
    case 'start':
      return start(context, action, view)
    case 'promote':
      return promote(context, action, view)
    case 'configure':
      return configure(context, action, view)
    case 'ensure-standby-signal':
      await engine.ensureStandbySignal()
      if (!ports.journal.read().signalExpected) await ports.journal.write({ signalExpected: true })
      return done()
    case 'mark-served':
      await engine.markServed()
      context.memory = { ...context.memory, servedMarked: true }
      return done()
    case 'ensure-slots':
      context.memory = { ...context.memory, slotsAppliedFor: action.signature }
      await engine.ensureSlots(action.wanted, action.drop, clock.limit(SQL_LIMIT_MS))
      return done()
    case 'terminate-walsenders':
      return endWalSenders(context, action.except, view)
    case 'ask-failsafe':
      return askFailsafe(context, action)
    case 'prove-names':
      return proveNames(context, action)
    case 'terminate-backends':
      await engine.terminateBackends(action.pids, clock.limit(SQL_LIMIT_MS))
      return done()
    case 'drop':
      return fromGuard(await guard.drop(action.term))
    case 'ensure-guard':
      if (!(await guard.ensure(clock.limit(GUARD_LIMIT_MS)))) return stopped('no guard')
      // From now on its silence means something, also if it falls silent before the next look.
      context.memory = { ...context.memory, guardMet: true }
      return done()
    case 'run-job':
      return runJob(context, action.order)
    case 'clear-job':
      if (context.job?.state !== 'running') context.job = null
      return done()
    case 'remove-unfinished':
      await engine.removeUnfinished()
      await ports.journal.write({ seat: null, seatState: 'ready', reported: null, promotions: [] })
      return done()
    case 'mark-seat':
      await ports.journal.write({ seatState: action.state })
      return done()
    case 'seal':
      return seal(context, action.promise)
    case 'unseal':
      await ports.journal.write({
        promise: null,
        floor: Math.max(ports.journal.read().floor, action.floor),
      })
      context.memory = { ...context.memory, cutFor: null, fetching: null, configured: null }
      return done()
    case 'ask-seals':
      askSeals(context, action.request)
      return done()
    case 'publish':
      return publish(context, action, view)
    case 'put-failover': {
      const limit = clock.limit(ATTEMPT_LIMIT_MS)
      const result = await ports.store.replaceFailover(action.value, action.modRevision, limit)
      return result.kind === 'applied' ? done() : stopped(`the request was not cleared: ${result.kind}`)
    }
    case 'answer':
      return answer(context, action)
    case 'reload-files':
      context.settings = null
      ports.log.info('configuration is read again')
      context.options.reloadFiles()
      return done()
    case 'exit':
      context.exit(action.status, action.reason)
      return stopped('the agent ends')
    default:
      return unreachable(action)
  }
}

/** By the guard; without a guard that answers by the agent itself, which then ends that guard too. */
async function kill(context: Context): Promise<Outcome> {
  const { clock, guard } = context.ports
  const deadline = guard.status()?.status.deadline
  // A guard that has let its deadline pass is not asked first.
  if (deadline && reached(deadline, clock.now()) && (await guard.killWithoutGuard())) return done()
  const answer = await guard.kill()
  if (answer.kind !== 'lost') return fromGuard(answer)
  return (await guard.killWithoutGuard()) ? done() : stopped('processes of the instance are still alive')
}

async function stop(context: Context, mode: 'fast' | 'immediate'): Promise<Outcome> {
  const outcome = fromGuard(await context.ports.guard.stop(mode))
  if (outcome.kind === 'done') context.memory = { ...context.memory, stopAskedAt: context.ports.clock.now() }
  return outcome
}

async function endWalSenders(context: Context, except: readonly string[], view: View): Promise<Outcome> {
  const { instance } = view
  const connections =
    instance.kind === 'known' && instance.value.kind === 'primary' ? instance.value.replication : []
  const others = connections.map(c => c.applicationName).filter(name => !except.includes(name))
  if (others.length === 0) return done()
  await context.ports.engine.terminateWalSenders(others, context.ports.clock.limit(SQL_LIMIT_MS))
  return done()
}

async function publish(
  context: Context,
  action: Action & { readonly kind: 'publish' },
  view: View,
): Promise<Outcome> {
  const { clock, store } = context.ports
  const { lease } = context
  if (lease === null) return stopped('no lease yet')
  const result = await limited(clock, ATTEMPT_LIMIT_MS, signal => store.publish(action.member, lease, signal))
  if (result.kind !== 'applied') {
    // Most likely the lease is gone; a new one is granted at the next look.
    context.lease = null
    return stopped(`the member key was not written: ${result.kind}`)
  }
  context.memory = {
    ...context.memory,
    published: { significance: significance(action.member), positions: positionsOf(action.member) },
    publishedAt: clock.now(),
  }
  await keepReported(context, view)
  return done()
}

/** A copy that later has less is not the copy that reported. */
async function keepReported(context: Context, view: View): Promise<void> {
  const { clock, journal } = context.ports
  const { instance } = view
  if (instance.kind !== 'known' || instance.value.kind !== 'standby') return
  const { reported, seatState } = journal.read()
  const advanced = keptPosition(instance.value)
  if (seatState !== 'ready' || (reported && comparePositions(advanced, reported) <= 0)) return
  const { reportedAt } = context
  if (reportedAt && elapsedAtMost(reportedAt, clock.now()) < REPORT_EVERY_MS) return
  context.reportedAt = clock.now()
  await journal.write({ reported: advanced })
}

function answer(context: Context, action: Action & { readonly kind: 'answer' }): Outcome {
  const index = context.requests.findIndex(filed => filed.request.id === action.requestId)
  const filed = index < 0 ? undefined : context.requests.splice(index, 1)[0]
  filed?.answer(action.outcome)
  return done()
}
