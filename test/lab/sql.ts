// One statement on one server, over a connection of its own, within a time limit.
import pg from 'pg'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface Login {
  readonly user: string
  readonly password: string
}

const LIMIT_MS = 5000

export async function query<Row extends pg.QueryResultRow>(
  server: ServerAddress,
  login: Login,
  sql: string,
  values: readonly unknown[] = [],
  limitMs: number = LIMIT_MS,
): Promise<Row[]> {
  const client = new pg.Client({
    ...server,
    ...login,
    database: 'postgres',
    application_name: 'vigil lab',
    connectionTimeoutMillis: limitMs,
    query_timeout: limitMs,
  })
  // What goes wrong on the connection also rejects the call that is under way.
  client.on('error', () => {})
  try {
    await client.connect()
    const result = await client.query<Row>(sql, [...values])
    return result.rows
  } finally {
    // Destroyed, not ended: an end waits for a server that may be gone.
    client.connection.stream.destroy()
  }
}
