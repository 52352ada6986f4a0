// Whether a store is the declared successor of the one that this member knows (protocol A10).
import type { MemberMemory } from './member-memory.ts'
import type { TermRecord } from './term.ts'

/** The cluster as it was when the store could last be trusted. */
export interface LastKnown {
  readonly record: TermRecord
  readonly initialize: string | null
  readonly config: Readonly<Record<string, unknown>> | null
}

/** An operator has declared this store to be the successor of the one that this member knows. */
export function isReseed(remembered: MemberMemory, record: TermRecord, clusterId: string): boolean {
  const { seed } = record
  if (!seed || seed.id === remembered.storeSeed || record.cluster !== clusterId) return false
  const { storeCluster } = remembered
  return record.term > remembered.termMax && storeCluster !== null && seed.from.includes(storeCluster)
}
