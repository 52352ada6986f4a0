// Keeps on disk what a member must not forget: the store it belongs to and the highest term it has seen.
import type { View } from '../core/view.ts'
import type { Context } from './context.ts'

export async function keepMemory(context: Context, view: View): Promise<void> {
  if (view.store.kind === 'lost') return
  const { journal } = context.ports
  const remembered = journal.read()
  const { clusterId, term } = view.store.value
  if (remembered.storeCluster === null) await journal.write({ storeCluster: clusterId })
  // A store that is not ours, or went back in time, teaches nothing.
  const ours = remembered.storeCluster === null || remembered.storeCluster === clusterId
  if (!term || !ours || term.modRevision < remembered.revisionMax) return
  const newer = term.value.term > remembered.termMax || term.value.rulesVersion > remembered.rulesVersionMax
  if (!newer) return
  await journal.write({
    termMax: term.value.term,
    floor: Math.max(remembered.floor, term.value.term),
    rulesVersionMax: term.value.rulesVersion,
    revisionMax: term.modRevision,
  })
}
