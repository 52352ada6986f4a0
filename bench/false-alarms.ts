// npm run bench -- false-alarms: a cluster that is well and looks ill: busy processors, a store that pauses and elects,
// packets that get lost. Nobody may take over. Counts the suspicions that were raised and taken back.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Cluster } from '../test/lab/cluster.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { losePackets } from '../test/lab/packets.ts'
import { FIRST_PINNED_CLIENT } from '../test/lab/record.ts'
import { watchTerm } from '../test/lab/term-watch.ts'
import { stateDirectoryOf } from '../test/lab/vigil.ts'
import { startWriter } from '../test/lab/writer.ts'
import { BENCH_SCOPE, CONTESTANTS, MODES, type Mode, openContestant } from './lab/products.ts'
import { align } from './lab/table.ts'

const HELP = `npm run bench -- false-alarms [options]
  --minutes N   in each mode (10)
  --mode MODE   ${MODES.join(', ')}; may be given several times (async and quorum)
  --json        a JSON object as the last line`

const PAUSE_MS = 300
const BETWEEN_PAUSES_MS = 2000
const ELECTION_SECONDS = 20
const LOSS_PERCENT = 10

interface Result {
  readonly mode: Mode
  readonly failovers: number
  readonly pauses: number
  readonly elections: number
  /** Times at which a candidate began to ask for seals, members gave one, and took it back. */
  readonly asked: number
  readonly sealed: number
  readonly unsealed: number
  readonly acknowledged: number
  readonly errors: number
  readonly longestStallSeconds: number
}

process.exitCode = await main()

async function main(): Promise<number> {
  const plan = readPlan()
  if (plan === null) return 1
  if (!namespacesWork()) {
    console.error('This benchmark needs network namespaces: run it as root.')
    return 1
  }
  const progress = (line: string) =>
    process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)
  const results: Result[] = []
  for (const mode of plan.modes)
    results.push(await bear(mode, plan.minutes, line => progress(`${mode}: ${line}`)))
  console.log(
    `\nttl 10, ${plan.minutes} minutes each: ${availableParallelism()} busy loops, the store paused for ${PAUSE_MS} ms every ${BETWEEN_PAUSES_MS / 1000} s,`,
  )
  console.log(
    `its leader moved every ${ELECTION_SECONDS} s, ${LOSS_PERCENT} % of the packets to each host lost.\n`,
  )
  console.log(formatTable(results))
  if (plan.json) console.log(JSON.stringify({ results }))
  return results.every(({ failovers }) => failovers === 0) ? 0 : 1
}

async function bear(mode: Mode, minutes: number, progress: (line: string) => void): Promise<Result> {
  const vigil = CONTESTANTS.find(({ id }) => id === 'vigil')!
  const cluster = await openContestant(vigil, progress, { mode })
  const term = watchTerm(cluster.etcd, BENCH_SCOPE)
  let failovers = 0
  try {
    const writer = await startWriter(cluster)
    const first = await term.waitFor('the leader serves', ({ state }) => state === 'serving')
    const before = sealsOf(cluster)
    progress('the trouble begins')
    const { pauses, elections } = await trouble(cluster, minutes)
    await writer.stop()
    failovers = term.latest()!.term - first.term
    const after = sealsOf(cluster)
    const rows = writer.record().filter(({ client }) => client < FIRST_PINNED_CLIENT)
    const times = rows.filter(({ kind }) => kind === 'acknowledged').map(({ atNs }) => atNs)
    const gaps = times.toSorted((a, b) => a - b).map((at, index, all) => at - (all[index - 1] ?? at))
    return {
      mode,
      failovers,
      pauses,
      elections,
      asked: after.asked - before.asked,
      sealed: after.sealed - before.sealed,
      unsealed: after.unsealed - before.unsealed,
      acknowledged: times.length,
      errors: rows.filter(({ kind }) => kind !== 'acknowledged' && kind !== 'connected').length,
      longestStallSeconds: gaps.reduce((most, gap) => Math.max(most, gap), 0) / 1e9,
    }
  } finally {
    term.close()
    const logs = cluster.close({ keep: failovers > 0 })
    if (logs) progress(`logs: ${logs}`)
  }
}

