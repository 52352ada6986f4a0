// The store's contents: keys with revisions, transactions, leases. Linearizable by being one value.
import type { Compare, KeyValueEntry, Transaction, TransactionResult, Write } from '../src/ports/store.ts'

export interface StoreState {
  revision(): bigint
  clusterId(): string
  entry(key: string): KeyValueEntry | undefined
  /** Contents now, or `back` revisions ago as far as they are kept. Ordered by key. */
  snapshot(back?: number): { readonly entries: readonly KeyValueEntry[]; readonly revision: bigint }
  transact(transaction: Transaction): TransactionResult
  /** What was once here is here again, under the same identity or another. Leases of now stay. */
  restore(kept: Kept, clusterId: string): void
  addLease(lease: string): void
  hasLease(lease: string): boolean
  /** Its keys go with it. */
  dropLease(lease: string): void
}

/** Contents at one revision. */
export interface Kept {
  readonly entries: readonly KeyValueEntry[]
  readonly revision: bigint
}

const SNAPSHOTS_KEPT = 24

export function createStoreState(firstId: string, changed: (keys: readonly string[]) => void): StoreState {
  let clusterId = firstId
  const entries = new Map<string, KeyValueEntry>()
  const leases = new Set<string>()
  const past: { entries: readonly KeyValueEntry[]; revision: bigint }[] = []
  let revision = 1n

  const current = () => {
    const newest = past[past.length - 1]
    if (newest?.revision === revision) return newest
    const list = [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    const snapshot = { entries: list, revision }
    past.push(snapshot)
    if (past.length > SNAPSHOTS_KEPT) past.shift()
    return snapshot
  }
  const holds = (compare: Compare): boolean => {
    const entry = entries.get(compare.key)
    if ('absent' in compare) return entry === undefined
    if (entry === undefined) return false
    return 'value' in compare ? entry.value === compare.value : entry.modRevision === compare.modRevision
  }
  const keyOf = (write: Write) => ('put' in write ? write.put : write.delete)
  const apply = (writes: readonly Write[]) => {
    const effective = writes.filter(write => 'put' in write || entries.has(write.delete))
    if (effective.length === 0) return
    current()
    revision++
    for (const write of effective) {
      if ('delete' in write) entries.delete(write.delete)
      else {
        const { put: key, value, lease = null } = write
        entries.set(key, { key, value, modRevision: revision, lease })
      }
    }
    changed(effective.map(keyOf))
  }
  return {
    clusterId: () => clusterId,
    restore: (kept, id) => {
      clusterId = id
      revision = kept.revision
      past.splice(0)
      entries.clear()
      // Keys of leases that ended meanwhile would stay for ever.
      for (const entry of kept.entries)
        if (entry.lease === null || leases.has(entry.lease)) entries.set(entry.key, entry)
      changed([...entries.keys()])
    },
    revision: () => revision,
    entry: key => entries.get(key),
    snapshot: (back = 0) => {
      const newest = current()
      return past[past.length - 1 - back] ?? past[0] ?? newest
    },
    transact: ({ compare, writes, readOnFailure }) => {
      const lost = writes.find(
        write => 'put' in write && write.lease !== undefined && !leases.has(write.lease),
      )
      if (!compare.every(holds)) {
        const found = readOnFailure.map(key => entries.get(key)).filter(entry => entry !== undefined)
        return { kind: 'conflict', revision, clusterId, entries: found }
      }
      if (lost !== undefined) return { kind: 'failed', reason: 'requested lease not found' }
      apply(writes)
      return { kind: 'applied', revision, clusterId }
    },
    addLease: lease => void leases.add(lease),
    hasLease: lease => leases.has(lease),
    dropLease: lease => {
      leases.delete(lease)
      const gone = [...entries.values()].filter(entry => entry.lease === lease)
      apply(gone.map(({ key }) => ({ delete: key })))
    },
  }
}
