// npm run bench -- cost: what safety costs in throughput. pgbench against vigil's cluster and against the same
// PostgreSQL with the same settings and standbys and nobody beside it, in turns, in one run.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Cluster } from '../test/lab/cluster.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { fillTables, type Load, measure } from './lab/pgbench.ts'
import { makePlain, type Plain } from './lab/plain.ts'
import { CONTESTANTS, MODES, type Mode, openContestant } from './lab/products.ts'
import { align, median } from './lab/table.ts'

const MEMBERS = [1, 3] as const

const HELP = `npm run bench -- cost [options]
  --rounds N    each measures both (6)
  --seconds N   of one measurement (20)
  --clients N   of pgbench (8)
  --members N   ${MEMBERS.join(' or ')} (${MEMBERS[0]}): what the primary's machine pays; or with standbys, their agents and
                three etcd on this machine too, where every member's own cost counts against the one measured
  --mode MODE   ${MODES.join(', ')} (async); the others with 3 members
  --json        a JSON object as the last line`

const GOAL_PERCENT = 98
const SCALE = 10
/** Clones and checkpoints of the start have ended. */
const SETTLE_MS = 8000

interface Round {
  readonly vigil: number
  readonly plain: number
}

interface Plan extends Load {
  readonly rounds: number
  readonly members: number
  readonly mode: Mode
  readonly json: boolean
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
  const vigil = CONTESTANTS.find(({ id }) => id === 'vigil')!
  const cluster = await openContestant(vigil, progress, {
    mode: plan.mode,
    members: plan.members,
    layers: 'full',
  })
  try {
    const grade = await gradeOf(cluster)
    const rounds = await measureRounds(cluster, plan, progress)
    return report(plan, rounds, grade)
  } finally {
    cluster.close()
  }
}

async function measureRounds(
  cluster: Cluster,
  plan: Plan,
  progress: (line: string) => void,
): Promise<readonly Round[]> {
  const plain = await prepare(cluster, progress)
  const rounds: Round[] = []
  for (let round = 1; round <= plan.rounds; round += 1) {
    // ABBA: what grows with time falls on both alike.
    const vigilFirst = round % 2 === 1
    const before = vigilFirst ? await withVigil(cluster, plan) : await withPlain(cluster, plain, plan)
    const after = vigilFirst ? await withPlain(cluster, plain, plan) : await withVigil(cluster, plan)
    const result = vigilFirst ? { vigil: before, plain: after } : { vigil: after, plain: before }
    progress(
      `round ${round} of ${plan.rounds}: vigil ${result.vigil.toFixed(0)}, plain ${result.plain.toFixed(0)} transactions a second`,
    )
    rounds.push(result)
  }
  return rounds
}

/** Leaves both stopped, with the same tables. */
async function prepare(cluster: Cluster, progress: (line: string) => void): Promise<Plain> {
  const primary = await cluster.waitUntilWhole()
  const { client } = cluster.network
  progress('filling the tables of both')
  await fillTables(client, primary.host, SCALE)
  const plain = await makePlain(cluster, primary)
  await stopVigil(cluster)
  await plain.start()
  await fillTables(client, plain.primary, SCALE)
  await plain.stop()
  return plain
}

async function withVigil(cluster: Cluster, load: Load): Promise<number> {
  for (const member of cluster.members) member.start()
  const primary = await cluster.waitUntilWhole(180_000)
  await sleep(SETTLE_MS)
  const rate = await measure(cluster.network.client, primary.host, load)
  await stopVigil(cluster)
  return rate
}

async function withPlain(cluster: Cluster, plain: Plain, load: Load): Promise<number> {
  await plain.start()
  await sleep(SETTLE_MS)
  const rate = await measure(cluster.network.client, plain.primary, load)
  await plain.stop()
  return rate
}

/** Standbys first: nobody is to take over. */
async function stopVigil(cluster: Cluster): Promise<void> {
  const primary = await cluster.waitForPrimary()
  for (const member of cluster.members.filter(each => each !== primary)) await member.stop()
  await primary.stop()
}

interface Fencing {
  readonly grade: string
  readonly layers: readonly string[]
}

/** What the status says of the fencing in force. */
async function gradeOf(cluster: Cluster): Promise<string> {
  const primary = await cluster.waitUntilWhole()
  const { body } = await primary.rest('/status')
  const { fencing } = (JSON.parse(body) as { readonly member: { readonly fencing: Fencing } }).member
  return `${fencing.grade} (${fencing.layers.join(', ')})`
}

function report(plan: Plan, rounds: readonly Round[], grade: string): number {
  const vigil = median(rounds.map(round => round.vigil))!
  const plain = median(rounds.map(round => round.plain))!
  const percent = (vigil / plain) * 100
  const paired = median(rounds.map(round => (round.vigil / round.plain) * 100))!
  const number = (value: number) => value.toFixed(1)
  console.log(
    `\npgbench, ${plan.clients} clients, ${plan.seconds} s, scale ${SCALE}, prepared; ${plan.mode}; ${plan.members === 1 ? 'no standby' : 'two standbys'} in both; ${processor()}.\n`,
  )
  console.log(
    align([
      ['round', 'vigil', 'plain', 'percent'],
      ...rounds.map((round, index) => [
        String(index + 1),
        number(round.vigil),
        number(round.plain),
        number((round.vigil / round.plain) * 100),
      ]),
      ['median', number(vigil), number(plain), number(percent)],
    ]),
  )
  console.log(`\nmedian of the rounds' own percentages: ${number(paired)}; goal: ${GOAL_PERCENT}`)
  console.log(`fencing in force: ${grade}`)
  if (plan.json) console.log(JSON.stringify({ rounds, vigil, plain, percent, paired }))
  return percent >= GOAL_PERCENT ? 0 : 1
}

function processor(): string {
  return /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor'
}

function readPlan(): Plan | null {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '6' },
        seconds: { type: 'string', default: '20' },
        clients: { type: 'string', default: '8' },
        members: { type: 'string', default: '1' },
        mode: { type: 'string', default: 'async' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const [rounds, seconds, clients] = [values.rounds, values.seconds, values.clients].map(Number)
    const mode = MODES.find(name => name === values.mode)
    const good = [rounds, seconds, clients].every(value => Number.isInteger(value) && value! >= 1)
    const members = MEMBERS.find(count => String(count) === values.members)
    // A rule for commits needs somebody who confirms them.
    const possible = members === 3 || (members === 1 && mode === 'async')
    if (!values.help && good && mode && members && possible)
      return { rounds: rounds!, seconds: seconds!, clients: clients!, members, mode, json: values.json }
    console.error(HELP)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
  }
  return null
}
