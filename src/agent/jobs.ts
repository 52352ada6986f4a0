// Long work, one at a time: visible as state, and never waited for inside a tick.
import type { Job, JobOrder } from '../core/job.ts'
import { reasonOf } from '../kernel/errors.ts'
import type { Context } from './context.ts'
import { done, type Outcome, stopped } from './outcome.ts'

const LIMITS_MS: Readonly<Record<JobOrder['kind'], number>> = {
  initialise: 300_000,
  clone: 7 * 86_400_000,
  rewind: 86_400_000,
  checkpoint: 3_600_000,
  'prepare-cluster': 60_000,
  'discard-replaced': 3_600_000,
}

export function runJob(context: Context, order: JobOrder): Outcome {
  if (context.job?.state === 'running') return stopped(`a ${context.job.order.kind} is running`)
  const { clock, log } = context.ports
  const term = context.ports.guard.status()?.status.term ?? null
  const begun = { order, startedAt: clock.now(), progress: null }
  context.job = { ...begun, state: 'running' }
  log.info('job started', { job: order.kind })
  const end = (job: Job) => {
    context.job = job
    context.wake()
  }
  void work(context, order, clock.limit(LIMITS_MS[order.kind]))
    .then(() => {
      if (order.kind === 'checkpoint') context.memory = { ...context.memory, checkpointedTerm: term }
      if (order.kind === 'discard-replaced') context.memory = { ...context.memory, discardDue: false }
      log.info('job done', { job: order.kind })
      end({ ...begun, progress: context.job?.progress ?? null, state: 'done' })
    })
    .catch(error => {
      log.warn('job failed', { job: order.kind, reason: reasonOf(error) })
      end({ ...begun, state: 'failed', reason: reasonOf(error), endedAt: clock.now() })
    })
  return done()
}

async function work(context: Context, order: JobOrder, signal: AbortSignal): Promise<void> {
  const { engine, journal } = context.ports
  switch (order.kind) {
    case 'initialise':
      await engine.initialise(signal)
      await engine.setSeat(order.seat)
      return journal.write({
        seat: order.seat,
        seatState: 'ready',
        reported: null,
        promotions: [],
        signalExpected: false,
      })
    case 'clone':
      await engine.clone(
        order.from,
        order.systemIdentifier,
        progress => {
          if (context.job?.state === 'running') context.job = { ...context.job, progress }
        },
        signal,
        order.slot ?? null,
      )
      await engine.setSeat(order.seat)
      context.memory = { ...context.memory, discardDue: true }
      return journal.write({
        seat: order.seat,
        seatState: 'ready',
        reported: null,
        promotions: [],
        signalExpected: false,
      })
    case 'rewind':
      await engine.rewind(order.from, order.systemIdentifier, signal)
      context.memory = { ...context.memory, rewound: true }
      return journal.write({ seatState: 'ready', reported: null, signalExpected: false })
    case 'checkpoint':
      return engine.checkpoint(signal)
    case 'prepare-cluster':
      return engine.prepareCluster(signal)
    case 'discard-replaced':
      return engine.discardReplaced()
  }
}
