// Long work, one at a time: visible as state, and never waited for inside a tick.
import type { Job, JobOrder } from '../core/job.ts'
import { reasonOf } from '../kernel/errors.ts'
import type { Context } from './context.ts'
import { done, type Outcome, stopped } from './outcome.ts'

const LIMITS_MS: Readonly<Record<JobOrder['kind'], number>> = {
  initialise: 300_000,
  clone: 7 * 86_400_000,
  rewind: 86_400_000,
  'keep-evidence': 600_000,
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
      await keepEvidence(context, order, signal)
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
      context.memory = { ...context.memory, discardDue: true, evidenceKept: false }
      return journal.write({
        seat: order.seat,
        seatState: 'ready',
        reported: null,
        promotions: [],
        signalExpected: false,
      })
    case 'keep-evidence':
      await keepEvidence(context, order, signal)
      context.memory = { ...context.memory, evidenceKept: true }
      return
    case 'rewind':
      await keepEvidence(context, order, signal)
      await engine.rewind(order.from, order.systemIdentifier, signal)
      context.memory = { ...context.memory, rewound: true, evidenceKept: false }
      return journal.write({ seatState: 'ready', reported: null, signalExpected: false })
    case 'checkpoint':
      return engine.checkpoint(signal)
    case 'prepare-cluster':
      return engine.prepareCluster(signal)
    case 'discard-replaced':
      return engine.discardReplaced()
  }
}

type Replacing = Extract<JobOrder, { readonly kind: 'clone' | 'rewind' | 'keep-evidence' }>

/** Before anything is touched. What was kept while the copy ran is not kept again. */
async function keepEvidence(context: Context, order: Replacing, signal: AbortSignal): Promise<void> {
  const { engine, journal, log } = context.ports
  const suspect = order.kind === 'clone' ? order.suspect === true : true
  const { from: source, systemIdentifier: expected } = order
  const kept = await engine.keepEvidence({ source, expected, suspect, term: journal.read().termMax }, signal)
  if (!kept) return
  const { path, commits, rows, leftOut } = kept
  log.warn('commits that only this copy had are kept', {
    path,
    commits,
    rows,
    leftOut: leftOut.join('; ') || null,
  })
  context.evidence = await engine.evidence()
}
