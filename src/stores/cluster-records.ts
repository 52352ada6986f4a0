// Operators' requests in the store: `/config` and `/failover`, each replaced only as it was seen.

import type { ClusterRecords } from '../ports/records.ts'
import type { Compare, KeyValue } from '../ports/store.ts'
import {
  type ClusterKeys,
  configWrite,
  decodeCluster,
  failoverWrite,
  plainTransaction,
} from './cluster-store.ts'
import { encodeConfig, encodeTerm } from './codec.ts'

export function createClusterRecords(kv: KeyValue, keys: ClusterKeys): ClusterRecords {
  return {
    async read(signal) {
      const snapshot = await kv.list(keys.prefix, signal)
      const failover = snapshot.entries.find(entry => entry.key === keys.failover)
      const term = snapshot.entries.find(entry => entry.key === keys.term)
      return {
        cluster: decodeCluster(keys, snapshot),
        failoverRevision: failover?.modRevision ?? null,
        termRevision: term?.modRevision ?? null,
      }
    },
    replaceConfig: (value, seen, signal) =>
      kv.transact(
        plainTransaction([{ put: keys.config, value: encodeConfig(value) }], [asSeen(keys.config, seen)]),
        signal,
      ),
    beginAnew: ({ record, initialize, config }, seen, signal) =>
      kv.transact(
        plainTransaction(
          [
            { put: keys.term, value: encodeTerm(record) },
            { delete: keys.leader },
            ...(initialize === null ? [] : [{ put: keys.initialize, value: initialize }]),
            ...(config === null ? [] : [configWrite(keys, config)]),
          ],
          [asSeen(keys.term, seen)],
        ),
        signal,
      ),
    replaceFailover: (value, seen, signal) =>
      kv.transact(plainTransaction([failoverWrite(keys, value)], [asSeen(keys.failover, seen)]), signal),
  }
}

function asSeen(key: string, seen: bigint | null): Compare {
  return seen === null ? { key, absent: true } : { key, modRevision: seen }
}
