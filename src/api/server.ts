// The REST interface: listens, bounds what a client may cost, and hands requests to the operations.
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { RestConfig } from '../config/local-config.ts'
import { reasonOf, VigilError } from '../kernel/errors.ts'
import type { Desk } from '../operations/desk.ts'
import type { Log } from '../ports/log.ts'
import { createAccessCheck } from './access.ts'
import { createHandler } from './handler.ts'
import { serverTls } from './tls.ts'

export interface ApiServer {
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  /** New rules and certificates; the addresses stay what they were. */
  reload(rest: RestConfig): Promise<void>
  close(): Promise<void>
}

/** A client that costs more than this is cut off; the agent's own work comes first. */
const LIMITS = {
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 16 * 1024,
} as const
const CONNECTIONS_MAX = 256
const CONNECTIONS_PER_ADDRESS_MAX = 64
const REQUESTS_PER_CONNECTION_MAX = 10_000

/** @throws VigilError PORT_IN_USE, CONFIG_INVALID */
export async function openApi(desk: Desk, rest: RestConfig, log: Log): Promise<ApiServer> {
  let access = createAccessCheck(rest)
  const handler = createHandler({ desk, log, access: request => access(request) })
  const servers: http.Server[] = []
  try {
    for (const host of rest.listen.hosts) servers.push(await listen(rest, { host, handler }))
  } catch (error) {
    await Promise.all(servers.map(stop))
    throw error
  }
  return {
    addresses: servers.map(addressOf),
    async reload(next) {
      const tls = next.scheme === 'https' ? await serverTls(next) : null
      for (const server of servers) if (tls && server instanceof https.Server) server.setSecureContext(tls)
      // A change between HTTP and HTTPS needs a restart; half of a change would open what should be closed.
      access = createAccessCheck({ ...next, scheme: rest.scheme, verifyClient: rest.verifyClient })
    },
    async close() {
      await Promise.all(servers.map(stop))
    },
  }
}

interface Listening {
  readonly host: string
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void
}

async function listen(rest: RestConfig, { host, handler }: Listening): Promise<http.Server> {
  const server =
    rest.scheme === 'https'
      ? https.createServer({ ...LIMITS, ...(await serverTls(rest)) }, handler)
      : http.createServer(LIMITS, handler)
  server.maxConnections = CONNECTIONS_MAX
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX
  limitPerAddress(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(listenError(error, host, rest.listen.port)))
    server.listen({ host: host === '*' ? '::' : host, port: rest.listen.port }, resolve)
  })
  // A client that breaks off in the middle is no reason to end.
  server.on('error', () => {})
  return server
}

/** One client must not take all connections. */
function limitPerAddress(server: http.Server): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    if (count > CONNECTIONS_PER_ADDRESS_MAX) {
      socket.destroy()
      return
    }
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): VigilError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const details = { address, purpose: 'the REST interface', key: 'restapi.listen' }
  if (error.code === 'EADDRINUSE') return new VigilError('PORT_IN_USE', details, { cause: error })
  return new VigilError(
    'CONFIG_INVALID',
    { message: `restapi.listen ${address}: ${reasonOf(error)}` },
    { cause: error },
  )
}

function addressOf(server: http.Server): { readonly host: string; readonly port: number } {
  const address = server.address()
  return typeof address === 'object' && address
    ? { host: address.address, port: address.port }
    : { host: '', port: 0 }
}

async function stop(server: http.Server): Promise<void> {
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
