// Keeps an eye on one server: which of them accepts writes is known within a retry interval, by one connection each
// instead of one for each session, so that looking does not slow down what is looked at.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Login, ServerAddress } from '../sql.ts'
import { type Connection, connect } from './connection.ts'
import { RETRY_MS } from './limits.ts'

export interface Watch {
  readonly server: ServerAddress
  /** The timeline on which the server accepts writes; null while it does not, or is not known to. */
  writableOn(): number | null
}

/** Looks until `stop` is aborted, and calls `changed` whenever the server starts or stops accepting writes. */
export function watchServer(
  server: ServerAddress,
  login: Login,
  changed: () => void,
  stop: AbortSignal,
): Watch {
  let timeline: number | null = null
  const set = (value: number | null) => {
    if (value === timeline) return
    timeline = value
    changed()
  }
  void look(server, login, set, stop)
  return { server, writableOn: () => timeline }
}

async function look(
  server: ServerAddress,
  login: Login,
  set: (timeline: number | null) => void,
  stop: AbortSignal,
): Promise<void> {
  let connection: Connection | null = null
  while (!stop.aborted) {
    try {
      connection ??= await connect(server, login)
      const seen = await connection.look()
      set(seen.writable ? seen.timeline : null)
    } catch {
      set(null)
      connection?.close()
      connection = null
    }
    await sleep(RETRY_MS)
  }
  connection?.close()
}
