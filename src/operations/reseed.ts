// An operator declares the store, as it is now, to be the successor of the one that the members know (protocol A10).
import type { PeerReport } from '../core/peer.ts'
import { reseeding } from '../core/reseed.ts'
import { situationOf } from '../core/situation.ts'
import type { View } from '../core/view.ts'
import { type Plan, ready, refused } from './answer.ts'
import type { ReseedBody } from './bodies.ts'
import { type Desk, PEER_LIMIT_MS, STORE_LIMIT_MS } from './desk.ts'
import { freshRead } from './failover-key.ts'

export async function planReseed(desk: Desk, body: ReseedBody): Promise<Plan> {
  const view = desk.agent.latest()?.view
  if (!view) return refused(503, 'This member has not looked at the cluster yet')
  if (body.scope !== desk.scope)
    return refused(412, `This is a member of ${desk.scope}, not of ${body.scope}`)
  const { frozen, running } = situationOf(view)
  if (view.store.kind === 'lost') return refused(503, `The store does not answer: ${view.store.reason}`)
  if (frozen === null)
    return refused(412, 'This member trusts the store as it is: there is nothing to begin anew')
  if (running.kind === 'primary') return refused(412, stillPrimary(view.me.name))
  const { answered, silent } = await askOthers(desk, view)
  const primary = answered.find(({ role }) => role === 'primary')
  if (primary) return refused(412, stillPrimary(primary.name))
  const known = Math.max(view.remembered.termMax, view.memory.lastKnown?.record.term ?? 0)
  const newer = answered.find(({ term }) => term !== null && term > known)
  if (newer)
    return refused(412, `${newer.name} knows term ${newer.term}, this member only ${known}: ask it instead`)
  const read = await freshRead(desk)
  if (read.kind === 'lost') return { kind: 'refused', answer: read.answer }
  const next = reseeding(view, read.value.cluster)
  const unheard = silent.length > 0 ? `; not heard: ${silent.join(', ')}` : ''
  const unknown = view.memory.lastKnown || read.value.cluster.term ? '' : '; no earlier record is known'
  return ready(
    `would begin term ${next.record.term} in the store (${frozen}); the most advanced member leads after ${Math.ceil(next.record.ttl / 1000)} s${unheard}${unknown}`,
    async () => {
      const limit = desk.clock.limit(STORE_LIMIT_MS)
      const result = await desk.records.beginAnew(next, read.value.termRevision, limit)
      desk.agent.wake()
      switch (result.kind) {
        case 'applied':
          return { status: 200, text: `The store was begun anew with term ${next.record.term}` }
        case 'conflict':
          return { status: 409, text: 'Somebody else changed the record at the same moment; look again' }
        case 'failed':
          return { status: 503, text: `The store refused: ${result.reason}` }
        case 'unknown':
          return { status: 503, text: 'The store did not answer in time; look whether the term has changed' }
      }
    },
  )
}

function stillPrimary(name: string): string {
  return `${name} runs as primary: wait until its deadline has passed, or stop it`
}

/** Whoever the leader had published for a loss of the store, and whoever the store shows now. */
async function askOthers(
  desk: Desk,
  view: View,
): Promise<{ readonly answered: readonly PeerReport[]; readonly silent: readonly string[] }> {
  const addresses = new Map<string, string>()
  for (const [name, url] of Object.entries(desk.status()?.failsafe ?? {}))
    if (typeof url === 'string') addresses.set(name, url)
  const members = view.store.kind === 'known' ? view.store.value.members : []
  for (const { value } of members) if (value.apiUrl) addresses.set(value.name, value.apiUrl)
  addresses.delete(view.me.name)
  const asked = await Promise.all(
    [...addresses].map(async ([name, url]) => {
      try {
        return await desk.peers.report(url, desk.clock.limit(PEER_LIMIT_MS))
      } catch {
        return name
      }
    }),
  )
  return {
    answered: asked.filter(answer => typeof answer !== 'string'),
    silent: asked.filter(answer => typeof answer === 'string'),
  }
}
