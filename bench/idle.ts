// npm run bench -- idle: what a cluster costs that has nothing to do: memory and processor time of what runs beside
// PostgreSQL, and writes to the store. vigil and Debian's Patroni, one after the other on the same hosts.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Member, Part } from '../test/lab/member.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { memoryOf, processorSeconds } from '../test/lab/processes.ts'
import { CONTESTANTS, type Contestant, openContestant } from './lab/products.ts'
import { align } from './lab/table.ts'

const HELP = `npm run bench -- idle [options]
  --seconds N   how long to look at each (60)
  --only NAME   only this contestant; may be given several times: ${CONTESTANTS.map(({ id }) => id).join(', ')}
  --json        a JSON object as the last line`

/** Of agent and guard together, for each member; and of the cluster. */
const GOALS = { memoryMegabytes: 90, processorPercent: 1, writesPerSecond: 2 }
const DEFAULT = ['vigil', 'patroni', 'patroni-fastest']
/** Clones have ended, code is compiled, the first configuration is written. */
const SETTLE_SECONDS = 20
const MEGABYTE = 1024 * 1024

interface Cost {
  readonly megabytes: number
  readonly privateMegabytes: number
  readonly percent: number
}

interface MemberCost {
  readonly name: string
  readonly leads: boolean
  readonly agent: Cost
  /** vigil's only. */
  readonly guard: Cost | null
}

interface Measured {
  readonly contestant: string
  readonly members: readonly MemberCost[]
  readonly writesPerSecond: number
  /** What the store's nodes write to disk, keep-alives of leases included. */
  readonly logEntriesPerSecond: number
}

process.exitCode = await main()

async function main(): Promise<number> {
  const plan = readPlan()
  if (plan === null) return 1
  if (!namespacesWork()) {
    console.error('This benchmark needs network namespaces: run it as root.')
    return 1
  }
  const measured: Measured[] = []
  for (const contestant of plan.contestants) measured.push(await measure(contestant, plan.seconds))
  console.log(
    `\nAn idle cluster of three members, looked at for ${plan.seconds} s. Memory is proportional (Pss);`,
  )
  console.log('processor time is in percent of one core.\n')
  console.log(formatTable(plan.contestants, measured))
  const missed = measured.filter((_, index) => plan.contestants[index]!.kind === 'vigil').flatMap(misses)
  for (const sentence of missed) console.log(`MISSED: ${sentence}`)
  if (plan.json) console.log(JSON.stringify({ goals: GOALS, measured }))
  return missed.length === 0 ? 0 : 1
}

async function measure(contestant: Contestant, seconds: number): Promise<Measured> {
  const progress = (step: string) => process.stderr.write(`${contestant.title}: ${step}\n`)
  const cluster = await openContestant(contestant, progress)
  try {
    const primary = await cluster.waitUntilWhole()
    await sleep(SETTLE_SECONDS * 1000)
    progress(`looking for ${seconds} s`)
    const before = cluster.members.map(partsOf)
    const writesBefore = await cluster.etcd.writes()
    const startedAt = performance.now()
    await sleep(seconds * 1000)
    const elapsed = (performance.now() - startedAt) / 1000
    const writes = await cluster.etcd.writes()
    const members = cluster.members.map((member, index) => ({
      name: member.name,
      leads: member === primary,
      ...costs(before[index]!, elapsed),
    }))
    return {
      contestant: contestant.id,
      members,
      writesPerSecond: (writes.revisions - writesBefore.revisions) / elapsed,
      logEntriesPerSecond: (writes.logEntries - writesBefore.logEntries) / elapsed,
    }
  } finally {
    cluster.close()
  }
}

interface Watched {
  readonly pid: number
  readonly usedBefore: number
}

type Parts = { readonly agent: Watched; readonly guard: Watched | null }

