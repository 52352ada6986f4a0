// One HTTP exchange with one etcd endpoint, and an honest word about whether the request can have arrived.
import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { reasonOf } from '../../kernel/errors.ts'
import type { Ms } from '../../kernel/time.ts'
import type { Clock } from '../../ports/clock.ts'

export type Timing = Pick<Clock, 'now' | 'after'>

/** PEM texts. Without `ca` the system's authorities are trusted. */
export interface EtcdTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export type Exchange =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** The connection was never made: the server cannot have seen the request. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** Sent, or perhaps sent, and no answer. */
  | { readonly kind: 'lost'; readonly reason: string }

export interface Call {
  readonly endpoint: URL
  readonly path: string
  readonly body: unknown
  readonly token: string | null
}

export interface AttemptLimits {
  /** For the whole exchange. */
  readonly attemptMs: Ms
  /** For the connection alone. */
  readonly connectMs: Ms
}

export interface StreamEvents {
  line(text: string): void
  /** Once, however it ended; never after `stop`. */
  ended(reason: string): void
}

export interface Transport {
  post(call: Call, signal: AbortSignal): Promise<Exchange>
  /** A request whose answer goes on for ever, one JSON text a line. */
  stream(call: Call, events: StreamEvents): { stop(): void }
  close(): void
}

/** A hostile or broken server must not fill our memory. */
const RESPONSE_BYTES_MAX = 8 * 1024 * 1024

// After these the kernel probes a silent connection; a host that vanished is noticed without traffic.
const TCP_KEEPALIVE_MS = 5_000

export function openTransport(tls: EtcdTls, limits: AttemptLimits, timing: Timing): Transport {
  const agents = {
    plain: new http.Agent({ keepAlive: true, keepAliveMsecs: TCP_KEEPALIVE_MS, maxFreeSockets: 2 }),
    secure: new https.Agent({ ...tls, keepAlive: true, keepAliveMsecs: TCP_KEEPALIVE_MS, maxFreeSockets: 2 }),
  }
  const open = new Set<http.ClientRequest>()

  const begin = (call: Call): { request: http.ClientRequest; sent: () => boolean } => {
    const secure = call.endpoint.protocol === 'https:'
    const options = { method: 'POST', agent: secure ? agents.secure : agents.plain, headers: headersOf(call) }
    const request = (secure ? https : http).request(new URL(call.path, call.endpoint), options)
    open.add(request)
    request.on('close', () => open.delete(request))
    return { request, sent: watchSending(request, secure) }
  }

  return {
    post(call, signal) {
      if (signal.aborted)
        return Promise.resolve({ kind: 'unsent', reason: 'the time limit had passed already' })
      const { request, sent } = begin(call)
      return exchanged(request, sent, { ...limits, call, signal, timing })
    },
    stream(call, events) {
      return streamed(begin(call).request, call, events)
    },
    close() {
      for (const request of [...open]) request.destroy(new Error('closed'))
      agents.plain.destroy()
      agents.secure.destroy()
    },
  }
}

interface Attempt extends AttemptLimits {
  readonly call: Call
  readonly signal: AbortSignal
  readonly timing: Timing
}

function exchanged(request: http.ClientRequest, sent: () => boolean, attempt: Attempt): Promise<Exchange> {
  const { call, signal, attemptMs, connectMs, timing } = attempt
  return new Promise(resolve => {
    const giveUp = () => request.destroy(new Error('the time limit passed'))
    const cancelLimit = timing.after(attemptMs, () =>
      request.destroy(new Error(`no answer within ${attemptMs} ms`)),
    )
    let cancelConnect = () => {}
    // Not for a connection that is used again: a timer that was cancelled still wakes the process.
    request.on('socket', ({ connecting }) => {
      if (!connecting) return
      cancelConnect = timing.after(connectMs, () => {
        if (!sent()) request.destroy(new Error(`no connection within ${connectMs} ms`))
      })
    })
    signal.addEventListener('abort', giveUp, { once: true })
    const settle = (exchange: Exchange) => {
      cancelLimit()
      cancelConnect()
      signal.removeEventListener('abort', giveUp)
      resolve(exchange)
    }
    const fail = (error: unknown) => {
      const reason = `${call.endpoint.host}: ${reasonOf(error) || 'connection failed'}`
      settle(sent() ? { kind: 'lost', reason } : { kind: 'unsent', reason })
    }
    request.on('error', fail)
    request.on('response', response => {
      collect(response, body => settle({ kind: 'answer', status: response.statusCode ?? 0, body }), fail)
    })
    request.end(JSON.stringify(call.body))
  })
}

function collect(
  response: http.IncomingMessage,
  done: (body: string) => void,
  fail: (error: unknown) => void,
): void {
  const chunks: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > RESPONSE_BYTES_MAX) response.destroy(new Error('the answer is too long'))
    else chunks.push(chunk)
  })
  response.on('end', () => done(Buffer.concat(chunks).toString('utf8')))
  // Also emitted when the answer is cut off before its end.
  response.on('error', fail)
}

function streamed(request: http.ClientRequest, call: Call, events: StreamEvents): { stop(): void } {
  let over = false
  const end = (reason: string) => {
    if (over) return
    over = true
    request.destroy()
    events.ended(`${call.endpoint.host}: ${reason}`)
  }
  request.on('error', error => end(reasonOf(error)))
  request.on('response', response => {
    let rest = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      // Lines arrive several in a chunk, or in pieces.
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (!over && line.trim() !== '') events.line(line)
      if (rest.length > RESPONSE_BYTES_MAX) end('a line is too long')
    })
    response.on('error', error => end(reasonOf(error)))
    response.on('close', () => {
      // A refusal comes instead of the stream, and without an end of line.
      if (!over && rest.trim() !== '') events.line(rest)
      end('the stream ended')
    })
  })
  request.end(JSON.stringify(call.body))
  return {
    stop: () => {
      over = true
      request.destroy()
    },
  }
}

/**
 * Node keeps a request back until the connection is made (with TLS: until the server has proved who it is), so
 * before that nothing can have arrived. A connection that is used again may have carried it at once.
 */
function watchSending(request: http.ClientRequest, secure: boolean): () => boolean {
  let sent = false
  request.on('socket', (socket: Socket) => {
    if (!socket.connecting && (request.reusedSocket || !secure)) sent = true
    else {
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        sent = true
      })
    }
  })
  return () => sent
}

function headersOf(call: Call): http.OutgoingHttpHeaders {
  return {
    'content-type': 'application/json',
    // A member that knows no leader refuses at once instead of letting us wait (and ends its watches).
    'grpc-metadata-hasleader': 'true',
    ...(call.token === null ? {} : { authorization: call.token }),
  }
}
