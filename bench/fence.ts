// npm run bench -- fence: everything that should stop a primary is hurt, one after the other, in asynchronous and in
// synchronous mode. What its clients were told then is compared with its deadline and with its successor.
import { parseArgs } from 'node:util'
import type { Cluster } from '../test/lab/cluster.ts'
import type { Fault } from '../test/lab/faults.ts'
import { acknowledgedAfter, lastGrant } from '../test/lab/grant.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { serverName } from '../test/lab/record.ts'
import { type TermWatch, watchTerm } from '../test/lab/term-watch.ts'
import { tryFault } from '../test/lab/trial.ts'
import { monotonicNs } from '../test/lab/wait.ts'
import { startWriter, type Writer } from '../test/lab/writer.ts'
import { FENCE_FAULTS, type FenceFaultName } from './lab/fence-faults.ts'
import { BENCH_SCOPE, CONTESTANTS, MODES, type Mode, openContestant } from './lab/products.ts'
import { align, median } from './lab/table.ts'

const NAMES = Object.keys(FENCE_FAULTS) as FenceFaultName[]
const HELP = `npm run bench -- fence [options]
  --runs N      runs of each fault (3)
  --mode MODE   ${MODES.join(', ')}; may be given several times (async and quorum)
  --only FAULT  may be given several times: ${NAMES.join(', ')}
  --json        a JSON object as the last line`

interface Result {
  readonly mode: Mode
  readonly fault: FenceFaultName
  readonly lost: number
  /** Although the new primary's WAL had them; never allowed. */
  readonly lostAfterReplication: number
  /** Acknowledged by the old primary after what its last renewal granted; never allowed. */
  readonly afterDeadline: number
  /** Acknowledged by it after its successor's first acknowledgement; never allowed. */
  readonly afterSuccessor: number
  readonly seconds: number
  readonly failed: string | null
}

interface Bench {
  readonly cluster: Cluster
  readonly writer: Writer
  readonly term: TermWatch
  untilNs: number
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
  for (const mode of plan.modes) results.push(...(await runMode(mode, plan, progress)))
  console.log('\nThree members, ttl 10; clients on every member, 200 single-row commits a second.\n')
  console.log(formatTable(plan, results))
  const broken = results.filter(result => !safe(result))
  for (const { mode, fault, failed } of broken)
    console.log(`MISSED: ${mode}, ${fault}${failed ? `: ${failed}` : ''}`)
  if (plan.json) console.log(JSON.stringify({ results }))
  return broken.length > 0 ? 1 : 0
}

function safe({ mode, lost, lostAfterReplication, afterDeadline, afterSuccessor, failed }: Result): boolean {
  const promised = mode === 'async' ? lostAfterReplication : lost
  return failed === null && promised + afterDeadline + afterSuccessor === 0
}

async function runMode(mode: Mode, plan: Plan, progress: (line: string) => void): Promise<readonly Result[]> {
  const results: Result[] = []
  let bench: Bench | null = null
  try {
    for (const fault of plan.faults) {
      for (let run = 1; run <= plan.runs; run += 1) {
        bench ??= await openBench(mode, progress)
        const result = await runOnce(bench, mode, fault)
        progress(`${mode}: ${FENCE_FAULTS[fault].title}, run ${run} of ${plan.runs}: ${describe(result)}`)
        results.push(result)
        if (result.failed === null) continue
        progress(`logs of that run: ${close(bench, true)}`)
        bench = null
      }
    }
  } finally {
    if (bench) close(bench, false)
  }
  return results
}

async function openBench(mode: Mode, progress: (line: string) => void): Promise<Bench> {
  const vigil = CONTESTANTS.find(({ id }) => id === 'vigil')!
  const cluster = await openContestant(vigil, progress, { mode, layers: 'full' })
  const term = watchTerm(cluster.etcd, BENCH_SCOPE)
  await term.waitFor('the leader serves', ({ state }) => state === 'serving')
  return { cluster, term, writer: await startWriter(cluster, { pinned: true }), untilNs: 0 }
}