function partsOf(member: Member): Parts {
  const watch = (part: Part): Watched | null => {
    const pid = member.pid(part)
    return pid === null ? null : { pid, usedBefore: processorSeconds(pid)! }
  }
  return { agent: watch('agent')!, guard: watch('guard') }
}

function costs({ agent, guard }: Parts, elapsed: number): Pick<MemberCost, 'agent' | 'guard'> {
  const cost = ({ pid, usedBefore }: Watched): Cost => {
    const { proportionalBytes, privateBytes } = memoryOf(pid)!
    return {
      megabytes: proportionalBytes / MEGABYTE,
      privateMegabytes: privateBytes / MEGABYTE,
      percent: ((processorSeconds(pid)! - usedBefore) / elapsed) * 100,
    }
  }
  return { agent: cost(agent), guard: guard === null ? null : cost(guard) }
}

function total({ agent, guard }: MemberCost): Cost {
  return {
    megabytes: agent.megabytes + (guard?.megabytes ?? 0),
    privateMegabytes: agent.privateMegabytes + (guard?.privateMegabytes ?? 0),
    percent: agent.percent + (guard?.percent ?? 0),
  }
}

function misses({ members, writesPerSecond }: Measured): readonly string[] {
  const { memoryMegabytes, processorPercent } = GOALS
  const found = members.flatMap(member => {
    const { megabytes, percent } = total(member)
    return [
      ...(megabytes > memoryMegabytes ? [`${member.name}: ${megabytes.toFixed(1)} MB`] : []),
      ...(percent > processorPercent ? [`${member.name}: ${percent.toFixed(2)} % of a core`] : []),
    ]
  })
  return writesPerSecond > GOALS.writesPerSecond
    ? [...found, `${writesPerSecond.toFixed(2)} writes a second`]
    : found
}

function formatTable(contestants: readonly Contestant[], measured: readonly Measured[]): string {
  const cell = (cost: Cost | null) =>
    cost === null ? ['-', '-'] : [`${cost.megabytes.toFixed(1)} MB`, `${cost.percent.toFixed(2)} %`]
  const header = [
    '',
    'member',
    'agent',
    '',
    'guard',
    '',
    'together',
    '',
    '(private)',
    'writes/s',
    'log entries/s',
  ]
  const rows = measured.flatMap(({ contestant, members, writesPerSecond, logEntriesPerSecond }) =>
    members.map((member, index) => [
      index === 0 ? contestants.find(({ id }) => id === contestant)!.title : '',
      member.leads ? `${member.name}, leads` : member.name,
      ...cell(member.agent),
      ...cell(member.guard),
      ...cell(total(member)),
      `${total(member).privateMegabytes.toFixed(1)} MB`,
      ...(index === 0 ? [writesPerSecond.toFixed(2), logEntriesPerSecond.toFixed(2)] : ['', '']),
    ]),
  )
  const goals = [
    'goal for vigil',
    '',
    '',
    '',
    '',
    '',
    `${GOALS.memoryMegabytes} MB`,
    `${GOALS.processorPercent} %`,
    '',
    `${GOALS.writesPerSecond}`,
    '',
  ]
  return align([header, ...rows, goals])
}

interface Plan {
  readonly contestants: readonly Contestant[]
  readonly seconds: number
  readonly json: boolean
}

function readPlan(): Plan | null {
  const options = {
    seconds: { type: 'string' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  try {
    const { values } = parseArgs({ options })
    const seconds = Number(values.seconds ?? 60)
    const only = values.only ?? DEFAULT
    const unknown = only.find(name => !CONTESTANTS.some(({ id }) => id === name))
    if (values.help || unknown !== undefined || !(seconds > 0)) {
      console.error(unknown === undefined ? HELP : `There is no "${unknown}" here.\n${HELP}`)
      return null
    }
    const contestants = CONTESTANTS.filter(({ id }) => only.includes(id))
    return { contestants, seconds, json: values.json ?? false }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
    return null
  }
}
