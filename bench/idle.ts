// npm run bench -- idle: what the agents of a cluster cost while nothing happens, vigil and Debian's Patroni in one run.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Member } from '../test/lab/member.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { memoryOf, processorSeconds } from '../test/lab/processes.ts'
import { CONTESTANTS, type Contestant, openContestant } from './lab/products.ts'
import { align } from './lab/table.ts'

const HELP = `npm run bench -- idle [options]
  --seconds N   how long to look on (60)
  --only NAME   only this contestant; may be given several times: ${CONTESTANTS.map(({ id }) => id).join(', ')}
  --json        a JSON object as the last line`

/** Until caches are warm and the work of starting is over. */
const SETTLE_SECONDS = 20
const MEGABYTE = 1024 * 1024

interface Cost {
  readonly contestant: string
  /** Of the member that costs most: agent, and guard where there is one. */
  readonly proportionalMegabytes: number
  readonly privateMegabytes: number
  readonly processorPercent: number
  /** Of the whole cluster, each second. */
  readonly storeRevisions: number
  readonly storeLogEntries: number
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = {
    seconds: { type: 'string' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  const { values } = parseArgs({ options })
  const seconds = Number(values.seconds ?? 60)
  const wanted = values.only ?? ['vigil', 'patroni']
  const contestants = CONTESTANTS.filter(({ id }) => wanted.includes(id))
  if (values.help || !(seconds > 0) || contestants.length === 0) {
    console.error(HELP)
    return 1
  }
  if (!namespacesWork()) {
    console.error('This benchmark needs network namespaces: run it as root.')
    return 1
  }
  const costs: Cost[] = []
  for (const contestant of contestants) costs.push(await measure(contestant, seconds))
  console.log(`\nIdle for ${seconds} s, three members; memory and processor of the member that costs most.\n`)
  console.log(table(contestants, costs))
  if (values.json) console.log(JSON.stringify(costs))
  return 0
}

async function measure(contestant: Contestant, seconds: number): Promise<Cost> {
  const progress = (step: string) => process.stderr.write(`${contestant.title}: ${step}\n`)
  const cluster = await openContestant(contestant, progress)
  try {
    progress(`looking on for ${SETTLE_SECONDS + seconds} s`)
    await sleep(SETTLE_SECONDS * 1000)
    const processes = cluster.members.map(agentProcesses)
    const before = {
      writes: await cluster.etcd.writes(),
      used: processes.map(processorOf),
      at: performance.now(),
    }
    await sleep(seconds * 1000)
    const elapsed = (performance.now() - before.at) / 1000
    const writes = await cluster.etcd.writes()
    const used = processes.map((pids, index) => processorOf(pids) - before.used[index]!)
    const memory = processes.map(pids => pids.map(pid => memoryOf(pid)!))
    const most = (pick: 'proportionalBytes' | 'privateBytes') =>
      Math.max(...memory.map(parts => parts.reduce((sum, part) => sum + part[pick], 0))) / MEGABYTE
    return {
      contestant: contestant.id,
      proportionalMegabytes: most('proportionalBytes'),
      privateMegabytes: most('privateBytes'),
      processorPercent: (100 * Math.max(...used)) / elapsed,
      storeRevisions: (writes.revisions - before.writes.revisions) / elapsed,
      storeLogEntries: (writes.logEntries - before.writes.logEntries) / elapsed,
    }
  } finally {
    cluster.close()
  }
}

/** The agent and its guard; PostgreSQL itself costs the same under both. */
function agentProcesses(member: Member): readonly number[] {
  return (['agent', 'guard'] as const).flatMap(part => member.pid(part) ?? [])
}

function processorOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (processorSeconds(pid) ?? 0), 0)
}

function table(contestants: readonly Contestant[], costs: readonly Cost[]): string {
  const rows: readonly (readonly [string, (cost: Cost) => string])[] = [
    ['memory, proportional', cost => `${cost.proportionalMegabytes.toFixed(1)} MB`],
    ['memory, private', cost => `${cost.privateMegabytes.toFixed(1)} MB`],
    ['processor', cost => `${cost.processorPercent.toFixed(2)} % of a core`],
    ['store, key revisions', cost => `${cost.storeRevisions.toFixed(2)} a second`],
    ['store, log entries with leases', cost => `${cost.storeLogEntries.toFixed(2)} a second`],
  ]
  return align([
    ['', ...contestants.map(({ title }) => title)],
    ...rows.map(([name, show]) => [name, ...costs.map(show)]),
  ])
}
