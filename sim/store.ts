// The consensus store as members see it: correct inside, and everything that can go wrong on the way to it.
import { VigilError } from '../src/kernel/errors.ts'
import type { KeyValue, LeaseResult, Snapshot, Transaction, TransactionResult } from '../src/ports/store.ts'
import type { Network } from './network.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import { createStoreState, type StoreState } from './store-state.ts'

export interface SimStore {
  readonly state: StoreState
  readonly faults: StoreFaults
  /** The port of one agent process. */
  open(process: Process, place: string): KeyValue
  /** An operator's own hand: applied at once. */
  put(key: string, value: string): void
  /** What an operator had put there by then, in true time. */
  putBy(key: string, at: number): string | undefined
  delete(key: string): void
  /** Called for each applied transaction of a member, before anybody learns of it. */
  onApplied(callback: (applied: Applied) => void): void
}

export interface Applied {
  readonly place: string
  readonly transaction: Transaction
  readonly revision: bigint
  readonly sentAt: number
}

/** Set by the scenario; `heal` ends all. */
export interface StoreFaults {
  /** No leader: requests wait, fail or get lost; some are applied when it ends. */
  electing: boolean
  /** Refuses connections. */
  down: boolean
  /** Chance that a request is applied late by up to `lateMs`, whatever its sender believes by then. */
  lateChance: number
  lateMs: number
  /** Chance that an applied transaction's answer is lost. */
  answerLostChance: number
  /** Chance that a read shows an older state. */
  staleChance: number
  watchLossChance: number
  watchLagMs: number
  /** Members attached to a store member that was overtaken and doesn't know: it renews leases, and does nothing else. */
  readonly stuckFor: Set<string>
}

const HEALTHY = {
  electing: false,
  down: false,
  lateChance: 0,
  lateMs: 0,
  answerLostChance: 0,
  staleChance: 0,
}
const ANSWER_AFTER_ELECTION_MS = 40
const SHORTEST_LEASE_MS = 2000

export function healStore(faults: StoreFaults): void {
  Object.assign(faults, HEALTHY, { watchLossChance: 0, watchLagMs: 10 })
  faults.stuckFor.clear()
}

interface Parts {
  readonly scheduler: Scheduler
  readonly network: Network
  readonly random: Random
}

type Outcome = { readonly kind: 'never' } | { readonly kind: 'refused' } | { readonly kind: 'handled' }

export function createStore(parts: Parts): SimStore {
  const { scheduler, random } = parts
  const faults: StoreFaults = { ...HEALTHY, watchLossChance: 0, watchLagMs: 10, stuckFor: new Set() }
  const watchers = new Set<(keys: readonly string[]) => void>()
  const puts: { readonly key: string; readonly value: string; readonly at: number }[] = []
  const observers: ((applied: Applied) => void)[] = []
  const state = createStoreState('cluster-of-the-simulation', keys => {
    for (const watcher of watchers) watcher(keys)
  })
  const leases = createLeases(scheduler, state, () => faults.electing || faults.down)
  const request = createRequests(parts, faults)

  const open = (process: Process, place: string): KeyValue => ({
    list: async (prefix, signal) => {
      let snapshot: Snapshot | null = null
      const outcome = await request(process, place, signal, () => {
        const back = random.chance(faults.staleChance) ? random.integer(1, 12) : 0
        const { entries, revision } = state.snapshot(back)
        const found = entries.filter(entry => entry.key.startsWith(prefix))
        snapshot = { entries: found, revision, clusterId: state.clusterId() }
      })
      if (outcome.kind === 'handled') return snapshot!
      throw new VigilError('STORE_UNREACHABLE', { endpoints: 'store', reason: outcome.kind })
    },
    transact: async (transaction, signal) => {
      const sentAt = scheduler.now()
      let result: TransactionResult | null = null
      const outcome = await request(process, place, signal, () => {
        result = state.transact(transaction)
        if (result.kind !== 'applied') return
        for (const observer of observers) observer({ place, transaction, revision: result.revision, sentAt })
      })
      if (outcome.kind === 'handled') return result!
      if (outcome.kind === 'refused') return { kind: 'failed', reason: 'connection refused' }
      return { kind: 'unknown', reason: 'no answer' }
    },
    grantLease: async (ttlMs, signal) => {
      const lease = random.hex()
      const granted = Math.max(SHORTEST_LEASE_MS, ttlMs)
      const outcome = await request(process, place, signal, () => leases.grant(lease, granted))
      return outcome.kind === 'handled' ? { kind: 'held', lease, ttlMs: granted } : noLease(outcome)
    },
    keepAlive: async (lease, signal) => {
      if (faults.stuckFor.has(place))
        return new Promise(resolve => process.later(1, () => resolve(leases.pretend(lease))))
      let kept: LeaseResult | null = null
      const outcome = await request(process, place, signal, () => {
        kept = leases.keep(lease)
      })
      return outcome.kind === 'handled' ? kept! : noLease(outcome)
    },
    watch: (prefix, changed) => {
      const hint = (keys: readonly string[]) => {
        if (!keys.some(key => key.startsWith(prefix)) || faults.stuckFor.has(place)) return
        if (!process.alive() || parts.network.cut('store', place) || random.chance(faults.watchLossChance))
          return
        const times = random.chance(0.02) ? 2 : 1
        for (let time = 0; time < times; time++) process.later(1 + random.next() * faults.watchLagMs, changed)
      }
      watchers.add(hint)
      process.onDeath(() => watchers.delete(hint))
      return { stop: () => void watchers.delete(hint) }
    },
    close: () => {},
  })
  return {
    state,
    faults,
    open,
    put: (key, value) => {
      puts.push({ key, value, at: scheduler.now() })
      void state.transact({ compare: [], writes: [{ put: key, value }], readOnFailure: [] })
    },
    putBy: (key, at) => puts.findLast(put => put.key === key && put.at <= at)?.value,
    delete: key => void state.transact({ compare: [], writes: [{ delete: key }], readOnFailure: [] }),
    onApplied: callback => void observers.push(callback),
  }
}

