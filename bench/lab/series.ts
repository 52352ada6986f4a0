// The same faults, several times each, against one contestant. A run that goes wrong is a result too: it is kept as
// such, and the next one starts on a new cluster.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../test/lab/cluster.ts'
import { FAULTS, type FaultName } from '../../test/lab/faults.ts'
import { tryFault } from '../../test/lab/trial.ts'
import { startWriter, type Writer } from '../../test/lab/writer.ts'
import { type Contestant, type Mode, openContestant } from './products.ts'

export type Run =
  | {
      readonly kind: 'measured'
      readonly stallSeconds: number
      readonly errors: number
      readonly acknowledged: number
      readonly lost: number
      /** Lost although the new primary's WAL had them. */
      readonly lostAfterReplication: number
      /** Acknowledged by an old primary after the new one's first acknowledgement. */
      readonly late: number
    }
  | { readonly kind: 'failed'; readonly reason: string }

export interface Series {
  readonly contestant: string
  readonly fault: FaultName
  readonly runs: readonly Run[]
}

/** After a start, in ttls: longer than any wait that is counted from there. */
const SETTLE_TTLS = 1.2

interface Bench {
  readonly cluster: Cluster
  readonly writer: Writer
  untilNs: number
}

export interface SeriesPlan {
  readonly contestant: Contestant
  readonly faults: readonly FaultName[]
  readonly runs: number
  readonly mode: Mode
}

export async function runSeries(
  { contestant, faults, runs, mode }: SeriesPlan,
  progress: (line: string) => void,
): Promise<readonly Series[]> {
  const results: Series[] = []
  let bench: Bench | null = null
  try {
    for (const fault of faults) {
      const done: Run[] = []
      for (let run = 1; run <= runs; run += 1) {
        bench ??= await openBench(contestant, mode, progress)
        // A member that has just started may have promised a leader to wait, and forgotten it: it takes nothing over
        // early. That of the run before has just started.
        if (mode !== 'async') await sleep(contestant.timings.ttl * 1000 * SETTLE_TTLS)
        const result = await runOnce(bench, fault)
        progress(`${contestant.title}: ${FAULTS[fault].title}, run ${run} of ${runs}: ${describe(result)}`)
        done.push(result)
        if (result.kind === 'failed') {
          progress(`logs of that run: ${bench.cluster.close({ keep: true })}`)
          bench = null
        }
      }
      results.push({ contestant: contestant.id, fault, runs: done })
    }
  } finally {
    bench?.cluster.close()
  }
  return results
}

async function openBench(
  contestant: Contestant,
  mode: Mode,
  progress: (line: string) => void,
): Promise<Bench> {
  progress(`${contestant.title}: starting three members`)
  const cluster = await openContestant(contestant, step => progress(`${contestant.title}: ${step}`), { mode })
  const writer = await startWriter(cluster, { pinned: true })
  return { cluster, writer, untilNs: 0 }
}

async function runOnce(bench: Bench, fault: FaultName): Promise<Run> {
  try {
    const { verdict, untilNs } = await tryFault(bench.cluster, bench.writer, FAULTS[fault], {
      fromNs: bench.untilNs,
    })
    bench.untilNs = untilNs
    return {
      kind: 'measured',
      stallSeconds: verdict.stallSeconds,
      errors: verdict.errors,
      acknowledged: verdict.acknowledged,
      lost: verdict.lost.length,
      lostAfterReplication: verdict.lostAfterReplication.length,
      late: verdict.lateAcknowledgements.length,
    }
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
}

function describe(run: Run): string {
  if (run.kind === 'failed') return `FAILED, ${run.reason}`
  const late = run.late > 0 ? `, TWO PRIMARIES (${run.late} late acknowledgements)` : ''
  return `stall ${run.stallSeconds.toFixed(2)} s, ${run.errors} errors, ${run.lost} rows lost${late}`
}
