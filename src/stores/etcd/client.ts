// A request to the cluster: choosing the endpoint, going on to the next one where that is harmless, and the token.
import type { Ms } from '../../kernel/time.ts'
import { jsonOf, type Refusal, refusalOf, TokenAnswer } from './answers.ts'
import { type Endpoints, trackEndpoints } from './endpoints.ts'
import { askInTurn } from './hedge.ts'
import {
  authenticationOff,
  certainlyNotApplied,
  concernsOneMember,
  isTrouble,
  tokenRefused,
} from './refusals.ts'
import {
  type AttemptLimits,
  type EtcdTls,
  openTransport,
  type StreamEvents,
  type Timing,
} from './transport.ts'

export interface Credentials {
  readonly username: string
  readonly password: string
}

export type Reply =
  | { readonly kind: 'ok'; readonly json: unknown }
  /** `notApplied`: this refusal proves that the request did nothing. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly notApplied: boolean }
  | { readonly kind: 'unsent'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string }

/**
 * `anywhere`: repeating is harmless, so every endpoint may be asked in turn. `once`: the next endpoint is asked
 * only when this one certainly did nothing.
 */
export type Repetition = 'anywhere' | 'once'

export interface Request {
  readonly path: string
  readonly body: unknown
  readonly repeat: Repetition
}

export interface Client {
  /** Never rejects. */
  call(request: Request, signal: AbortSignal): Promise<Reply>
  /** On the first healthy endpoint; reports a token that is missing or was refused like any other end. */
  stream(path: string, body: unknown, events: StreamEvents): Stream
  close(): void
}

export interface Stream {
  stop(): void
  /** The endpoint does not do what it should: the next stream goes elsewhere. */
  blame(): void
}

export interface ClientOptions {
  readonly endpoints: readonly URL[]
  readonly tls: EtcdTls
  readonly credentials: Credentials | null
  readonly attemptLimitMs: Ms
}

/** Any key will do: a linearizable read asks the quorum before it looks at permissions. */
const PROBE = {
  path: '/v3/kv/range',
  body: { key: Buffer.from('health').toString('base64'), count_only: true },
}

/** Two silent endpoints leave time for a third within one attempt. */
const PATIENCE_PART = 4

export function openClient(options: ClientOptions, timing: Timing): Client {
  const transport = openTransport(options.tls, limitsFor(options), timing)
  const never = new AbortController().signal
  let token: string | null = null
  /** False after the store has said that it knows no authentication, until it asks for it. */
  let tokenNeeded = options.credentials !== null
  let closed = false

  const exchange = async (
    endpoint: URL,
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Reply> => {
    const answer = await transport.post({ endpoint, path, body, token }, signal)
    if (answer.kind !== 'answer') return answer
    if (answer.status !== 200) {
      const refusal = refusalOf(answer.status, answer.body)
      return { kind: 'refused', refusal, notApplied: certainlyNotApplied(refusal) }
    }
    const json = jsonOf(answer.body)
    return json === undefined ? { kind: 'lost', reason: 'the answer is not JSON' } : { kind: 'ok', json }
  }

  const probe = async (endpoint: URL): Promise<boolean> => {
    const reply = await exchange(endpoint, PROBE.path, PROBE.body, never)
    return reply.kind === 'ok' || (reply.kind === 'refused' && !isTrouble(reply.refusal))
  }
  const endpoints: Endpoints = trackEndpoints(options.endpoints, probe, timing)

  /** null: go on. Otherwise why not; the caller's own request has not left, whatever became of this one. */
  const authenticate = async (endpoint: URL, signal: AbortSignal): Promise<Reply | null> => {
    if (options.credentials === null) return null
    const { username: name, password } = options.credentials
    const reply = await exchange(endpoint, '/v3/auth/authenticate', { name, password }, signal)
    if (reply.kind === 'unsent') return reply
    if (reply.kind === 'lost') return { kind: 'unsent', reason: reply.reason }
    if (reply.kind === 'refused') {
      tokenNeeded = !authenticationOff(reply.refusal)
      if (!tokenNeeded) return null
      if (isTrouble(reply.refusal)) return { kind: 'unsent', reason: reply.refusal.message }
      return { ...reply, notApplied: true }
    }
    const parsed = TokenAnswer.safeParse(reply.json)
    if (!parsed.success) return { kind: 'unsent', reason: 'no token in the answer' }
    token = parsed.data.token
    return null
  }

  const attempt = async (endpoint: URL, request: Request, signal: AbortSignal): Promise<Reply> => {
    if (token === null && tokenNeeded) {
      const obstacle = await authenticate(endpoint, signal)
      if (obstacle) return obstacle
    }
    const reply = await exchange(endpoint, request.path, request.body, signal)
    const renew = reply.kind === 'refused' && options.credentials !== null && tokenRefused(reply.refusal)
    if (!renew) return reply
    // A refused token is refused before anything happens, so the request may be sent again with a new one.
    token = null
    return (await authenticate(endpoint, signal)) ?? exchange(endpoint, request.path, request.body, signal)
  }

  const judged = async (endpoint: URL, request: Request, signal: AbortSignal): Promise<Reply> => {
    const reply = await attempt(endpoint, request, signal)
    if (faultless(reply)) endpoints.worked(endpoint)
    // An attempt that the caller's own limit cut short says nothing about the endpoint, unless it was the only
    // thing that could end it; being wrong here costs one background question.
    else endpoints.failed(endpoint)
    return reply
  }
  const patienceMs = options.attemptLimitMs / PATIENCE_PART

  return {
    async call(request, signal) {
      if (closed) return { kind: 'unsent', reason: 'closed' }
      if (request.repeat === 'anywhere')
        return askInTurn(endpoints.order(), patienceMs, timing, {
          ask: endpoint => judged(endpoint, request, signal),
          isFinal: reply => signal.aborted || !mayGoOn(reply, 'anywhere'),
          overtaken: endpoints.failed,
        })
      let last: Reply = { kind: 'unsent', reason: 'the time limit had passed already' }
      for (const endpoint of endpoints.order()) {
        if (closed || signal.aborted) break
        last = await judged(endpoint, request, signal)
        if (!mayGoOn(last, request.repeat)) break
      }
      return last
    },
    stream(path, body, events) {
      const endpoint = endpoints.order()[0]!
      const { stop } = transport.stream({ endpoint, path, body, token }, events)
      return { stop, blame: () => endpoints.failed(endpoint) }
    },
    close() {
      closed = true
      transport.close()
    },
  }
}

/** With another endpoint to turn to, a host that is gone must leave time for it. */
function limitsFor({ endpoints, attemptLimitMs }: ClientOptions): AttemptLimits {
  return { attemptMs: attemptLimitMs, connectMs: endpoints.length > 1 ? attemptLimitMs / 2 : attemptLimitMs }
}

/** An answer that any healthy endpoint might have given. */
function faultless(reply: Reply): boolean {
  return reply.kind === 'ok' || (reply.kind === 'refused' && !isTrouble(reply.refusal))
}

function mayGoOn(reply: Reply, repeat: Repetition): boolean {
  if (reply.kind === 'ok') return false
  if (reply.kind === 'unsent') return true
  if (reply.kind === 'refused' && concernsOneMember(reply.refusal)) return true
  return repeat === 'anywhere' && !faultless(reply)
}
