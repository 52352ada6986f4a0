// The writing client as a process of its own, with libpq's idea of several hosts: whichever accepts writes.
// Argument: the file with its plan. Ends by SIGTERM, after the statements under way were answered or given up.
import { readFileSync } from 'node:fs'
import { FIRST_PINNED_CLIENT, openRecorder } from '../record.ts'
import type { ServerAddress } from '../sql.ts'
import type { WriterPlan } from '../writer.ts'
import { changes, chooseFrom } from './choice.ts'
import { runSession } from './session.ts'
import { watchServer } from './watch.ts'

await main(JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as WriterPlan)

async function main(plan: WriterPlan): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const recorder = openRecorder(plan.file)
  const change = changes(stop.signal)
  const watches = plan.servers.map(server => watchServer(server, plan.login, change.announce, stop.signal))
  const intervalMs = (1000 * plan.sessions) / plan.rowsPerSecond
  const session = (client: number, choose: () => Promise<ServerAddress | null>) =>
    runSession({ client, login: plan.login, intervalMs, recorder, stop: stop.signal, choose })
  const roaming = Array.from({ length: plan.sessions }, (_, index) =>
    session(index, () => chooseFrom(watches, change)),
  )
  const pinned = plan.pinned
    ? watches.map((watch, index) => session(FIRST_PINNED_CLIENT + index, () => chooseFrom([watch], change)))
    : []
  await Promise.all([...roaming, ...pinned])
  recorder.close()
  process.exit(0)
}
