// The consensus store on etcd v3 through its JSON gateway: 3.4.23 as Debian ships it, and newer.

import { uptime } from 'node:os'
import { performance } from 'node:perf_hooks'
import type { z } from 'zod'
import { VigilError } from '../../kernel/errors.ts'
import type { Ms } from '../../kernel/time.ts'
import type {
  Compare,
  KeyValue,
  LeaseResult,
  Transaction,
  TransactionResult,
  Write,
} from '../../ports/store.ts'
import {
  base64,
  GrantAnswer,
  KeepAliveAnswer,
  prefixRange,
  RangeAnswer,
  TransactionAnswer,
} from './answers.ts'
import { type Credentials, openClient, type Reply } from './client.ts'
import { parseEndpoints } from './endpoints.ts'
import { isTrouble } from './refusals.ts'
import { readSpace, type StoreSpace } from './space.ts'
import type { EtcdTls, Timing } from './transport.ts'
import { openWatch, type Watch } from './watch.ts'

export interface EtcdOptions {
  /** `host:port` or `http(s)://host:port`, in order of preference. */
  readonly endpoints: readonly string[]
  /** PEM texts; given, even if empty: endpoints without a scheme are reached over TLS. */
  readonly tls?: EtcdTls
  readonly credentials?: Credentials
  /** One attempt at one endpoint (protocol A4). */
  readonly attemptLimitMs?: Ms
}

export interface EtcdStore extends KeyValue {
  /** How full the database is. @throws VigilError STORE_UNREACHABLE or STORE_REFUSED */
  space(signal: AbortSignal): Promise<StoreSpace>
}

const ATTEMPT_LIMIT_MS: Ms = 800

/** Contacts nobody yet. @throws VigilError CONFIG_INVALID */
export function openEtcd(options: EtcdOptions, clock: Timing = systemTiming): EtcdStore {
  const endpoints = parseEndpoints(options.endpoints, options.tls !== undefined)
  const attemptLimitMs = options.attemptLimitMs ?? ATTEMPT_LIMIT_MS
  const credentials = options.credentials ?? null
  const client = openClient({ endpoints, tls: options.tls ?? {}, credentials, attemptLimitMs }, clock)
  const watches = new Set<Watch>()

  return {
    async list(prefix, signal) {
      const request = { path: '/v3/kv/range', body: prefixRange(prefix), repeat: 'anywhere' } as const
      const snapshot = read(await client.call(request, signal), RangeAnswer, endpoints)
      for (const watch of watches) watch.noticed(snapshot.entries)
      return snapshot
    },

    async transact(transaction, signal) {
      const request = { path: '/v3/kv/txn', body: transactionBody(transaction), repeat: 'once' } as const
      return transactionResult(await client.call(request, signal))
    },

    async grantLease(ttlMs, signal) {
      const body = { TTL: String(Math.ceil(ttlMs / 1000)) }
      const request = { path: '/v3/lease/grant', body, repeat: 'once' } as const
      return leaseResult(await client.call(request, signal), GrantAnswer)
    },

    async keepAlive(lease, signal) {
      // One for each request: streaming them is broken in the gateway.
      const request = { path: '/v3/lease/keepalive', body: { ID: lease }, repeat: 'anywhere' } as const
      return leaseResult(
        await client.call(request, signal),
        KeepAliveAnswer.transform(answer => answer.result),
      )
    },

    watch(prefix, changed) {
      const watch = openWatch(client, { prefix, changed, openLimitMs: attemptLimitMs }, clock)
      watches.add(watch)
      return {
        stop: () => {
          watches.delete(watch)
          watch.stop()
        },
      }
    },

    async space(signal) {
      return readSpace(client, signal, (reply, schema) => read(reply, schema, endpoints))
    },

    close() {
      for (const watch of watches) watch.stop()
      watches.clear()
      client.close()
    },
  }
}

const systemTiming: Timing = {
  now: () => ({ mono: performance.now(), boot: uptime() * 1000 }),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

function transactionBody(transaction: Transaction): unknown {
  return {
    compare: transaction.compare.map(compareBody),
    success: transaction.writes.map(writeBody),
    failure: transaction.readOnFailure.map(key => ({ request_range: { key: base64(key) } })),
  }
}

function compareBody(compare: Compare): unknown {
  const key = base64(compare.key)
  if ('absent' in compare) return { key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }
  if ('value' in compare) return { key, target: 'VALUE', result: 'EQUAL', value: base64(compare.value) }
  return { key, target: 'MOD', result: 'EQUAL', mod_revision: compare.modRevision.toString() }
}

function writeBody(write: Write): unknown {
  if ('delete' in write) return { request_delete_range: { key: base64(write.delete) } }
  const lease = write.lease === undefined ? {} : { lease: write.lease }
  return { request_put: { key: base64(write.put), value: base64(write.value), ...lease } }
}

function transactionResult(reply: Reply): TransactionResult {
  switch (reply.kind) {
    case 'unsent':
      return { kind: 'failed', reason: reply.reason }
    case 'lost':
      return { kind: 'unknown', reason: reply.reason }
    case 'refused':
      return { kind: reply.notApplied ? 'failed' : 'unknown', reason: reply.refusal.message }
    case 'ok': {
      const answer = TransactionAnswer.safeParse(reply.json)
      // It was answered with success of some kind, in a form that says nothing.
      if (!answer.success) return { kind: 'unknown', reason: 'the answer has an unexpected form' }
      const { succeeded, revision, clusterId, entries } = answer.data
      return succeeded
        ? { kind: 'applied', revision, clusterId }
        : { kind: 'conflict', revision, clusterId, entries }
    }
  }
}

function leaseResult(reply: Reply, schema: z.ZodType<LeaseResult>): LeaseResult {
  if (reply.kind === 'refused') return { kind: 'failed', reason: reply.refusal.message }
  if (reply.kind !== 'ok') return { kind: 'failed', reason: reply.reason }
  const answer = schema.safeParse(reply.json)
  return answer.success ? answer.data : { kind: 'failed', reason: 'the answer has an unexpected form' }
}

function read<T>(reply: Reply, schema: z.ZodType<T>, endpoints: readonly URL[]): T {
  const everywhere = endpoints.map(endpoint => endpoint.host).join(', ')
  const unreachable = (reason: string) =>
    new VigilError('STORE_UNREACHABLE', { endpoints: everywhere, reason })
  if (reply.kind === 'unsent' || reply.kind === 'lost') throw unreachable(reply.reason)
  if (reply.kind === 'refused') {
    if (isTrouble(reply.refusal)) throw unreachable(reply.refusal.message)
    throw new VigilError('STORE_REFUSED', { reason: reply.refusal.message })
  }
  const answer = schema.safeParse(reply.json)
  if (!answer.success) throw new VigilError('STORE_REFUSED', { reason: 'the answer has an unexpected form' })
  return answer.data
}
