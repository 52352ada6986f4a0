// The store as operators' requests need it: a fresh look, and two keys that are replaced only as they were seen.
import type { ClusterState, FailoverRequest } from '../core/cluster.ts'
import type { Reseeding } from '../core/reseed.ts'
import type { TransactionResult } from './store.ts'

export interface RecordsRead {
  readonly cluster: ClusterState
  /** Revision of `/failover` also when it asks for nothing; null: there is no such key. */
  readonly failoverRevision: bigint | null
  /** Revision of the term record also when it cannot be read; null: there is none. */
  readonly termRevision: bigint | null
}

export interface ClusterRecords {
  /** Linearizable. @throws VigilError STORE_UNREACHABLE or STORE_REFUSED */
  read(signal: AbortSignal): Promise<RecordsRead>
  /** Applied only while the key has the revision `seen` (null: is absent). */
  replaceConfig(
    value: Readonly<Record<string, unknown>>,
    seen: bigint | null,
    signal: AbortSignal,
  ): Promise<TransactionResult>
  /** The term record, and what else is missing; applied only while the record has the revision `seen`. */
  beginAnew(next: Reseeding, seen: bigint | null, signal: AbortSignal): Promise<TransactionResult>
  /** `value` null: nothing is asked for any more. */
  replaceFailover(
    value: FailoverRequest | null,
    seen: bigint | null,
    signal: AbortSignal,
  ): Promise<TransactionResult>
}
