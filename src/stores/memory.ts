// A consensus store in memory, for tests: the verbs of etcd with a clock from outside and faults on demand.

import { VigilError } from '../kernel/errors.ts'
import { type Instant, later, reached, remaining } from '../kernel/time.ts'
import type { Clock } from '../ports/clock.ts'
import type {
  Compare,
  KeyValue,
  KeyValueEntry,
  LeaseResult,
  Snapshot,
  Transaction,
  TransactionResult,
  Write,
} from '../ports/store.ts'

export type MemoryClock = Pick<Clock, 'now' | 'after'>

/** What becomes of one call. */
export type Fault =
  | 'none'
  /** It never left. */
  | 'refused'
  /** It was done, and the answer did not arrive. */
  | 'answer-lost'
  /** It left and never arrived. */
  | 'request-lost'
  /** Done after `delayMs`, then answered. */
  | { readonly delayMs: number }
  /** Answered as unknown at once, and done after `lateMs`. */
  | { readonly lateMs: number }

export type Verb = 'list' | 'transact' | 'grantLease' | 'keepAlive'

/** The store itself; any number of clients may be opened on it. */
export interface MemoryState {
  readonly clusterId: string
  readonly revision: bigint
  readonly entries: ReadonlyMap<string, KeyValueEntry>
  open(fault?: (verb: Verb) => Fault): KeyValue
}

interface Lease {
  readonly id: string
  readonly ttlMs: number
  until: Instant
}

interface World {
  readonly clock: MemoryClock
  readonly clusterId: string
  revision: bigint
  leaseLast: number
  readonly entries: Map<string, KeyValueEntry>
  readonly leases: Map<string, Lease>
  readonly watchers: Set<{ readonly prefix: string; readonly changed: () => void }>
}

export function createMemoryStore(clock: MemoryClock, clusterId = '1'): MemoryState {
  const world: World = {
    clock,
    clusterId,
    revision: 1n,
    leaseLast: 0,
    entries: new Map(),
    leases: new Map(),
    watchers: new Set(),
  }
  return {
    clusterId,
    get revision() {
      return world.revision
    },
    entries: world.entries,
    open: (fault = () => 'none') => client(world, fault),
  }
}

function client(world: World, fault: (verb: Verb) => Fault): KeyValue {
  const watches = new Set<{ stop(): void }>()
  let closed = false
  const call = async <T>(verb: Verb, signal: AbortSignal, work: () => T): Promise<Outcome<T>> =>
    closed ? { kind: 'refused' } : performed(world.clock, fault(verb), signal, work)

  return {
    async list(prefix, signal) {
      const outcome = await call('list', signal, () => snapshot(world, prefix))
      if (outcome.kind === 'done') return outcome.value
      throw new VigilError('STORE_UNREACHABLE', { endpoints: 'memory', reason: outcome.kind })
    },
    async transact(transaction, signal) {
      const outcome = await call('transact', signal, () => apply(world, transaction))
      if (outcome.kind === 'done') return outcome.value
      return { kind: outcome.kind === 'refused' ? 'failed' : 'unknown', reason: outcome.kind }
    },
    async grantLease(ttlMs, signal) {
      return leaseResult(await call('grantLease', signal, () => grant(world, ttlMs)))
    },
    async keepAlive(lease, signal) {
      return leaseResult(await call('keepAlive', signal, () => keepAlive(world, lease)))
    },
    watch(prefix, changed) {
      const watcher = { prefix, changed }
      const handle = {
        stop: () => {
          world.watchers.delete(watcher)
          watches.delete(handle)
        },
      }
      world.watchers.add(watcher)
      watches.add(handle)
      return handle
    },
    close() {
      closed = true
      for (const handle of [...watches]) handle.stop()
    },
  }
}

type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused' }
  | { readonly kind: 'lost' }

async function performed<T>(
  clock: MemoryClock,
  fault: Fault,
  signal: AbortSignal,
  work: () => T,
): Promise<Outcome<T>> {
  if (fault === 'refused' || signal.aborted) return { kind: 'refused' }
  if (fault === 'request-lost') return { kind: 'lost' }
  if (typeof fault === 'object') {
    const late = 'lateMs' in fault
    const done = new Promise<T>(resolve => {
      clock.after(late ? fault.lateMs : fault.delayMs, () => resolve(work()))
    })
    if (late) return { kind: 'lost' }
    const aborted = new Promise<null>(resolve =>
      signal.addEventListener('abort', () => resolve(null), { once: true }),
    )
    const first = await Promise.race([done.then(value => ({ value })), aborted])
    return first === null ? { kind: 'lost' } : { kind: 'done', value: first.value }
  }
  const value = work()
  return fault === 'answer-lost' ? { kind: 'lost' } : { kind: 'done', value }
}

