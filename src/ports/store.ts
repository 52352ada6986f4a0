// The few key-value verbs that a consensus store must offer (design §8). An adapter does one attempt at one
// endpoint per call; it does not retry, sleep or decide. Records and their meaning live in stores/cluster-store.

export interface KeyValueEntry {
  readonly key: string
  readonly value: string
  /** Revision of the last change of this key. Decimal; compare as BigInt. */
  readonly modRevision: bigint
  /** Identifier of the attached lease, or null. */
  readonly lease: string | null
}

/** True when the key is absent, has exactly this revision, or has exactly this value. */
export type Compare =
  | { readonly key: string; readonly absent: true }
  | { readonly key: string; readonly modRevision: bigint }
  | { readonly key: string; readonly value: string }

export type Write =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly delete: string }

export interface Transaction {
  readonly compare: readonly Compare[]
  readonly writes: readonly Write[]
  /** Keys to read back in the same transaction when a comparison fails. */
  readonly readOnFailure: readonly string[]
}

/** Keys under a prefix at one revision of the store. */
export interface Snapshot {
  readonly entries: readonly KeyValueEntry[]
  readonly revision: bigint
  /** Identity of the store's cluster; a different one is a different store. */
  readonly clusterId: string
}

export type TransactionResult =
  /** Applied; `revision` is the revision of every key written by it. */
  | { readonly kind: 'applied'; readonly revision: bigint; readonly clusterId: string }
  /** Not applied, since a comparison failed; what the keys held at that moment. */
  | {
      readonly kind: 'conflict'
      readonly revision: bigint
      readonly clusterId: string
      readonly entries: readonly KeyValueEntry[]
    }
  /** Certainly not applied: it never left, or the store refused it. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** It may have been applied, or may still be (protocol A6, unknown results). */
  | { readonly kind: 'unknown'; readonly reason: string }

export type LeaseResult =
  | { readonly kind: 'held'; readonly lease: string; readonly ttlMs: number }
  /** The store says that there is no such lease. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly reason: string }

export interface KeyValue {
  /**
   * Linearizable read of all keys that begin with `prefix`.
   * @throws VigilError STORE_UNREACHABLE or STORE_REFUSED
   */
  list(prefix: string, signal: AbortSignal): Promise<Snapshot>
  /** Never throws: every outcome is a value. */
  transact(transaction: Transaction, signal: AbortSignal): Promise<TransactionResult>
  grantLease(ttlMs: number, signal: AbortSignal): Promise<LeaseResult>
  /** A success proves nothing about the quorum in etcd before 3.4.31 / 3.5.13 (reliability §1.2). */
  keepAlive(lease: string, signal: AbortSignal): Promise<LeaseResult>
  /**
   * Calls `changed` soon after something under `prefix` changed. A hint only: it may come late, twice or never.
   * Re-establishes itself until stopped.
   */
  watch(prefix: string, changed: () => void): { stop(): void }
  close(): void
}