function noLease(outcome: Outcome): LeaseResult {
  return { kind: 'failed', reason: outcome.kind }
}

type Request = (process: Process, place: string, signal: AbortSignal, handle: () => void) => Promise<Outcome>

/** One request and its answer. What was sent may be handled although nobody waits for it any more. */
function createRequests({ scheduler, network, random }: Parts, faults: StoreFaults): Request {
  return (process, place, signal, handle) =>
    new Promise(resolve => {
      let settled = false
      const settle = (outcome: Outcome) => {
        if (settled) return
        settled = true
        signal.removeEventListener('abort', gaveUp)
        resolve(outcome)
      }
      const gaveUp = () => settle({ kind: 'never' })
      if (signal.aborted) return settle({ kind: 'never' })
      signal.addEventListener('abort', gaveUp)

      const answer = (outcome: Outcome) =>
        network.send('store', place, () => process.deliver(() => settle(outcome)))
      const reach = () => {
        if (faults.stuckFor.has(place)) return
        handle()
        if (!random.chance(faults.answerLostChance)) answer({ kind: 'handled' })
      }
      network.send(place, 'store', () => {
        if (faults.down) return answer({ kind: 'refused' })
        if (faults.electing) return duringElection(scheduler, random, faults, reach)
        if (random.chance(faults.lateChance))
          return void scheduler.after(random.next() * faults.lateMs, reach)
        reach()
      })
    })
}

/** A third is lost; the others are handled when there is a leader again, however late that is. */
function duringElection(scheduler: Scheduler, random: Random, faults: StoreFaults, reach: () => void): void {
  if (random.chance(0.33)) return
  const again = () => {
    if (faults.down) return
    if (faults.electing) scheduler.after(ANSWER_AFTER_ELECTION_MS * random.between(0.5, 2), again)
    else reach()
  }
  again()
}

interface Leases {
  grant(lease: string, ttlMs: number): void
  keep(lease: string): LeaseResult
  /** What a store member answers that was overtaken without knowing. */
  pretend(lease: string): LeaseResult
}

function createLeases(scheduler: Scheduler, state: StoreState, suspended: () => boolean): Leases {
  const leases = new Map<string, { ttlMs: number; expiresAt: number }>()
  const expire = (lease: string) => {
    const known = leases.get(lease)
    if (!known) return
    const left = known.expiresAt - scheduler.now()
    // A new leader of the store grants every lease its whole time again.
    if (suspended()) known.expiresAt = scheduler.now() + known.ttlMs
    else if (left <= 0) {
      leases.delete(lease)
      return state.dropLease(lease)
    }
    scheduler.after(Math.max(left, 500), () => expire(lease))
  }
  return {
    grant: (lease, ttlMs) => {
      leases.set(lease, { ttlMs, expiresAt: scheduler.now() + ttlMs })
      state.addLease(lease)
      scheduler.after(ttlMs, () => expire(lease))
    },
    keep: lease => {
      const known = leases.get(lease)
      if (!known || !state.hasLease(lease)) return { kind: 'gone' }
      known.expiresAt = scheduler.now() + known.ttlMs
      return { kind: 'held', lease, ttlMs: known.ttlMs }
    },
    pretend: lease => ({ kind: 'held', lease, ttlMs: leases.get(lease)?.ttlMs ?? SHORTEST_LEASE_MS }),
  }
}
