// One session of the writing client: numbered single-row inserts at a steady pace, each outcome recorded.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Recorder, serverName } from '../record.ts'
import type { Login, ServerAddress } from '../sql.ts'
import { monotonicNs } from '../wait.ts'
import { type Connection, connect } from './connection.ts'
import { RETRY_MS } from './limits.ts'
import { INSERT } from './statement.ts'

export interface SessionOptions {
  readonly client: number
  readonly login: Login
  readonly intervalMs: number
  readonly recorder: Recorder
  readonly stop: AbortSignal
  /** What the session says first on each connection. */
  readonly prepare?: string
  /** The server to write to now; waits until there is one. null when the session is to end. */
  readonly choose: () => Promise<ServerAddress | null>
}

/** Writes until `stop`; a statement under way then is still waited for and recorded. */
export async function runSession(options: SessionOptions): Promise<void> {
  let sequence = 0
  while (!options.stop.aborted) {
    const server = await options.choose()
    if (server === null) return
    const target = await open(server, options)
    if (target === null) {
      await sleep(RETRY_MS)
      continue
    }
    sequence = await writeUntilTrouble(target, sequence, options)
    target.connection.close()
  }
}

/** A connection to a server that accepts writes. */
interface Target {
  readonly server: ServerAddress
  readonly connection: Connection
  readonly timeline: number
}

/** null when the server can't be reached or does not accept writes; neither is an error that an application would see. */
async function open(
  server: ServerAddress,
  { client, login, recorder, prepare }: SessionOptions,
): Promise<Target | null> {
  let connection: Connection | null = null
  try {
    connection = await connect(server, login)
    const { writable, timeline } = await connection.look()
    if (writable) {
      if (prepare !== undefined) await connection.query({ text: prepare })
      recorder.write({ kind: 'connected', client, atNs: monotonicNs(), server: serverName(server), timeline })
      return { server, connection, timeline }
    }
  } catch {
    // The next attempt follows at once.
  }
  connection?.close()
  return null
}

/** Returns the next number to use. */
async function writeUntilTrouble(target: Target, first: number, options: SessionOptions): Promise<number> {
  const { server, connection, timeline } = target
  const { client, intervalMs, recorder, stop } = options
  const name = serverName(server)
  let sequence = first
  let nextAt = performance.now()
  while (!stop.aborted) {
    const idle = connection.broken()
    if (idle !== null) {
      recorder.write({
        kind: 'broken',
        client,
        sequence: -1,
        atNs: monotonicNs(),
        server: name,
        reason: idle,
      })
      return sequence
    }
    const sentNs = monotonicNs()
    try {
      const rows = await connection.query<{ position: string }>({
        name: 'insert',
        text: INSERT,
        values: [client, sequence],
      })
      const atNs = monotonicNs()
      const warning = connection.warning()
      recorder.write(
        warning === null
          ? {
              kind: 'acknowledged',
              client,
              sequence,
              sentNs,
              atNs,
              server: name,
              timeline,
              insertedAt: rows[0]!.position,
            }
          : // The wait for a standby was cancelled: the row is there, and nobody has promised that it stays.
            { kind: 'unknown', client, sequence, atNs, server: name, reason: warning },
      )
      sequence += 1
    } catch (error) {
      const kind = certainlyRefused(error) ? 'refused' : 'unknown'
      recorder.write({ kind, client, sequence, atNs: monotonicNs(), server: name, reason: describe(error) })
      return sequence + 1
    }
    nextAt = Math.max(nextAt + intervalMs, performance.now())
    await sleep(Math.max(0, nextAt - performance.now()))
  }
  return sequence
}

/** An answer of the server that excludes a commit. Ends of sessions and cancellations (class 57, 08) don't: they may come after it. */
export function certainlyRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code !== undefined && !/^(57|08|58|XX)/.test(error.code)
}

export function describe(error: unknown): string {
  if (error instanceof pg.DatabaseError) return `${error.code} ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
