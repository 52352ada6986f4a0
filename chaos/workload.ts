// Everything that uses the cluster during a run: numbered rows, lists, counters, and sessions that do not wait.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../test/lab/cluster.ts'
import { databaseUser, giveTo } from '../test/lab/database-user.ts'
import { SUPERUSER } from '../test/lab/member.ts'
import { bundleProgram } from '../test/lab/node-program.ts'
import type { Entry } from '../test/lab/record.ts'
import { waitFor } from '../test/lab/wait.ts'
import { startWriter } from '../test/lab/writer.ts'
import { readLines } from './client/lines.ts'
import { type ClientPlan, type Count, CREATE_TABLES } from './client/plan.ts'
import type { IsolationLevel, Transaction } from './list-append/history.ts'

export interface Workload {
  rows(): readonly Entry[]
  /** Ends all clients in order and returns what they saw. */
  stop(): Promise<Seen>
}

export interface Seen {
  readonly rows: readonly Entry[]
  readonly lists: readonly Transaction[]
  readonly counts: readonly Count[]
  readonly weak: readonly Entry[]
}

const STOP_LIMIT_MS = 20_000

export async function startWorkload(cluster: Cluster, isolation: IsolationLevel): Promise<Workload> {
  const writer = await startWriter(cluster, { pinned: true, rowsPerSecond: 100 })
  const primary = await cluster.waitForPrimary()
  await primary.query(CREATE_TABLES)
  const { client, directory } = cluster.network
  const file = (name: string) => join(client.directory, name)
  const plan: ClientPlan = {
    servers: cluster.members.map(({ server }) => server),
    login: SUPERUSER,
    isolation,
    listSessions: 4,
    countSessions: 2,
    weakSessions: 1,
    intervalMs: 60,
    listsFile: file('lists.ndjson'),
    countsFile: file('counts.ndjson'),
    weakFile: file('weak.ndjson'),
  }
  const planFile = file('chaos.json')
  writeFileSync(planFile, JSON.stringify(plan), { mode: 0o600 })
  giveTo(databaseUser(), planFile)
  const command = await bundleProgram(directory, 'chaos', new URL('./client/process.ts', import.meta.url))
  const launched = client.launch('chaos', [...command, planFile])
  await waitFor('the list clients have committed', 30_000, () => readLines(plan.listsFile).length > 0)
  return {
    rows: writer.record,
    stop: async () => {
      launched.signal('SIGTERM')
      await writer.stop()
      await waitFor('the chaos client ends', STOP_LIMIT_MS, () => !launched.alive())
      return {
        rows: writer.record(),
        lists: readLines(plan.listsFile),
        counts: readLines(plan.countsFile),
        weak: readLines(plan.weakFile),
      }
    },
  }
}
