// Servers that answer as a test wants, in the place of etcd.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type EtcdOptions, type EtcdStore, openEtcd } from '../../src/stores/etcd/etcd.ts'

export type Handler = (
  path: string,
  body: string,
  response: http.ServerResponse,
  request: http.IncomingMessage,
) => void

export const WAIT_MS = 30_000
export const header = { cluster_id: '17', member_id: '1', revision: '5', raft_term: '2' }

/** The machine's clock, and a way to let time pass. */
let skewMs = 0
export function passTime(ms: number): void {
  skewMs += ms
}
const clock = {
  now: () => ({ mono: performance.now() + skewMs, boot: performance.now() + skewMs }),
  after: (ms: number, callback: () => void) => {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

/** Serves `handlers`, one endpoint each, while `use` runs. */
export async function serving(
  handlers: readonly Handler[],
  use: (kv: EtcdStore, ports: readonly number[]) => Promise<void>,
  options: Partial<EtcdOptions> = {},
): Promise<void> {
  const servers = handlers.map(handler =>
    http.createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8')
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => handler(request.url ?? '', body, response, request))
    }),
  )
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  const kv = openEtcd(
    {
      endpoints: ports.map(port => `127.0.0.1:${port}`),
      attemptLimitMs: 400,
      ...options,
    },
    clock,
  )
  try {
    await use(kv, ports)
  } finally {
    kv.close()
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
  }
}

export const answering =
  (body: unknown, status = 200): Handler =>
  (_path, _body, response) => {
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(typeof body === 'string' ? body : JSON.stringify(body))
  }
export const refusing = (code: number, message: string, status = 503): Handler =>
  answering({ error: message, message, code }, status)
export const applying = answering({ header, succeeded: true })
export const silent: Handler = () => {}
export const counted = (handler: Handler): { handler: Handler; calls: string[] } => {
  const calls: string[] = []
  return {
    calls,
    handler: (path, body, response, request) => {
      calls.push(path)
      handler(path, body, response, request)
    },
  }
}