function leaseResult(outcome: Outcome<LeaseResult>): LeaseResult {
  return outcome.kind === 'done' ? outcome.value : { kind: 'failed', reason: outcome.kind }
}

function snapshot(world: World, prefix: string): Snapshot {
  expire(world)
  const entries = [...world.entries.values()]
    .filter(entry => entry.key.startsWith(prefix))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  return { entries, revision: world.revision, clusterId: world.clusterId }
}

function apply(world: World, transaction: Transaction): TransactionResult {
  expire(world)
  const { clusterId } = world
  const keys = transaction.writes.map(write => ('put' in write ? write.put : write.delete))
  if (new Set(keys).size < keys.length) return { kind: 'failed', reason: 'a key is written twice' }
  if (!transaction.compare.every(compare => holds(world, compare))) {
    const entries = transaction.readOnFailure.flatMap(key => world.entries.get(key) ?? [])
    return { kind: 'conflict', revision: world.revision, clusterId, entries }
  }
  const leaseMissing = transaction.writes.some(
    write => 'put' in write && write.lease !== undefined && !world.leases.has(write.lease),
  )
  if (leaseMissing) return { kind: 'failed', reason: 'requested lease not found' }
  write(world, transaction.writes)
  return { kind: 'applied', revision: world.revision, clusterId }
}

function holds(world: World, compare: Compare): boolean {
  const entry = world.entries.get(compare.key)
  if ('absent' in compare) return entry === undefined
  if ('value' in compare) return entry?.value === compare.value
  // As in etcd: an absent key has revision 0.
  return (entry?.modRevision ?? 0n) === compare.modRevision
}

/** All writes get one revision; deleting what is absent changes nothing. */
function write(world: World, writes: readonly Write[]): void {
  const effective = writes.filter(write => 'put' in write || world.entries.has(write.delete))
  if (effective.length === 0) return
  world.revision += 1n
  for (const write of effective) {
    if ('put' in write) {
      const { put: key, value } = write
      world.entries.set(key, { key, value, modRevision: world.revision, lease: write.lease ?? null })
    } else world.entries.delete(write.delete)
  }
  const changed = effective.map(write => ('put' in write ? write.put : write.delete))
  for (const watcher of world.watchers) {
    if (!changed.some(key => key.startsWith(watcher.prefix))) continue
    world.clock.after(0, () => {
      if (world.watchers.has(watcher)) watcher.changed()
    })
  }
}

function grant(world: World, ttlMs: number): LeaseResult {
  expire(world)
  world.leaseLast += 1
  const lease = { id: String(world.leaseLast), ttlMs, until: later(world.clock.now(), ttlMs) }
  world.leases.set(lease.id, lease)
  // Looked at when it may have expired, so that watchers hear of it without another call.
  scheduleExpiry(world, lease)
  return { kind: 'held', lease: lease.id, ttlMs }
}

function keepAlive(world: World, id: string): LeaseResult {
  expire(world)
  const lease = world.leases.get(id)
  if (!lease) return { kind: 'gone' }
  lease.until = later(world.clock.now(), lease.ttlMs)
  return { kind: 'held', lease: id, ttlMs: lease.ttlMs }
}

function scheduleExpiry(world: World, lease: Lease): void {
  const wait = Math.max(1, remaining(lease.until, world.clock.now()))
  world.clock.after(wait, () => {
    expire(world)
    if (world.leases.has(lease.id)) scheduleExpiry(world, lease)
  })
}

function expire(world: World): void {
  const now = world.clock.now()
  for (const lease of [...world.leases.values()].filter(lease => reached(lease.until, now))) {
    world.leases.delete(lease.id)
    const attached = [...world.entries.values()].filter(entry => entry.lease === lease.id)
    write(
      world,
      attached.map(entry => ({ delete: entry.key })),
    )
  }
}
