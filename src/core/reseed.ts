// A new beginning in a store that went back in time or is another one, by an operator (protocol A10).
import type { ClusterState } from './cluster.ts'
import { createdRecord } from './record.ts'
import type { LastKnown } from './seed.ts'
import { type Situation, situationOf } from './situation.ts'
import type { Seed, TermRecord } from './term.ts'
import type { View } from './view.ts'

/** More leaderships than any lost part of the store can have had. */
const TERMS_SKIPPED = 1000
/** Likewise timeline numbers; each that is skipped becomes a small file, so not as many. */
const TIMELINES_SKIPPED = 16
const SEEDS_KEPT = 8

export function lastKnownOf({ cluster, record, frozen, view }: Situation): LastKnown | null {
  if (!cluster || !record || frozen !== null) return view.memory.lastKnown
  return { record, initialize: cluster.initialize?.value ?? null, config: cluster.config?.value ?? null }
}

export interface Reseeding {
  readonly record: TermRecord
  /** What else is missing in the store. */
  readonly initialize: string | null
  readonly config: Readonly<Record<string, unknown>> | null
}

/**
 * The record that an operator puts in place of what the store has now. Its holder is silent, so that everybody waits
 * for any deadline that may still run; who leads next is decided by who has the most.
 */
export function reseeding(view: View, store: ClusterState): Reseeding {
  const { me, remembered, memory, chance } = view
  const base = newest(memory.lastKnown?.record ?? null, store.term?.value ?? null) ?? fromNothing(view, store)
  const initialize = memory.lastKnown?.initialize ?? null
  const timelines = [base.timelineMax, ...remembered.promotions.map(({ timeline }) => timeline)]
  const installs = store.members.flatMap(({ value }) => (value.vigil ? [value.vigil.install] : []))
  return {
    record: {
      ...base,
      cluster: store.clusterId,
      term: Math.max(base.term, remembered.termMax) + TERMS_SKIPPED,
      state: 'serving',
      nonce: chance.nonce,
      members: [...new Set([...base.members, me.install, ...installs])],
      rulesVersion: Math.max(base.rulesVersion, remembered.rulesVersionMax) + 1,
      timelineMax: Math.max(...timelines) + TIMELINES_SKIPPED,
      successor: null,
      final: null,
      seed: nextSeed(base, { id: chance.seat, stores: [remembered.storeCluster, store.clusterId] }),
    },
    initialize: store.initialize ? null : initialize,
    config: store.config ? null : (memory.lastKnown?.config ?? me.bootstrapConfig),
  }
}

/** After every agent has ended, in a store without a record: who had to confirm commits is not known any more. */
function fromNothing(view: View, store: ClusterState): TermRecord {
  const { running } = situationOf(view)
  const timeline = running.kind === 'standby' ? running.status.position.timeline : 1
  return { ...createdRecord(view, store.clusterId, timeline), term: view.remembered.termMax }
}

function nextSeed(
  base: TermRecord,
  { id, stores }: { readonly id: string; readonly stores: readonly (string | null)[] },
): Seed {
  const known = stores.filter(store => store !== null)
  const from = [...new Set([...known, base.cluster, ...(base.seed?.from ?? [])])]
  return { id, from: from.slice(0, SEEDS_KEPT) }
}

function newest(a: TermRecord | null, b: TermRecord | null): TermRecord | null {
  if (!a || !b) return a ?? b
  const later = b.term > a.term || (b.term === a.term && b.rulesVersion > a.rulesVersion)
  return later ? b : a
}
