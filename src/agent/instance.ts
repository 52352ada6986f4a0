// Starting, configuring and promoting the instance: the files first, then the guard.
import type { Action } from '../core/action.ts'
import { signatureOf } from '../core/configuration.ts'
import type { Settings } from '../core/settings.ts'
import { situationOf } from '../core/situation.ts'
import type { View } from '../core/view.ts'
import type { InstanceSettings } from '../ports/engine.ts'
import type { Context } from './context.ts'
import { fromGuard } from './leadership.ts'
import { done, type Outcome, stopped } from './outcome.ts'

export async function start(
  context: Context,
  action: Action & { readonly kind: 'start' },
  view: View,
): Promise<Outcome> {
  const { engine, guard, journal } = context.ports
  await ensureSeat(context, view)
  if (await promotedBehindOurBack(context, view)) return stopped('the copy was promoted by hand')
  const settings = instanceSettings(view.settings)
  await engine.writeConfiguration(settings, action.upstream, action.slot, 'standby')
  const outcome = fromGuard(await guard.start(await engine.startCommand(settings)))
  if (outcome.kind === 'done') {
    configured(context, view, 'standby', action.upstream)
    context.memory = { ...context.memory, rewound: false }
    if (!journal.read().signalExpected) await journal.write({ signalExpected: true })
  }
  return outcome
}

/**
 * A promotion removes `standby.signal`. Whoever did it, while neither agent nor guard looked, took a timeline number
 * that may be given to somebody else: such a copy is made anew. A holder's copy is never doubted in this way.
 */
async function promotedBehindOurBack(context: Context, view: View): Promise<boolean> {
  const { engine, journal } = context.ports
  if (!journal.read().signalExpected || situationOf(view).holding) return false
  if (await engine.hasStandbySignal()) return false
  await journal.write({ seatState: 'incomplete', signalExpected: false })
  return true
}

export async function configure(
  context: Context,
  action: Action & { readonly kind: 'configure' },
  view: View,
): Promise<Outcome> {
  const { engine } = context.ports
  const { upstream, slot, role } = action
  if (upstream) await coverGaps(context, view)
  const changed = await engine.writeConfiguration(instanceSettings(view.settings), upstream, slot, role)
  if (changed) await engine.reload()
  context.memory = { ...context.memory, configured: action.signature }
  return done()
}

/**
 * A walreceiver asks its source for the history of every number between its timeline and the source's, and ends when
 * one is missing there: numbers that were never used, or that a source made as a clone has never had (0016).
 */
async function coverGaps(context: Context, view: View): Promise<void> {
  const { record, end } = situationOf(view)
  const newest = record?.chain.at(-1)?.timeline ?? 0
  if (end && end.timeline + 1 < newest) await context.ports.engine.reserveTimelines(end.timeline, newest)
}

export async function promote(
  context: Context,
  action: Action & { readonly kind: 'promote' },
  view: View,
): Promise<Outcome> {
  const { engine, guard, journal } = context.ports
  const { term, timeline, lsn } = action
  const { promotions } = journal.read()
  // Before promoting: a promotion that the accepted chain lacks is recognised by this entry alone.
  const known = promotions.some(p => p.term === term && p.timeline === timeline)
  const kept = known ? promotions : [...promotions, { term, timeline, lsn }].slice(-PROMOTIONS_KEPT)
  if (!known || journal.read().signalExpected)
    await journal.write({ promotions: kept, signalExpected: false })
  await engine.reserveTimelines(action.from, timeline)
  await engine.writeConfiguration(instanceSettings(view.settings), null, null, 'primary')
  await engine.reload()
  const outcome = fromGuard(await guard.promote(term))
  if (outcome.kind === 'done') {
    configured(context, view, 'primary', null)
    context.memory = { ...context.memory, promotedTerm: term, promoteAskedAt: context.ports.clock.now() }
  }
  return outcome
}

const PROMOTIONS_KEPT = 64

/** Data that was here before vigil gets an identity before it is used. */
async function ensureSeat(context: Context, view: View): Promise<void> {
  const { engine, journal } = context.ports
  const onDisk = await engine.seat()
  const { seat } = journal.read()
  if (onDisk !== null && onDisk === seat) return
  // Another copy than the one that was known, a restored one perhaps: a new identity.
  await engine.setSeat(view.chance.seat)
  await journal.write({ seat: view.chance.seat, seatState: 'ready', reported: null })
}

function configured(
  context: Context,
  view: View,
  role: 'primary' | 'standby',
  upstream: Parameters<typeof signatureOf>[2],
): void {
  context.memory = { ...context.memory, configured: signatureOf(situationOf(view), role, upstream) }
}

function instanceSettings(settings: Settings): InstanceSettings {
  const { parameters, hba, ident } = settings
  return { parameters, hba, ident }
}
