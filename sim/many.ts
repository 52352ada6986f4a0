// Many seeds over all cores, and one line that says what came of them.
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { RunResult } from './simulate.ts'
import type { FromWorker, ToWorker } from './worker.ts'

export interface Seeds {
  /** What to start as a worker: this program itself. */
  readonly program: string
  readonly from: number
  readonly count: number
  readonly theme: string | null
}

export interface Outcome {
  /** In order of seeds. */
  readonly results: readonly RunResult[]
  readonly seconds: number
}

const SEEDS_PER_MESSAGE = 10
const VIOLATIONS_SHOWN = 20

/** False: a violation, named with its seed. */
export async function runMany(seeds: Seeds): Promise<boolean> {
  const { results, seconds } = await runSeeds(seeds)
  const bad = results.filter(result => result.violations.length > 0)
  for (const { seed, violations } of bad.slice(0, VIOLATIONS_SHOWN)) {
    const { invariant, text, at } = violations[0]!
    console.log(`seed ${seed}: ${invariant} at ${(at / 1000).toFixed(3)} s: ${text}`)
  }
  console.log(totals(results, seconds))
  return bad.length === 0
}

/** Hands out no more seeds when a result is what is looked for. */
export async function runSeeds(
  seeds: Seeds & { readonly until?: (result: RunResult) => boolean },
): Promise<Outcome> {
  const startedAt = performance.now()
  const results: RunResult[] = []
  let next = seeds.from
  const end = seeds.from + seeds.count
  const enough = () => next >= end || (seeds.until !== undefined && results.some(seeds.until))

  const serve = (worker: ChildProcess) =>
    new Promise<void>((resolve, reject) => {
      const handOut = () => {
        if (enough()) return void worker.send('end' satisfies ToWorker)
        const count = Math.min(SEEDS_PER_MESSAGE, end - next)
        worker.send({ from: next, count, theme: seeds.theme } satisfies ToWorker)
        next += count
      }
      worker.on('message', (answer: FromWorker) => {
        results.push(...answer)
        handOut()
      })
      worker.on('error', reject)
      worker.on('exit', code => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))))
      handOut()
    })
  const workers = Math.max(1, Math.min(availableParallelism(), Math.ceil(seeds.count / SEEDS_PER_MESSAGE)))
  await Promise.all(Array.from({ length: workers }, () => serve(fork(seeds.program, ['--worker']))))
  results.sort((a, b) => a.seed - b.seed)
  return { results, seconds: (performance.now() - startedAt) / 1000 }
}

function totals(results: readonly RunResult[], seconds: number): string {
  const sum = (of: (result: RunResult) => number) => results.reduce((total, result) => total + of(result), 0)
  const hash = createHash('sha256')
    .update(results.map(result => result.hash).join())
    .digest('hex')
    .slice(0, 16)
  const healed = results.flatMap(result => result.healedAfterMs ?? []).sort((a, b) => a - b)
  const slowest = healed[healed.length - 1] ?? 0
  return [
    `${results.length} seeds`,
    `${(sum(r => r.virtualMs) / 3_600_000).toFixed(2)} virtual hours`,
    `${sum(r => r.faults)} faults`,
    `${sum(r => r.acknowledged)} acks`,
    `${sum(r => r.promotions)} promotions`,
    `${sum(r => r.switchovers)} of them planned`,
    `${sum(r => r.violations.length)} violations`,
    `slowest recovery ${(slowest / 1000).toFixed(1)} s`,
    `hash ${hash}`,
    `${seconds.toFixed(1)} s`,
  ].join(', ')
}
