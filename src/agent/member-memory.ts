// Keeps on disk what a member must not forget: the store it belongs to and the highest term it has seen.
import type { Keyed } from '../core/cluster.ts'
import { isReseed } from '../core/seed.ts'
import type { TermRecord } from '../core/term.ts'
import type { View } from '../core/view.ts'
import { elapsedAtMost, type Ms } from '../kernel/time.ts'
import type { Context } from './context.ts'

const REVISION_EVERY_MS: Ms = 10_000

export async function keepMemory(context: Context, view: View): Promise<void> {
  if (view.store.kind === 'lost') return
  const { journal } = context.ports
  const remembered = journal.read()
  const { clusterId, term } = view.store.value
  if (term && isReseed(remembered, term.value, clusterId)) return beginAnew(context, term, clusterId)
  if (remembered.storeCluster === null) await journal.write({ storeCluster: clusterId })
  // A store that is not ours, or went back in time, teaches nothing.
  const ours = remembered.storeCluster === null || remembered.storeCluster === clusterId
  if (!term || !ours || term.modRevision < remembered.revisionMax) return
  const newer = term.value.term > remembered.termMax || term.value.rulesVersion > remembered.rulesVersionMax
  if (!newer) return keepRevision(context, term.modRevision)
  await journal.write({
    termMax: term.value.term,
    floor: Math.max(remembered.floor, term.value.term),
    rulesVersionMax: term.value.rulesVersion,
    revisionMax: term.modRevision,
  })
}

/** So that an old store is recognised after a restart too. It costs an fsync. */
async function keepRevision(context: Context, revision: bigint): Promise<void> {
  const { clock, journal } = context.ports
  const { revisionKeptAt } = context
  if (revisionKeptAt && elapsedAtMost(revisionKeptAt, clock.now()) < REVISION_EVERY_MS) return
  context.revisionKeptAt = clock.now()
  if (revision > journal.read().revisionMax) await journal.write({ revisionMax: revision })
}

/** Seals and revisions belong to the store as it was. */
async function beginAnew(context: Context, term: Keyed<TermRecord>, clusterId: string): Promise<void> {
  const { value, modRevision } = term
  context.storeRevision = 0n
  context.ports.log.warn('the store was begun anew by an operator', { term: value.term, cluster: clusterId })
  await context.ports.journal.write({
    storeCluster: clusterId,
    storeSeed: value.seed?.id ?? null,
    termMax: value.term,
    floor: value.term,
    rulesVersionMax: value.rulesVersion,
    revisionMax: modRevision,
    promise: null,
  })
}
