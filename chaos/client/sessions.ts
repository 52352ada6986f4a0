// A session that does one transaction after the other on whichever server accepts writes, until it is told to end.
import { setTimeout as sleep } from 'node:timers/promises'
import { serverName } from '../../test/lab/record.ts'
import type { Login, ServerAddress } from '../../test/lab/sql.ts'
import { type Connection, connect } from '../../test/lab/writer/connection.ts'
import { RETRY_MS } from '../../test/lab/writer/limits.ts'

/** One transaction. False when the connection is of no use any more. */
export type Transact = (connection: Connection, reign: string) => Promise<boolean>

export interface SessionPlan {
  readonly login: Login
  readonly intervalMs: number
  readonly stop: AbortSignal
  readonly choose: () => Promise<ServerAddress | null>
  readonly transact: Transact
}

export async function keepTransacting({
  login,
  intervalMs,
  stop,
  choose,
  transact,
}: SessionPlan): Promise<void> {
  while (!stop.aborted) {
    const server = await choose()
    if (server === null) return
    const opened = await open(server, login)
    if (opened) {
      while (!stop.aborted && (await transact(opened.connection, opened.reign))) await sleep(intervalMs)
      opened.connection.close()
    }
    await sleep(RETRY_MS)
  }
}

async function open(
  server: ServerAddress,
  login: Login,
): Promise<{ readonly connection: Connection; readonly reign: string } | null> {
  let connection: Connection | null = null
  try {
    connection = await connect(server, login)
    const { writable, timeline } = await connection.look()
    if (writable) return { connection, reign: `${serverName(server)} on timeline ${timeline}` }
  } catch {
    // The next attempt follows at once.
  }
  connection?.close()
  return null
}
