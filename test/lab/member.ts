// A member of a cluster under test: an agent on a host, its PostgreSQL, and every way of hurting them. The product
// (vigil, Patroni) only differs in how the agent is configured and started.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import type { Host, Launched, LaunchOptions } from './host.ts'
import { commandLine, isAlive, processState, sendSignal } from './processes.ts'
import { type Login, query, type ServerAddress } from './sql.ts'
import { waitFor } from './wait.ts'

export interface Product {
  readonly name: string
  /** Writes what the agent needs on its host and returns the command that runs it in the foreground. */
  prepare(host: Host): readonly string[]
  readonly dataDirectory: (host: Host) => string
  /** Whom the agent is started as; the database user by default. */
  readonly as?: LaunchOptions['as']
}

export const SUPERUSER: Login = { user: 'postgres', password: 'lab-superuser' }

/** What runs on a member's host and can be hit. The guard is vigil's only. */
export type Part = 'agent' | 'guard' | 'postmaster'

export interface RestAnswer {
  readonly status: number
  readonly body: string
}

export interface Member {
  readonly name: string
  readonly host: Host
  readonly product: Product
  readonly server: ServerAddress
  readonly restUrl: string
  readonly dataDirectory: string
  /** Starts the agent. */
  start(): void
  /** Asks the agent to end (SIGTERM) and waits until it has. */
  stop(limitMs?: number): Promise<void>
  /** Process id of a part, null when it does not run. */
  pid(part: Part): number | null
  /** @throws when that part does not run: a fault that hits nothing would prove nothing. */
  signal(part: Part, signal: NodeJS.Signals): number
  agentAlive(): boolean
  rest(
    path: string,
    options?: { readonly method?: string; readonly body?: unknown; readonly limitMs?: number },
  ): Promise<RestAnswer>
  query<Row extends pg.QueryResultRow>(
    sql: string,
    values?: readonly unknown[],
    limitMs?: number,
  ): Promise<Row[]>
  /** Whether PostgreSQL says that it is not in recovery; false when it does not answer. */
  writable(limitMs?: number): Promise<boolean>
  /** The agent's log so far. */
  log(): string
}

const REST_LIMIT_MS = 3000

export function memberOn(host: Host, product: Product): Member {
  const server = { host: host.address, port: host.port('postgres') }
  const restUrl = `http://${host.address}:${host.port('rest')}`
  const dataDirectory = product.dataDirectory(host)
  let command: readonly string[] | null = null
  let agent: Launched | null = null

  const pid = (part: Part): number | null => {
    if (part === 'agent') return agent?.alive() ? agent.pid : null
    return part === 'postmaster' ? postmasterPid(dataDirectory) : guardPid(host, dataDirectory)
  }
  const ask: Member['query'] = (sql, values, limitMs) => query(server, SUPERUSER, sql, values, limitMs)
  return {
    name: host.name,
    host,
    product,
    server,
    restUrl,
    dataDirectory,
    start: () => {
      if (agent?.alive()) throw new Error(`the agent of ${host.name} runs already`)
      command ??= product.prepare(host)
      agent = host.launch('agent', command, { as: product.as ?? 'database-user' })
    },
    stop: async (limitMs = 60_000) => {
      agent?.signal('SIGTERM')
      await waitFor(`the agent of ${host.name} ends`, limitMs, () => !agent?.alive())
    },
    pid,
    signal: (part, signal) => {
      const target = pid(part)
      if (target === null || !sendSignal(target, signal))
        throw new Error(`${host.name} has no running ${part} to send ${signal}`)
      return target
    },
    agentAlive: () => agent?.alive() ?? false,
    rest: async (path, { method = 'GET', body, limitMs = REST_LIMIT_MS } = {}) => {
      const answer = await fetch(restUrl + path, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        signal: AbortSignal.timeout(limitMs),
      })
      return { status: answer.status, body: await answer.text() }
    },
    query: ask,
    writable: async (limitMs = 1000) => {
      try {
        const rows = await ask<{ recovering: boolean }>(
          'SELECT pg_is_in_recovery() AS recovering',
          [],
          limitMs,
        )
        return rows[0]?.recovering === false
      } catch {
        return false
      }
    },
    log: () => (agent === null ? '' : readFileSync(agent.logFile, 'utf8')),
  }
}

function postmasterPid(dataDirectory: string): number | null {
  try {
    const pid = Number(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')[0])
    // The file outlives a postmaster that was killed, and its number may be somebody else's by now.
    return pid > 0 && isAlive(pid) && /postgres/.test(processState(pid)?.command ?? '') ? pid : null
  } catch {
    return null
  }
}

/** The guard is the postmaster's parent; while none runs it is known by its program. */
function guardPid(host: Host, dataDirectory: string): number | null {
  const isGuard = (pid: number) => commandLine(pid).some(argument => /\bguard\.(mjs|ts)$/.test(argument))
  const postmaster = postmasterPid(dataDirectory)
  const parent = postmaster === null ? null : (processState(postmaster)?.parent ?? null)
  if (parent !== null && isGuard(parent)) return parent
  return host.processes().find(pid => isGuard(pid) && isAlive(pid)) ?? null
}
