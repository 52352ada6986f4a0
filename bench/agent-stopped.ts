// npm run bench -- agent-stopped: the primary's agent is stopped for 60 s while clients write, also to that primary
// directly. What may be acknowledged then is limited by the guard alone.
import { parseArgs } from 'node:util'
import { judge, type Verdict } from '../test/lab/checker.ts'
import { FAULTS } from '../test/lab/faults.ts'
import { type Grant, lastGrant, oldReign } from '../test/lab/grant.ts'
import { namespacesWork } from '../test/lab/namespaces.ts'
import { type Entry, serverName } from '../test/lab/record.ts'
import { watchTerm } from '../test/lab/term-watch.ts'
import { readSurvivor, tryFault } from '../test/lab/trial.ts'
import { monotonicNs } from '../test/lab/wait.ts'
import { startWriter } from '../test/lab/writer.ts'
import { BENCH_SCOPE, CONTESTANTS, openContestant } from './lab/products.ts'

const HELP = `npm run bench -- agent-stopped [options]
  --runs N   how often (1)
  --json     a JSON object as the last line`

interface Result {
  /** After the old primary's deadline; must be 0. */
  readonly acknowledgedAfterDeadline: number
  /** Lost although the new primary's WAL had them, or acknowledged after the deadline; must be 0. */
  readonly lostWithoutExcuse: number
  /** What asynchronous replication may lose. */
  readonly lostBeforeDeadline: number
  readonly acknowledgedByOld: number
  readonly late: number
  /** Between the guard's deadline and the last acknowledgement; negative: it came earlier. */
  readonly lastAfterGuardDeadlineMs: number
  readonly stallSeconds: number
}

process.exitCode = await main()

async function main(): Promise<number> {
  const plan = readPlan()
  if (plan === null) return 1
  if (!namespacesWork()) {
    console.error('This benchmark needs network namespaces: run it as root.')
    return 1
  }
  const results: Result[] = []
  for (let run = 1; run <= plan.runs; run += 1) {
    const result = await runOnce(line => process.stderr.write(`run ${run} of ${plan.runs}: ${line}\n`))
    console.log(`\n${describe(result)}`)
    results.push(result)
  }
  if (plan.json) console.log(JSON.stringify({ results }))
  const safe = results.every(
    result => result.acknowledgedAfterDeadline + result.lostWithoutExcuse + result.late === 0,
  )
  return safe ? 0 : 1
}

async function runOnce(progress: (line: string) => void): Promise<Result> {
  const vigil = CONTESTANTS.find(({ id }) => id === 'vigil')!
  const cluster = await openContestant(vigil, progress)
  let kept = false
  const term = watchTerm(cluster.etcd, BENCH_SCOPE)
  try {
    const writer = await startWriter(cluster, { pinned: true })
    await term.waitFor('the leader serves', ({ state }) => state === 'serving')
    progress('stopping the agent of the primary for 60 s')
    const { victim, verdict: inTrial } = await tryFault(cluster, writer, FAULTS['agent-stopped'])
    progress('the agent goes on, and its member streams again')
    await writer.stop()
    const survivor = await readSurvivor(cluster)
    const record = writer.record()
    const verdict = judge(record, survivor, { fromNs: 0, faultNs: 0, untilNs: monotonicNs() })
    const grant = lastGrant(term.revisions(), { term: term.revisions()[0]!.record.term, holder: victim.name })
    return {
      ...summarise(record, verdict, serverName(victim.server), grant),
      stallSeconds: inTrial.stallSeconds,
    }
  } catch (error) {
    kept = true
    throw error
  } finally {
    term.close()
    const logs = cluster.close({ keep: kept })
    if (logs) progress(`logs: ${logs}`)
  }
}

function summarise(
  record: readonly Entry[],
  verdict: Verdict,
  old: string,
  grant: Grant,
): Omit<Result, 'stallSeconds'> {
  const byOld = oldReign(record, old)
  const afterDeadline = byOld.filter(({ atNs }) => atNs > grant.deadlineNs)
  const lateRows = new Set(afterDeadline.map(({ client, sequence }) => `${client}:${sequence}`))
  const unexcused = new Set([
    ...verdict.lostAfterReplication,
    ...verdict.lost.filter(row => lateRows.has(row)),
  ])
  return {
    acknowledgedAfterDeadline: afterDeadline.length,
    lostWithoutExcuse: unexcused.size,
    lostBeforeDeadline: verdict.lost.length - unexcused.size,
    acknowledgedByOld: byOld.length,
    late: verdict.lateAcknowledgements.length,
    lastAfterGuardDeadlineMs: Math.round((byOld.at(-1)!.atNs - grant.guardDeadlineNs) / 1e6),
  }
}

function describe(result: Result): string {
  const before = result.lastAfterGuardDeadlineMs <= 0
  return [
    `acknowledged by the old primary after its deadline:            ${result.acknowledgedAfterDeadline}`,
    `acknowledged by it, missing from the new primary, no excuse:   ${result.lostWithoutExcuse}`,
    `acknowledged by it before the deadline, not replicated in time: ${result.lostBeforeDeadline} of ${result.acknowledgedByOld}`,
    `acknowledged by it after the new primary's first:              ${result.late}`,
    `its last acknowledgement: ${Math.abs(result.lastAfterGuardDeadlineMs)} ms ${before ? 'before' : 'after'} the guard was to act`,
    `time in which no client could write: ${result.stallSeconds.toFixed(2)} s`,
  ].join('\n')
}

function readPlan(): { readonly runs: number; readonly json: boolean } | null {
  const options = { runs: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } } as const
  try {
    const { values } = parseArgs({ options })
    const runs = Number(values.runs ?? 1)
    if (!values.help && Number.isInteger(runs) && runs >= 1) return { runs, json: values.json ?? false }
    console.error(HELP)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${HELP}`)
  }
  return null
}
