// A child process that runs the seeds it is given and sends back what came of each.
import { type RunResult, simulate } from './simulate.ts'

export interface SeedRange {
  readonly from: number
  readonly count: number
  /** See Plan. */
  readonly theme: string | null
}

export type ToWorker = SeedRange | 'end'
export type FromWorker = readonly RunResult[]

/** Runs until it is told to end. */
export function serveSeeds(): Promise<boolean> {
  return new Promise(resolve => {
    let queue: Promise<void> = Promise.resolve()
    const run = async ({ from, count, theme }: SeedRange) => {
      const results: RunResult[] = []
      for (let seed = from; seed < from + count; seed++)
        results.push(withoutLog(await simulate({ seed, theme })))
      process.send?.(results satisfies FromWorker)
    }
    process.on('disconnect', () => resolve(true))
    process.on('message', (message: ToWorker) => {
      if (message === 'end') resolve(true)
      else queue = queue.then(() => run(message))
    })
  })
}

function withoutLog({ log: _log, ...result }: Awaited<ReturnType<typeof simulate>>): RunResult {
  return result
}
