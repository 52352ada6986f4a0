// A connection of the writing client: every step has a limit, and past it the socket is destroyed, not asked to end.
import pg from 'pg'
import type { Login, ServerAddress } from '../sql.ts'
import { ANSWER_LIMIT_MS, CONNECT_LIMIT_MS } from './limits.ts'
import { LOOK } from './statement.ts'

export interface Look {
  readonly writable: boolean
  readonly timeline: number
}

export interface Connection {
  query<Row extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<Row[]>
  look(): Promise<Look>
  /** What the server warned of while it answered the last statement: a wait for a standby that was cancelled. */
  readonly warning: () => string | null
  /** Why the connection ended by itself; null while it lives. */
  readonly broken: () => string | null
  close(): void
}

/** @throws when the server does not answer in time or says no. */
export async function connect(server: ServerAddress, login: Login): Promise<Connection> {
  const client = new pg.Client({
    ...server,
    ...login,
    database: 'postgres',
    application_name: 'vigil lab writer',
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: ANSWER_LIMIT_MS,
    keepAlive: true,
  })
  let broken: string | null = null
  client.on('error', error => {
    broken ??= error.message
  })
  client.on('end', () => {
    broken ??= 'the connection ended'
  })
  let warning: string | null = null
  client.on('notice', notice => {
    if (notice.severity === 'WARNING') warning = notice.message ?? 'a warning'
  })
  const close = () => {
    client.connection.stream.destroy()
  }
  try {
    await client.connect()
  } catch (error) {
    close()
    throw error
  }
  const query = async <Row extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<Row[]> => {
    warning = null
    return (await client.query<Row>(statement)).rows
  }
  return {
    query,
    look: async () => (await query<Look & pg.QueryResultRow>({ text: LOOK, name: 'look' }))[0]!,
    warning: () => warning,
    broken: () => broken,
    close,
  }
}
