// Starting, configuring and promoting the instance: the files first, then the guard.
import type { Action } from '../core/action.ts'
import { signatureOf } from '../core/configuration.ts'
import type { Settings } from '../core/settings.ts'
import { situationOf } from '../core/situation.ts'
import type { Names } from '../core/synchronous/names.ts'
import { mayBeSet } from '../core/synchronous/rule.ts'
import { ownRule } from '../core/synchronous/seats.ts'
import type { View } from '../core/view.ts'
import { assert } from '../kernel/assert.ts'
import type { Ms } from '../kernel/time.ts'
import type { InstanceSettings } from '../ports/engine.ts'
import type { Context } from './context.ts'
import { fromGuard } from './leadership.ts'
import { done, type Outcome, stopped } from './outcome.ts'

const ADOPTION_LIMIT_MS: Ms = 1000

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
  const { upstream, slot, role, names } = action
  if (upstream) await coverGaps(context, view)
  if (role === 'primary') assertMayBeSet(view, names)
  const settings = instanceSettings(view.settings, action)
  const changed = await engine.writeConfiguration(settings, upstream, slot, role)
  if (changed) await engine.reload()
  context.memory = { ...context.memory, configured: action.signature }
  if (role === 'primary') told(context, names)
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
  assertMayBeSet(view, action.names)
  const settings = instanceSettings(view.settings, action)
  await engine.writeConfiguration(settings, null, null, 'primary')
  await engine.reload()
  // Proven before the first commit is possible: a process that still has other names would count by them.
  if (action.names && !(await adopted(context, action.names)))
    return stopped('the names are not in force yet')
  const outcome = fromGuard(await guard.promote(term))
  if (outcome.kind === 'done') {
    configured(context, view, 'primary', null, action)
    told(context, action.names)
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
  access?: Parameters<typeof signatureOf>[3],
): void {
  const signature = signatureOf(situationOf(view), role, upstream, access)
  context.memory = { ...context.memory, configured: signature }
}

/** Shows the names in force to a NEW connection, with WAL after it: who has that flushed has adopted them. */
export async function proveNames(
  context: Context,
  action: Action & { readonly kind: 'prove-names' },
): Promise<Outcome> {
  const { clock, engine } = context.ports
  const { names, lsn } = await engine.adoption(clock.limit(ADOPTION_LIMIT_MS))
  if (names !== action.text || lsn === null) return stopped('other names are in force')
  const proof = { names, told: lsn, since: clock.now(), adopted: false, caughtUpAt: null }
  context.memory = { ...context.memory, namesProof: proof }
  return done()
}

async function adopted(context: Context, names: Names): Promise<boolean> {
  const { clock, engine } = context.ports
  const seen = await engine.adoption(clock.limit(ADOPTION_LIMIT_MS))
  return seen.names === names.text
}

function told(context: Context, names: Names | null): void {
  const before = context.memory.namesTold
  const namesTold = names && { names, at: context.ports.clock.now() }
  // Other settings may have changed, and the names with them not.
  const namesProof = names && before?.names.text === names.text ? context.memory.namesProof : null
  context.memory = { ...context.memory, namesTold, namesProof }
}

/** What acknowledges under the names must acknowledge under the recorded rule too, whoever asked for them (A8). */
function assertMayBeSet(view: View, names: Names | null): void {
  const { record, running } = situationOf(view)
  if (!record || record.rules === null) return
  const same = running.kind === 'primary' && running.status.synchronousNames === names?.text
  const own = ownRule(record)
  assert(
    same || (names !== null && own !== null && mayBeSet(own, names.set)),
    `"${names?.text ?? 'no names'}" may acknowledge what the recorded rule does not`,
  )
}

function instanceSettings(
  settings: Settings,
  access: { readonly names: Names | null; readonly closed: boolean } = { names: null, closed: false },
): InstanceSettings {
  const { parameters, hba, ident } = settings
  return { parameters, hba, ident, synchronousNames: access.names?.text ?? null, closed: access.closed }
}
