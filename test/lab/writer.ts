// The writing client of a test: started on the client's host, read while it runs, judged afterwards.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { databaseUser, giveTo } from './database-user.ts'
import type { Launched } from './host.ts'
import { SUPERUSER } from './member.ts'
import { bundleProgram } from './node-program.ts'
import { type Acknowledged, type Entry, FIRST_PINNED_CLIENT, openRecordReader, serverName } from './record.ts'
import type { Login, ServerAddress } from './sql.ts'
import { waitFor } from './wait.ts'
import { CREATE_TABLE } from './writer/statement.ts'

/** What the client's process is told. */
export interface WriterPlan {
  readonly servers: readonly ServerAddress[]
  readonly login: Login
  /** Sessions that go wherever writes are accepted; together they write `rowsPerSecond`. */
  readonly sessions: number
  readonly rowsPerSecond: number
  /** One more session for each server that never leaves it: it catches a second primary. */
  readonly pinned: boolean
  readonly file: string
}

export interface Writer {
  record(): readonly Entry[]
  /** Waits until a roaming session is acknowledged after `afterNs`, by another server than `not` if given. */
  waitForAcknowledgement(options: ResumeOptions): Promise<Acknowledged>
  /** Ends the client in order; the record stays readable. */
  stop(): Promise<void>
}

export interface WriterOptions {
  readonly sessions?: number
  readonly rowsPerSecond?: number
  readonly pinned?: boolean
}

export interface ResumeOptions {
  readonly afterNs: number
  /** By another server than this one. */
  readonly not?: ServerAddress
  /** Over a connection that was made after `afterNs`: the old one may answer a last time. */
  readonly reconnected?: boolean
  /** A session that keeps to one server counts too. */
  readonly pinned?: boolean
  readonly limitMs?: number
}

let started = 0

/** Makes the table if it is missing, starts the client, and returns once it is acknowledged. */
export async function startWriter(cluster: Cluster, options: WriterOptions = {}): Promise<Writer> {
  const primary = await cluster.waitForPrimary()
  await primary.query(CREATE_TABLE)
  started += 1
  const { client, directory } = cluster.network
  const plan: WriterPlan = {
    servers: cluster.members.map(member => member.server),
    login: SUPERUSER,
    sessions: options.sessions ?? 4,
    rowsPerSecond: options.rowsPerSecond ?? 200,
    pinned: options.pinned ?? false,
    file: join(client.directory, `writer-${started}.ndjson`),
  }
  const planFile = join(client.directory, `writer-${started}.json`)
  const user = databaseUser()
  // In a file: arguments are public.
  writeFileSync(planFile, JSON.stringify(plan), { mode: 0o600 })
  giveTo(user, planFile)
  const command = await bundleProgram(directory, 'writer', new URL('./writer/process.ts', import.meta.url))
  const launched = client.launch(`writer-${started}`, [...command, planFile])
  const writer = makeWriter(plan.file, launched)
  await writer.waitForAcknowledgement({ afterNs: 0, limitMs: 30_000 })
  return writer
}

function makeWriter(file: string, launched: Launched): Writer {
  const record = openRecordReader(file)
  return {
    record,
    waitForAcknowledgement: options => {
      const what = `a client is acknowledged${options.not ? ` by another server than ${serverName(options.not)}` : ''}`
      return waitFor(what, options.limitMs ?? 90_000, () => {
        if (!launched.alive())
          throw new Error(`the writer ended: ${readFileSync(launched.logFile, 'utf8').slice(-500)}`)
        return findResumed(record(), options)
      })
    },
    stop: async () => {
      launched.signal('SIGTERM')
      await waitFor('the writer ends', 15_000, () => !launched.alive())
    },
  }
}

function findResumed(
  record: readonly Entry[],
  { afterNs, not, reconnected, pinned }: ResumeOptions,
): Acknowledged | null {
  const counted = record.filter(entry => pinned === true || entry.client < FIRST_PINNED_CLIENT)
  const connection = reconnected
    ? counted.find(entry => entry.kind === 'connected' && entry.atNs > afterNs)
    : null
  if (connection === undefined) return null
  const since = connection?.atNs ?? afterNs
  const unwanted = not ? serverName(not) : null
  const acknowledged = counted.filter(entry => entry.kind === 'acknowledged')
  return acknowledged.find(entry => entry.sentNs > since && entry.server !== unwanted) ?? null
}