function close({ cluster, term }: Bench, keep: boolean): string | null {
  term.close()
  return cluster.close({ keep })
}

async function runOnce(bench: Bench, mode: Mode, name: FenceFaultName): Promise<Result> {
  const { cluster, writer, term } = bench
  const before = { term: 0, faultNs: 0 }
  const fault: Fault = {
    ...FENCE_FAULTS[name],
    apply: async (under, primary) => {
      Object.assign(before, { term: term.latest()!.term, faultNs: monotonicNs() })
      await FENCE_FAULTS[name].apply(under, primary)
    },
  }
  try {
    const { victim, verdict, untilNs } = await tryFault(cluster, writer, fault, { fromNs: bench.untilNs })
    bench.untilNs = untilNs
    const { deadlineNs } = lastGrant(term.revisions(), { term: before.term, holder: victim.name })
    const late = acknowledgedAfter(writer.record(), serverName(victim.server), before.faultNs, deadlineNs)
    return {
      mode,
      fault: name,
      lost: verdict.lost.length,
      lostAfterReplication: verdict.lostAfterReplication.length,
      afterDeadline: late,
      afterSuccessor: verdict.lateAcknowledgements.length,
      seconds: verdict.stallSeconds,
      failed: null,
    }
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error)
    const nothing = { lost: 0, lostAfterReplication: 0, afterDeadline: 0, afterSuccessor: 0, seconds: 0 }
    return { mode, fault: name, ...nothing, failed }
  }
}

function describe({ lost, afterDeadline, afterSuccessor, seconds, failed }: Result): string {
  if (failed !== null) return `FAILED, ${failed}`
  return `${seconds.toFixed(2)} s, ${lost} lost, ${afterDeadline} after the deadline, ${afterSuccessor} after the successor`
}

function formatTable({ modes, faults }: Plan, results: readonly Result[]): string {
  const header = [
    'fault',
    'mode',
    'runs',
    'lost',
    'of them replicated',
    'after its deadline',
    'after its successor',
    'seconds',
  ]
  const rows = faults.flatMap(fault =>
    modes.map(mode => {
      const own = results.filter(result => result.fault === fault && result.mode === mode)
      const good = own.filter(({ failed }) => failed === null)
      const sum = (pick: (result: Result) => number) =>
        String(good.reduce((total, each) => total + pick(each), 0))
      const seconds = good.map(result => result.seconds)
      const range = `${median(seconds)?.toFixed(2)} (${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)})`
      return [
        FENCE_FAULTS[fault].title,
        mode,
        good.length === own.length ? String(own.length) : `${good.length} of ${own.length}`,
        sum(({ lost }) => lost),
        sum(({ lostAfterReplication }) => lostAfterReplication),
        sum(({ afterDeadline }) => afterDeadline),
        sum(({ afterSuccessor }) => afterSuccessor),
        good.length === 0 ? '-' : range,
      ]
    }),
  )
  return align([header, ...rows])
}

interface Plan {
  readonly modes: readonly Mode[]
  readonly faults: readonly FenceFaultName[]
  readonly runs: number
  readonly json: boolean
}

function readPlan(): Plan | null {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string', default: '3' },
        mode: { type: 'string', multiple: true, default: ['async', 'quorum'] },
        only: { type: 'string', multiple: true, default: [...NAMES] },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const runs = Number(values.runs)
    const modes = MODES.filter(mode => values.mode.includes(mode))
    const faults = NAMES.filter(name => values.only.includes(name))
    const known: readonly string[] = [...MODES, ...NAMES]
    const wrong = [...values.mode, ...values.only].find(name => !known.includes(name))
    if (!values.help && wrong === undefined && Number.isInteger(runs) && runs >= 1)
      return { modes, faults, runs, json: values.json }
    console.error(wrong === undefined ? HELP : `There is no "${wrong}" here.\n${HELP}`)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
  }
  return null
}
