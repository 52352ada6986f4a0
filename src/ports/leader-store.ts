// The store as the agent needs it: one look at the cluster, transactions on the term record, its own presence.
import type { TermChange } from '../core/action.ts'
import type { ClusterState, FailoverRequest, MemberRecord } from '../core/cluster.ts'
import type { TermRecord } from '../core/term.ts'
import type { LeaseResult, TransactionResult } from './store.ts'

export type TermResult =
  | { readonly kind: 'applied'; readonly revision: bigint }
  /** Not applied; the record as it was at that moment, or null when there was none. */
  | { readonly kind: 'conflict'; readonly record: TermRecord | null; readonly revision: bigint | null }
  /** Certainly not applied. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** May have been applied, or may still be. */
  | { readonly kind: 'unknown'; readonly reason: string }

export interface LeaderStore {
  /** Linearizable. @throws VigilError STORE_UNREACHABLE or STORE_REFUSED */
  read(signal: AbortSignal): Promise<ClusterState>
  /** `name` and `lease`: for the leader key, if the change puts it. */
  change(
    change: TermChange,
    owner: { readonly name: string; readonly lease: string | null },
    signal: AbortSignal,
  ): Promise<TermResult>
  publish(member: MemberRecord, lease: string, signal: AbortSignal): Promise<TransactionResult>
  replaceFailover(
    value: FailoverRequest | null,
    seen: bigint,
    signal: AbortSignal,
  ): Promise<TransactionResult>
  grantLease(ttlMs: number, signal: AbortSignal): Promise<LeaseResult>
  keepAlive(lease: string, signal: AbortSignal): Promise<LeaseResult>
  watch(changed: () => void): { stop(): void }
  close(): void
}
