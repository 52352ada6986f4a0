// One run: a cluster, clients, faults for so many minutes, healing, and a judgement.
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicNs } from '../test/lab/wait.ts'
import { drawEpisodes, type Episode, eligible } from './draw.ts'
import { gather, unequalCopies } from './evidence.ts'
import { type Finding, type Judged, judgeRun } from './judge/findings.ts'
import { endure, type Happened } from './nemesis.ts'
import type { Options } from './options.ts'
import { type Report, reportOf } from './report/report.ts'
import { type Seen, startWorkload, type Workload } from './workload.ts'
import { openWorld, type World } from './world.ts'

/** How long a cluster without faults may take to be whole. A clone and a full ttl fit in several times. */
const WHOLE_LIMIT_MS = 180_000

export async function runChaos(
  options: Options,
  stop: AbortSignal,
  progress: (line: string) => void,
): Promise<Report> {
  const world = await openWorld(options, progress)
  let keep = true
  const startedNs = monotonicNs()
  try {
    const workload = await startWorkload(world.cluster, options.isolation)
    const trouble = await withFaults(world, stop, progress)
    progress('everything is healed; judging')
    const endedNs = monotonicNs()
    const { judged, seen } = await judgement(world, workload, { startedNs, before: trouble.findings })
    const report = reportOf({
      world,
      seen,
      judged,
      happened: trouble.happened,
      startedNs,
      endedNs,
      interrupted: stop.aborted,
    })
    keep = options.keep || report.findings.length > 0
    const logs = world.close({ keep })
    return { ...report, logs }
  } catch (error) {
    const logs = world.close({ keep: true })
    throw new Error(`the run could not be finished; logs: ${logs}`, { cause: error })
  }
}

interface Trouble {
  readonly happened: readonly Happened[]
  readonly findings: readonly Finding[]
}

/** Until the time is over, somebody interrupts, or the cluster does not recover any more. */
async function withFaults(
  world: World,
  stop: AbortSignal,
  progress: (line: string) => void,
): Promise<Trouble> {
  const kinds = eligible(world.options, world.missing)
  const until = performance.now() + world.options.minutes * 60_000
  const happened: Happened[] = []
  for (const episode of drawEpisodes(world.options, kinds)) {
    progress(`${minutesLeft(until)} left; episode ${episode.number}: ${describe(episode)}`)
    const these = await endure(world, episode, kinds, stop)
    happened.push(...these)
    for (const { fault, notBegun } of these)
      if (notBegun !== null) progress(`  ${fault.name} was not begun: ${notBegun}`)
    const over = stop.aborted || performance.now() >= until
    if (over || episode.thenWhole) {
      const findings = await becomeWhole(world, episode)
      if (over || findings.length > 0) return { happened, findings }
    }
    await sleep(episode.restSeconds * 1000, null, { signal: stop }).catch(() => {})
  }
  return { happened, findings: [] }
}

async function becomeWhole(world: World, episode: Episode): Promise<readonly Finding[]> {
  try {
    await world.heal()
    await world.cluster.waitUntilWhole(WHOLE_LIMIT_MS)
    return []
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return [{ checker: 'convergence', sentence: `after episode ${episode.number}: ${why}` }]
  }
}

async function judgement(
  world: World,
  workload: Workload,
  { startedNs, before }: { readonly startedNs: number; readonly before: readonly Finding[] },
): Promise<{ readonly judged: Judged; readonly seen: Seen }> {
  const seen = await workload.stop()
  const judged = judgeRun(await gather(world, seen, startedNs))
  // Copies are only compared when the cluster is whole: what does not stream can't be equal.
  const copies = before.length === 0 ? await unequalCopies(world) : []
  return { judged: { ...judged, findings: [...before, ...judged.findings, ...copies] }, seen }
}

function describe({ faults, thenWhole }: Episode): string {
  const names = faults.map(
    ({ name, seconds, target }) => `${name} (${seconds} s${target === 0 ? ', leader' : ''})`,
  )
  return `${names.join(' + ')}${thenWhole ? ', then whole' : ''}`
}

function minutesLeft(until: number): string {
  return `${Math.max(0, (until - performance.now()) / 60_000).toFixed(1)} min`
}
