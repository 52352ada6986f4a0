// Which endpoint to ask: the first healthy one in the configured order. One that failed is set aside until a
// question in the background has been answered, so that no renewal is spent on finding out.
import { VigilError } from '../../kernel/errors.ts'
import { type Instant, later, type Ms, reached } from '../../kernel/time.ts'
import type { Timing } from './transport.ts'

export interface Endpoints {
  /** Healthy ones first, as configured; then those set aside, longest ago first. Never empty. */
  order(): readonly URL[]
  failed(endpoint: URL): void
  worked(endpoint: URL): void
}

/** Whether the endpoint answers and sees a quorum. Never rejects. */
export type Probe = (endpoint: URL) => Promise<boolean>

const SET_ASIDE_MS: Ms = 5_000

interface Aside {
  readonly since: number
  readonly until: Instant
  readonly probing: boolean
}

export function trackEndpoints(endpoints: readonly URL[], probe: Probe, timing: Timing): Endpoints {
  const aside = new Map<URL, Aside>()
  let failures = 0

  const failed = (endpoint: URL): void => {
    const until = later(timing.now(), SET_ASIDE_MS)
    // One that keeps failing goes to the end of the queue: with all of them failing, each gets its turn.
    aside.set(endpoint, { since: ++failures, until, probing: false })
  }
  const look = async (endpoint: URL, state: Aside): Promise<void> => {
    aside.set(endpoint, { ...state, probing: true })
    const healthy = await probe(endpoint)
    if (healthy) aside.delete(endpoint)
    else failed(endpoint)
  }
  return {
    order() {
      const now = timing.now()
      for (const [endpoint, state] of aside) {
        if (!state.probing && reached(state.until, now)) void look(endpoint, state)
      }
      const waiting = [...aside].sort(([, a], [, b]) => a.since - b.since).map(([endpoint]) => endpoint)
      return [...endpoints.filter(endpoint => !aside.has(endpoint)), ...waiting]
    },
    failed,
    worked: endpoint => void aside.delete(endpoint),
  }
}

/** `host:port` and full addresses. @throws VigilError CONFIG_INVALID */
export function parseEndpoints(texts: readonly string[], secure: boolean): readonly URL[] {
  if (texts.length === 0)
    throw new VigilError('CONFIG_INVALID', { message: 'etcd3: no endpoint is configured' })
  return texts.map(text => {
    const address = text.includes('://') ? text : `${secure ? 'https' : 'http'}://${text}`
    const url = URL.canParse(address) ? new URL(address) : null
    if (url !== null && url.hostname !== '' && /^https?:$/.test(url.protocol)) return url
    const message = `etcd3: "${text}" is not an endpoint; expected host:port or http(s)://host:port`
    throw new VigilError('CONFIG_INVALID', { message })
  })
}
