// The chaos client as a process of its own: list transactions, counters, and a few sessions that do not wait for
// standbys. Argument: the file with its plan. Ends by SIGTERM, after what is under way was answered or given up.
import { readFileSync } from 'node:fs'
import type { Entry } from '../../test/lab/record.ts'
import { changes, chooseFrom } from '../../test/lab/writer/choice.ts'
import { runSession } from '../../test/lab/writer/session.ts'
import { watchServer } from '../../test/lab/writer/watch.ts'
import type { Transaction } from '../list-append/history.ts'
import { countOn } from './counter.ts'
import { openLines } from './lines.ts'
import { type ListSource, listSource, transactOn } from './lists.ts'
import { type ClientPlan, type Count, FIRST_WEAK_CLIENT } from './plan.ts'
import { keepTransacting, type Transact } from './sessions.ts'

await main(JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ClientPlan)

async function main(plan: ClientPlan): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const change = changes(stop.signal)
  const watches = plan.servers.map(server => watchServer(server, plan.login, change.announce, stop.signal))
  const choose = () => chooseFrom(watches, change)
  const lists = openLines<Transaction>(plan.listsFile)
  const counts = openLines<Count>(plan.countsFile)
  const weak = openLines<Entry>(plan.weakFile)
  const source: ListSource = listSource()
  const run = (transact: Transact) =>
    keepTransacting({ login: plan.login, intervalMs: plan.intervalMs, stop: stop.signal, choose, transact })
  await Promise.all([
    ...numbered(plan.listSessions).map(() => run(transactOn(source, plan.isolation, lists.write))),
    ...numbered(plan.countSessions).map(client => run(countOn(client, counts.write))),
    ...numbered(plan.weakSessions).map(index =>
      runSession({
        client: FIRST_WEAK_CLIENT + index,
        login: plan.login,
        intervalMs: plan.intervalMs,
        recorder: weak,
        stop: stop.signal,
        choose,
        prepare: 'SET synchronous_commit = local',
      }),
    ),
  ])
  for (const file of [lists, counts, weak]) file.close()
  process.exit(0)
}

function numbered(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}
