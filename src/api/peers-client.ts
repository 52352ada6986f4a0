// Asks other members' agents what they say of themselves; vigil's agents, and Patroni's as well.
import * as z from 'zod'
import { addressOf } from '../core/network-address.ts'
import type { PeerReport } from '../core/peer.ts'
import { type Lsn, lsn, type Position, parseLsn } from '../kernel/lsn.ts'
import { basicAuthorization, type ClientTls, createHttpClient } from '../operations/ask.ts'
import { SealReply } from '../operations/bodies.ts'
import type { Peers } from '../ports/peers.ts'

const Bytes = z.int().nonnegative()

const Body = z.object({
  state: z.string().optional(),
  role: z.string().optional(),
  timeline: z.int().min(1).nullish(),
  xlog: z
    .object({
      location: Bytes.nullish(),
      received_location: Bytes.nullish(),
      replayed_location: Bytes.nullish(),
    })
    .nullish(),
  tags: z.record(z.string(), z.unknown()).nullish(),
  pending_restart: z.boolean().nullish(),
  watchdog_failed: z.boolean().nullish(),
  patroni: z.object({ name: z.string().optional() }).nullish(),
  vigil: z
    .object({
      install: z.string(),
      role: z.enum(['primary', 'standby', 'none']),
      position: z.object({ timeline: z.int().min(1), lsn: z.string() }).nullable(),
      promotable: z.boolean(),
      seat: z.string().nullish(),
      seat_state: z.enum(['ready', 'incomplete', 'diverged']).nullish(),
      trouble: z.string().nullish(),
      term: z.int().nonnegative(),
    })
    .nullish(),
})

type Body = z.infer<typeof Body>

export interface PeerOptions {
  readonly tls?: ClientTls
  /** What other members ask for before they change anything: all have the same. */
  readonly credentials?: () => { readonly username: string; readonly password: string | null } | null
  readonly serverAnswers: (host: string, port: number, signal: AbortSignal) => Promise<boolean>
  readonly scope: string
  /** What Patroni's agents say of themselves when they ask. */
  readonly own: { readonly conn_url: string; readonly api_url: string }
}

/** Looks carry no credentials: an address from the store may be anybody's. Promises and seals are asked for as an operator asks. */
export function createPeers(options: PeerOptions): Peers & { close(): void } {
  const client = createHttpClient(options.tls)
  return {
    async seal(apiUrl, request, signal) {
      const reply = await client.ask(new URL('/vigil/seal', apiUrl).href, {
        method: 'POST',
        body: { ...request, base: request.base.toString(), scope: options.scope },
        headers: authorization(options),
        signal,
      })
      if (reply.status !== 200) throw new Error(`${reply.status}: ${reply.text.slice(0, 200)}`)
      return SealReply.parse(JSON.parse(reply.text))
    },
    async failsafe(apiUrl, asked, signal) {
      const { leader, revision, ...question } = asked
      const reply = await client.ask(new URL('/failsafe', apiUrl).href, {
        method: 'POST',
        body: {
          name: leader.name,
          ...options.own,
          vigil: {
            ...question,
            scope: options.scope,
            install: leader.install,
            revision: revision.toString(),
          },
        },
        headers: authorization(options),
        signal,
      })
      const text = reply.text.trim()
      if (reply.status === 200 && text === 'Accepted') return { kind: 'accepted' }
      return { kind: 'refused', reason: text.slice(0, 200) || `status ${reply.status}` }
    },
    async serverAnswers(connUrl, signal) {
      const address = addressOf(connUrl)
      return address !== null && options.serverAnswers(address.host, address.port, signal)
    },
    async report(apiUrl, signal) {
      const reply = await client.ask(apiUrl, { signal })
      // Health-check paths carry the same body with 503; anything else that parses is an answer too.
      const body = Body.parse(JSON.parse(reply.text))
      return reportOf(body)
    },
    close: () => client.close(),
  }
}

function authorization({ credentials }: PeerOptions): Record<string, string> {
  const known = credentials?.() ?? null
  return known ? { authorization: basicAuthorization(known) } : {}
}

function reportOf(body: Body): PeerReport {
  const tags = body.tags ?? {}
  const priority = tags['failover_priority']
  const noFailover = tags['nofailover'] === true || (typeof priority === 'number' && priority <= 0)
  const { vigil } = body
  const role = vigil?.role ?? patroniRole(body)
  return {
    name: body.patroni?.name ?? '',
    install: vigil?.install ?? null,
    role,
    position: vigil ? vigilPosition(vigil.position) : patroniPosition(body),
    pendingRestart: body.pending_restart === true,
    noFailover,
    promotable: vigil ? vigil.promotable : role === 'standby' && !noFailover && body.watchdog_failed !== true,
    trouble: vigil?.trouble ?? null,
    seat: vigil?.seat ?? null,
    seatState: vigil?.seat_state ?? 'ready',
    term: vigil?.term ?? null,
  }
}

function patroniRole({ role, state, xlog }: Body): PeerReport['role'] {
  // A primary shows where it writes, whatever it calls itself at that moment.
  if (role === 'primary' || role === 'master' || xlog?.location != null) return 'primary'
  return state === 'running' && (role === 'replica' || role === 'standby_leader') ? 'standby' : 'none'
}

function vigilPosition(
  position: { readonly timeline: number; readonly lsn: string } | null,
): Position | null {
  const value = position && parseLsn(position.lsn)
  return position && value !== null ? { timeline: position.timeline, lsn: value } : null
}

function patroniPosition({ timeline, xlog }: Body): Position | null {
  if (timeline == null || !xlog) return null
  const known = [xlog.location, xlog.received_location, xlog.replayed_location].filter(value => value != null)
  const furthest = known.length === 0 ? null : (lsn(Math.max(...known)) as Lsn)
  return furthest === null ? null : { timeline, lsn: furthest }
}
