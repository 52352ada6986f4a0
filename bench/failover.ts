// npm run bench -- failover: the same faults, hosts, client and load against vigil and Debian's Patroni, in one run.
import { parseArgs } from 'node:util'
import { FAULTS, type FaultName } from '../test/lab/faults.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { CONTESTANTS, type Contestant, MODES, type Mode } from './lab/products.ts'
import { runSeries, type Series } from './lab/series.ts'
import { formatSafety, formatTable, summarise } from './lab/table.ts'

const HELP = `npm run bench -- failover [options]
  --runs N      runs of each fault (5)
  --only NAME   only this contestant or this fault; may be given several times
                contestants: ${CONTESTANTS.map(({ id }) => id).join(', ')}
                faults: ${Object.keys(FAULTS).join(', ')}
  --mode MODE   ${MODES.join(', ')} (async); Patroni here has no quorum and takes "on" for it
  --json        a JSON object as the last line`

interface Plan {
  readonly contestants: readonly Contestant[]
  readonly faults: readonly FaultName[]
  readonly runs: number
  readonly mode: Mode
  readonly json: boolean
}

const REPLICATION: Readonly<Record<Mode, string>> = {
  async: 'asynchronous replication',
  on: 'synchronous_mode on',
  quorum: 'synchronous_mode quorum',
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
  const series: Series[] = []
  for (const contestant of plan.contestants)
    series.push(
      ...(await runSeries({ contestant, faults: plan.faults, runs: plan.runs, mode: plan.mode }, progress)),
    )
  const summaries = series.map(summarise)
  console.log(
    `\nTime without an acknowledged write: median of ${plan.runs} (least to most). Three members and three etcd, each in a`,
  )
  console.log(`network namespace; ${REPLICATION[plan.mode]}; 4 sessions, 200 single-row commits a second.\n`)
  console.log(formatTable(plan.contestants, summaries))
  console.log(`\n${formatSafety(plan.contestants, summaries)}`)
  if (plan.json) console.log(JSON.stringify({ contestants: plan.contestants, summaries, series }))
  const vigil = new Set(plan.contestants.filter(({ kind }) => kind === 'vigil').map(({ id }) => id))
  const unsafe = summaries.filter(
    ({ contestant, rowsLost }) => plan.mode !== 'async' && vigil.has(contestant) && rowsLost > 0,
  )
  for (const { contestant, fault, rowsLost } of unsafe)
    console.log(`MISSED: ${contestant}, ${fault}: ${rowsLost} acknowledged rows lost`)
  return unsafe.length > 0 || summaries.some(({ failed }) => failed > 0) ? 1 : 0
}

function readPlan(): Plan | null {
  const options = {
    runs: { type: 'string' },
    only: { type: 'string', multiple: true },
    mode: { type: 'string', default: 'async' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  try {
    const { values } = parseArgs({ options })
    const runs = Number(values.runs ?? 5)
    const only = values.only ?? []
    const wrong = only.find(name => !(name in FAULTS) && !CONTESTANTS.some(({ id }) => id === name))
    const mode = MODES.find(name => name === values.mode)
    if (values.help || wrong !== undefined || mode === undefined || !Number.isInteger(runs) || runs < 1) {
      console.error(wrong === undefined ? HELP : `There is no "${wrong}" here.\n${HELP}`)
      return null
    }
    const contestants = CONTESTANTS.filter(({ id }) => only.includes(id))
    const faults = (Object.keys(FAULTS) as FaultName[]).filter(name => only.includes(name))
    return {
      contestants: contestants.length > 0 ? contestants : CONTESTANTS.filter(({ onRequest }) => !onRequest),
      faults: faults.length > 0 ? faults : (Object.keys(FAULTS) as FaultName[]),
      runs,
      mode,
      json: values.json ?? false,
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
    return null
  }
}
