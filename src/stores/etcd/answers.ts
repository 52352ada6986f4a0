// What etcd's JSON gateway answers, as values. 64-bit numbers are texts there, zero and false are left out.
import * as z from 'zod'
import type { KeyValueEntry, LeaseResult, Snapshot } from '../../ports/store.ts'

/** A refusal by etcd itself (or by something between). `code` is gRPC's; null when the answer was not etcd's. */
export interface Refusal {
  readonly code: number | null
  readonly message: string
}

const Big = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(text => BigInt(text))
const Base64 = z.string().transform(text => Buffer.from(text, 'base64').toString('utf8'))

const Header = z.object({ cluster_id: z.string(), revision: Big })

const Entry = z
  .object({ key: Base64, value: Base64.default(''), mod_revision: Big, lease: z.string().default('0') })
  .transform(
    (entry): KeyValueEntry => ({
      key: entry.key,
      value: entry.value,
      modRevision: entry.mod_revision,
      lease: entry.lease === '0' ? null : entry.lease,
    }),
  )

const Entries = z.array(Entry).default([])

export const RangeAnswer = z
  .object({ header: Header, kvs: Entries })
  .transform(answer => snapshot(answer.header, answer.kvs))

export const TransactionAnswer = z
  .object({
    header: Header,
    succeeded: z.boolean().default(false),
    responses: z.array(z.object({ response_range: z.object({ kvs: Entries }).optional() })).default([]),
  })
  .transform(answer => ({
    succeeded: answer.succeeded,
    ...snapshot(
      answer.header,
      answer.responses.flatMap(response => response.response_range?.kvs ?? []),
    ),
  }))

/** The ttl is the one in the answer: etcd raises what is too short for its election timeout. */
const Granted = z
  .object({ ID: z.string(), TTL: Big })
  .transform((lease): LeaseResult => ({ kind: 'held', lease: lease.ID, ttlMs: Number(lease.TTL) * 1000 }))

export const GrantAnswer = Granted

/** A lease that etcd does not know is answered without a ttl. */
export const KeepAliveAnswer = z.object({
  result: z.union([Granted, z.object({ ID: z.string() }).transform((): LeaseResult => ({ kind: 'gone' }))]),
})

export const TokenAnswer = z.object({ token: z.string() })

const WatchResult = z.object({
  header: Header,
  created: z.boolean().default(false),
  canceled: z.boolean().default(false),
  events: z.array(z.unknown()).default([]),
})

const WatchLine = z.object({ result: WatchResult })
/** Errors come in two forms: within the stream, and instead of it. */
const WatchError = z.union([
  z.object({ error: z.object({ grpc_code: z.int() }) }).transform(line => line.error.grpc_code),
  z.object({ code: z.int() }).transform(line => line.code),
])

/** One line of a watch; `trouble` when it says that the endpoint is no good at present. */
export function watchLine(text: string): { result: z.infer<typeof WatchResult> | null; trouble: boolean } {
  const json = jsonOf(text)
  const line = WatchLine.safeParse(json)
  if (line.success) return { result: line.data.result, trouble: false }
  const error = WatchError.safeParse(json)
  return { result: null, trouble: !error.success || error.data === UNAVAILABLE }
}

const UNAVAILABLE = 14

/** Keys that begin with `prefix`, as etcd's half-open range. */
export function prefixRange(prefix: string): { key: string; range_end: string } {
  const end = Buffer.from(prefix, 'utf8')
  // UTF-8 never contains 0xff, so the last byte can always grow.
  end[end.length - 1] = end[end.length - 1]! + 1
  return { key: base64(prefix), range_end: end.toString('base64') }
}

export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

/** Reads an error body; anything that is not etcd's is kept short and without a code. */
export function refusalOf(status: number, body: string): Refusal {
  const etcd = z.object({ code: z.int(), message: z.string().optional(), error: z.string().optional() })
  const parsed = etcd.safeParse(jsonOf(body))
  if (!parsed.success) return { code: null, message: `HTTP status ${status} without an answer of etcd` }
  const { code, message, error } = parsed.data
  return { code, message: (message ?? error ?? `code ${code}`).slice(0, 200) }
}

/** undefined for what is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function snapshot(header: z.infer<typeof Header>, entries: readonly KeyValueEntry[]): Snapshot {
  return { entries, revision: header.revision, clusterId: header.cluster_id }
}
