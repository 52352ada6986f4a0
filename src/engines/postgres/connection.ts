// The only use of `pg`: one connection with our own limits. A wait that is given up destroys the socket, since a
// client that missed an answer can't be used again.
import { Socket } from 'node:net'
import pg from 'pg'
import type { Credentials } from './options.ts'
import { tlsAttempts } from './tls.ts'

export interface Target {
  /** A host, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly credentials: Credentials
  readonly database: string
  /** `true`: physical walsender, commands of the replication protocol only. `database`: SQL too. */
  readonly replication?: 'true' | 'database'
  /** 0: none. */
  readonly statementTimeoutMs?: number
  /** Of the session, before what the role or the database has set. Simple words only. */
  readonly parameters?: Readonly<Record<string, string>>
}

/** Every value as PostgreSQL's text. */
export type Row = Readonly<Record<string, string | null>>

export interface Connection {
  query(text: string, values: readonly (string | null)[], signal: AbortSignal): Promise<readonly Row[]>
  /** The same statement again and again: planned once a session, under this name. */
  repeat(name: string, text: string, signal: AbortSignal): Promise<readonly Row[]>
  /** Process id of the backend; null before it is known. */
  readonly pid: number | null
  /** False once it has failed or was closed. */
  usable(): boolean
  close(): void
}

const STATEMENT_TIMEOUT_MS = 10_000
const APPLICATION = 'vigil'

export async function connect(target: Target, signal: AbortSignal): Promise<Connection> {
  const attempts = await tlsAttempts(target.host, target.credentials.connection ?? {})
  for (const [index, tls] of attempts.entries()) {
    try {
      return await connectOnce(target, tls, signal)
    } catch (error) {
      // What libpq calls `prefer`: without encryption only if the server offers none.
      const next = index + 1 < attempts.length && /does not support SSL/.test(String(error))
      if (!next) throw error
    }
  }
  throw new Error('no way to connect')
}

/** Opens, uses and closes a connection within one limit. */
export async function withConnection<T>(
  target: Target,
  signal: AbortSignal,
  use: (query: (text: string, values?: readonly (string | null)[]) => Promise<readonly Row[]>) => Promise<T>,
): Promise<T> {
  const connection = await connect(target, signal)
  try {
    return await use((text, values = []) => connection.query(text, values, signal))
  } finally {
    connection.close()
  }
}

/** SQLSTATE of an error of the server, or null. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null
}

async function connectOnce(
  target: Target,
  tls: pg.ClientConfig['ssl'],
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted()
  const socket = new Socket()
  const client = new pg.Client(clientConfig(target, tls, socket))
  let usable = true
  const giveUp = () => {
    usable = false
    socket.destroy()
  }
  // Without a listener a dying server would end the agent.
  client.on('error', giveUp)
  client.on('end', giveUp)
  await within(signal, client.connect(), giveUp)
  const run = async (query: string | pg.QueryConfig, querySignal: AbortSignal) => {
    if (!usable) throw new Error('the connection is closed')
    const result: unknown = await within(querySignal, client.query(query), giveUp)
    const last = Array.isArray(result) ? result.at(-1) : result
    return (last as pg.QueryResult<Row>).rows
  }
  return {
    // The simple protocol when there are no values: walsenders know no other.
    query: (text, values, querySignal) =>
      run(values.length > 0 ? { text, values: [...values] } : text, querySignal),
    repeat: (name, text, querySignal) => run({ name, text }, querySignal),
    // Not in the types of `pg`, but in each of its versions.
    pid: (client as { processID?: number | null }).processID ?? null,
    usable: () => usable,
    close: giveUp,
  }
}

function clientConfig(target: Target, tls: pg.ClientConfig['ssl'], socket: Socket): pg.ClientConfig {
  const { credentials } = target
  const timeout = target.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
  const parameters = {
    search_path: 'pg_catalog',
    statement_timeout: String(timeout),
    ...target.parameters,
  }
  const config = {
    host: target.host,
    port: target.port,
    user: credentials.username,
    // A function, so that neither PGPASSWORD nor ~/.pgpass is looked at.
    password: () => credentials.password ?? '',
    database: target.database,
    application_name: APPLICATION,
    options: Object.entries(parameters)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    ssl: tls ?? false,
    keepAlive: true,
    stream: () => socket,
    replication: target.replication,
    // Text as it comes: what a value means is written where it is used.
    types: { getTypeParser: () => (value: string) => value },
  }
  return config as pg.ClientConfig
}

/** The outcome, or the signal's reason; `giveUp` then ends what is still running, whose own error is of no interest. */
async function within<T>(signal: AbortSignal, running: Promise<T>, giveUp: () => void): Promise<T> {
  let stop = () => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  running.catch(() => {})
  try {
    return await Promise.race([running, stopped])
  } catch (error) {
    if (signal.aborted || sqlState(error) === null) giveUp()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
