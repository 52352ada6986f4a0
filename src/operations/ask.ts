// One HTTP request to a member: what peers and the command line are built on.
import http from 'node:http'
import https from 'node:https'
import type { Ms } from '../kernel/time.ts'

export interface ClientTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  /** Certificates are not checked. */
  readonly insecure?: boolean
}

export interface Question {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

export interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}

export interface HttpClient {
  /** @throws when no whole answer came. Redirects are not followed: an address from the store names one place. */
  ask(url: string, question: Question): Promise<Reply>
  close(): void
}

/** No answer of a member is larger. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const IDLE_MS: Ms = 4000

export function createHttpClient(tls: ClientTls = {}): HttpClient {
  const pool = { keepAlive: true, maxSockets: 4, maxFreeSockets: 2, timeout: IDLE_MS }
  const { insecure, ...files } = tls
  const plain = new http.Agent(pool)
  const secure = new https.Agent({
    ...pool,
    ...files,
    rejectUnauthorized: insecure !== true,
    minVersion: 'TLSv1.2',
  })
  const agentFor = (url: URL) => (url.protocol === 'https:' ? secure : plain)
  return {
    async ask(url, question) {
      const target = new URL(url)
      if (target.protocol !== 'http:' && target.protocol !== 'https:')
        throw new Error(`not an HTTP address: ${url}`)
      try {
        return await once(target, agentFor(target), question)
      } catch (error) {
        // The other side may have closed a kept connection just when it was used again; a fresh one tells.
        const stale = error instanceof StaleConnection && (question.method ?? 'GET') === 'GET'
        if (!stale) throw error
        return once(target, agentFor(target), question)
      }
    },
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}

class StaleConnection extends Error {}

function once(url: URL, agent: http.Agent, question: Question): Promise<Reply> {
  const { method = 'GET', body, headers = {}, signal } = question
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  const request = (url.protocol === 'https:' ? https : http).request
  return new Promise<Reply>((resolve, reject) => {
    const outgoing = request(url, {
      method,
      agent,
      signal,
      headers: {
        accept: 'application/json, text/plain',
        ...(payload && { 'content-type': 'application/json', 'content-length': payload.length }),
        ...headers,
      },
    })
    outgoing.on('error', error => {
      const reset = outgoing.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
      reject(reset ? new StaleConnection(error.message) : error)
    })
    outgoing.on('response', response => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > ANSWER_BYTES_MAX) response.destroy(new Error('the answer is too long'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    outgoing.end(payload)
  })
}

export function basicAuthorization(credentials: {
  readonly username: string
  readonly password: string | null
}): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password ?? ''}`).toString('base64')}`
}
