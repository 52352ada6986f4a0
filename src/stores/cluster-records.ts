// Operators' requests in the store: `/config` and `/failover`, each replaced only as it was seen.

import type { ClusterRecords } from '../ports/records.ts'
import type { Compare, KeyValue } from '../ports/store.ts'
import { type ClusterKeys, decodeCluster, failoverWrite, plainTransaction } from './cluster-store.ts'
import { encodeConfig } from './codec.ts'

export function createClusterRecords(kv: KeyValue, keys: ClusterKeys): ClusterRecords {
  return {
    async read(signal) {
      const snapshot = await kv.list(keys.prefix, signal)
      const failover = snapshot.entries.find(entry => entry.key === keys.failover)
      return { cluster: decodeCluster(keys, snapshot), failoverRevision: failover?.modRevision ?? null }
    },
    replaceConfig: (value, seen, signal) =>
      kv.transact(
        plainTransaction([{ put: keys.config, value: encodeConfig(value) }], [asSeen(keys.config, seen)]),
        signal,
      ),
    replaceFailover: (value, seen, signal) =>
      kv.transact(plainTransaction([failoverWrite(keys, value)], [asSeen(keys.failover, seen)]), signal),
  }
}

function asSeen(key: string, seen: bigint | null): Compare {
  return seen === null ? { key, absent: true } : { key, modRevision: seen }
}
