// One fault, from a whole cluster to a whole cluster, and what its clients saw.
import { setTimeout as sleep } from 'node:timers/promises'
import { judge, parseHistory, type Survivor, type Verdict, violations } from './checker.ts'
import type { Cluster } from './cluster.ts'
import type { Fault } from './faults.ts'
import type { Member } from './member.ts'
import { serverName } from './record.ts'
import { monotonicNs, waitFor } from './wait.ts'
import { ROWS } from './writer/statement.ts'
import type { Writer } from './writer.ts'

export interface Trial {
  readonly victim: Member
  readonly verdict: Verdict
  /** What must never happen, as sentences. */
  readonly violations: readonly string[]
  /** Where the next trial's window begins. */
  readonly untilNs: number
}

export interface TrialOptions {
  /** End of the trial before; from the writer's start by default. */
  readonly fromNs?: number
  /** How long clients may take to write again. */
  readonly limitMs?: number
  /** Bring the cluster back to health afterwards; true by default. */
  readonly repair?: boolean
}

export async function tryFault(
  cluster: Cluster,
  writer: Writer,
  fault: Fault,
  options: TrialOptions = {},
): Promise<Trial> {
  const limitMs = options.limitMs ?? 120_000
  const victim = await cluster.waitUntilWhole()
  const faultNs = monotonicNs()
  const applied = fault.apply(cluster, victim)
  const elsewhere = fault.resumes === 'elsewhere' || fault.resumes === 'second'
  const resumed = writer.waitForAcknowledgement({
    afterNs: faultNs,
    reconnected: fault.resumes === 'elsewhere' || fault.resumes === 'anywhere',
    pinned: fault.resumes === 'second',
    limitMs,
    ...(elsewhere ? { not: victim.server } : {}),
  })
  await Promise.all([applied, resumed])
  await sleep(fault.observeSeconds * 1000)
  const untilNs = monotonicNs()
  const survivor = await readSurvivor(cluster)
  const verdict = judge(writer.record(), survivor, { fromNs: options.fromNs ?? 0, faultNs, untilNs })
  if (options.repair ?? true) {
    await fault.repair(cluster, victim)
    await cluster.waitUntilWhole()
  }
  return { victim, verdict, violations: violations(verdict), untilNs }
}

/** The table and the history of the primary; of two, of the one on the higher timeline. */
export async function readSurvivor(cluster: Cluster): Promise<Survivor> {
  return waitFor('the primary can be read', 60_000, async () => {
    const found = await Promise.all(cluster.members.map(readPrimary))
    const primaries = found.filter(survivor => survivor !== null)
    return primaries.toSorted((a, b) => b.timeline - a.timeline)[0] ?? null
  })
}

/** null when this member is not reachable or in recovery. */
async function readPrimary(member: Member): Promise<Survivor | null> {
  if (!(await member.writable())) return null
  const [current] = await member.query<{ timeline: string }>(
    `SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline`,
  )
  const timeline = Number.parseInt(current!.timeline, 16)
  const history = timeline === 1 ? '' : await readHistory(member, current!.timeline)
  const rows = await member.query<{ client: number; sequence: string }>(ROWS, [], 30_000)
  return {
    server: serverName(member.server),
    timeline,
    history: parseHistory(history),
    rows: new Set(rows.map(({ client, sequence }) => `${client}:${sequence}`)),
  }
}

async function readHistory(member: Member, timeline: string): Promise<string> {
  const [file] = await member.query<{ text: string }>(
    `SELECT pg_read_file('pg_wal/${timeline}.history') AS text`,
  )
  return file!.text
}