async function trouble(cluster: Cluster, minutes: number): Promise<{ pauses: number; elections: number }> {
  const busy = Array.from({ length: availableParallelism() }, startLoop)
  const undo = cluster.network.hosts.map(host => losePackets(host, LOSS_PERCENT))
  const until = performance.now() + minutes * 60_000
  const running = () => performance.now() < until
  try {
    const [pauses, elections] = await Promise.all([pauseStore(cluster, running), elect(cluster, running)])
    return { pauses, elections }
  } finally {
    for (const loop of busy) loop.kill('SIGKILL')
    for (const one of undo) one()
  }
}

/** Ends with this process, whatever ends it. */
function startLoop(): ChildProcess {
  const program = `setInterval(() => { if (process.ppid !== ${process.pid}) process.exit() ; for (const until = Date.now() + 1000; Date.now() < until;) {} }, 0)`
  return spawn(process.execPath, ['-e', program], { stdio: 'ignore' })
}

async function pauseStore({ etcd }: Cluster, running: () => boolean): Promise<number> {
  let pauses = 0
  while (running()) {
    await sleep(BETWEEN_PAUSES_MS)
    for (const node of etcd.nodes) node.pause()
    await sleep(PAUSE_MS)
    for (const node of etcd.nodes) node.resume()
    pauses += 1
  }
  return pauses
}

async function elect({ etcd }: Cluster, running: () => boolean): Promise<number> {
  let elections = 0
  while (running()) {
    await sleep(ELECTION_SECONDS * 1000)
    // It may be paused at that moment: the next turn comes.
    const moved = await etcd.moveLeader().then(
      () => true,
      () => false,
    )
    if (moved) elections += 1
  }
  return elections
}

/** From the decisions that members keep. */
function sealsOf(cluster: Cluster): { asked: number; sealed: number; unsealed: number } {
  const rules = cluster.members.flatMap(({ host }) =>
    ['decisions.jsonl.1', 'decisions.jsonl'].flatMap(file => rulesIn(join(stateDirectoryOf(host), file))),
  )
  const count = (...wanted: readonly string[]) => rules.filter(rule => wanted.includes(rule)).length
  return { asked: count('ask-seals'), sealed: count('seal'), unsealed: count('unseal') }
}

function rulesIn(file: string): readonly string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map(line => (JSON.parse(line) as { rule: string }).rule)
  } catch {
    // Not written yet.
    return []
  }
}

function formatTable(results: readonly Result[]): string {
  const header = [
    'mode',
    'failovers',
    'pauses',
    'elections',
    'asked for seals',
    'sealed',
    'undone',
    'rows',
    'errors',
    'longest stall',
  ]
  return align([
    header,
    ...results.map(result => [
      result.mode,
      String(result.failovers),
      String(result.pauses),
      String(result.elections),
      String(result.asked),
      String(result.sealed),
      String(result.unsealed),
      String(result.acknowledged),
      String(result.errors),
      `${result.longestStallSeconds.toFixed(2)} s`,
    ]),
  ])
}

interface Plan {
  readonly minutes: number
  readonly modes: readonly Mode[]
  readonly json: boolean
}

function readPlan(): Plan | null {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '10' },
        mode: { type: 'string', multiple: true, default: ['async', 'quorum'] },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const minutes = Number(values.minutes)
    const wrong = values.mode.find(name => !MODES.some(mode => mode === name))
    if (!values.help && wrong === undefined && minutes > 0)
      return { minutes, modes: MODES.filter(mode => values.mode.includes(mode)), json: values.json }
    console.error(wrong === undefined ? HELP : `There is no mode "${wrong}".\n${HELP}`)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
  }
  return null
}
