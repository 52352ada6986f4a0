// Whether the record's holder can still be heard: its agent and its PostgreSQL, each asked over a new connection
// while it may have to be replaced, and never waited for.
import type { ClusterState } from '../core/cluster.ts'
import type { Settings } from '../core/settings.ts'
import type { Contact, HolderContact } from '../core/synchronous/seal.ts'
import { contactWanted } from '../core/synchronous/suspicion.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { Context } from './context.ts'

/** Protocol A7 X3. */
const CONTACT_LIMIT_MS: Ms = 1000
/** Between the end of a question and the next one. */
const AGAIN_MS: Ms = 200

/** Called before each look at the store: whether that answers must not delay the question. */
export function watchHolder(context: Context, settings: Settings): void {
  const holder = context.holderKnown
  const { clock, peers } = context.ports
  const now = clock.now()
  const asked = context.requests.some(({ request }) => request.kind === 'seal')
  const wanted =
    holder !== null &&
    holder.install !== context.options.me.install &&
    (asked || contactWanted({ record: holder.record, settings, memory: context.memory, now }))
  if (!wanted) {
    context.holderContact = null
    return
  }
  if (context.holderContact?.install !== holder.install)
    context.holderContact = { install: holder.install, agent: null, server: null, role: null }
  const { agent, server } = context.holderContact
  ask(context, 'agent', agent, async () => {
    const report = await peers.report(holder.apiUrl, clock.limit(CONTACT_LIMIT_MS))
    if (report.install !== holder.install) return null
    return report.role
  })
  ask(context, 'server', server, async () =>
    (await peers.serverAnswers(holder.connUrl, clock.limit(CONTACT_LIMIT_MS))) ? 'primary' : null,
  )
}

/** Its address outlives its key in the store, and its record an outage of the store. */
export function learnHolder(context: Context, cluster: ClusterState | null): void {
  const record = cluster?.term?.value
  if (record === undefined) return
  const { install } = record.holder
  const before = context.holderKnown?.install === install ? context.holderKnown : null
  const member = cluster?.members.find(({ value }) => value.vigil?.install === install)?.value
  const { apiUrl, connUrl } =
    member?.apiUrl && member.connUrl ? member : { apiUrl: before?.apiUrl, connUrl: before?.connUrl }
  context.holderKnown = apiUrl && connUrl ? { install, apiUrl, connUrl, record } : null
}

function ask(
  context: Context,
  what: 'agent' | 'server',
  last: Contact | null,
  question: () => Promise<HolderContact['role']>,
): void {
  const { clock } = context.ports
  const askedAt = clock.now()
  const { holderContact, contacting } = context
  if (!holderContact || contacting.has(what)) return
  if (last && elapsedAtMost(last.endedAt, askedAt) < AGAIN_MS) return
  contacting.add(what)
  const { install } = holderContact
  void question()
    .catch(() => null)
    .then(role => {
      contacting.delete(what)
      if (context.holderContact?.install !== install) return
      context.holderContact = { ...context.holderContact, ...contactOf(what, { askedAt, role, clock }) }
      context.wake()
    })
}

function contactOf(
  what: 'agent' | 'server',
  { askedAt, role, clock }: { askedAt: Instant; role: HolderContact['role']; clock: { now(): Instant } },
): Partial<HolderContact> {
  const contact: Contact = { askedAt, endedAt: clock.now(), answered: role !== null }
  return what === 'server' ? { server: contact } : { agent: contact, role }
}
