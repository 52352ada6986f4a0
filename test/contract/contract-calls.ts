// Calls and waits that the contract's tests share.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { KeyValue, Transaction, Write } from '../../src/ports/store.ts'
import { waitFor } from '../lab/wait.ts'

export interface StoreUnderTest {
  /** A new client, which the caller closes. */
  connect(): KeyValue
  readonly faults: StoreFaults
  stop(): Promise<void>
}

/** What a test can do to the store. Each lasts until `heal`. */
export interface StoreFaults {
  /** Requests are carried out, answers are lost. */
  loseAnswers(): Promise<void>
  /** Nobody listens: certain not to have arrived. */
  refuse(): Promise<void>
  /** Everything is accepted and nothing answered. */
  freeze(): Promise<void>
  /** Back to normal; resolves when calls succeed again. */
  heal(): Promise<void>
  /** Established connections break; new ones work. */
  cut(): Promise<void>
  /** The store stops and starts again with its data. */
  restart(): Promise<void>
  /** Another server of the store takes the lead. */
  moveLeader(): Promise<void>
}

export interface Subject {
  readonly kv: KeyValue
  readonly store: StoreUnderTest
  readonly prefix: string
}

const LIMIT_MS = 10_000
export const SHORT_MS = 1_500
export const WAIT_MS = 30_000

export const limit = (ms = LIMIT_MS) => AbortSignal.timeout(ms)

/** Calls succeed, possibly after a few that meet what a fault left behind. */
export async function works(kv: KeyValue, prefix: string): Promise<void> {
  await waitFor('the store works', WAIT_MS, async () => {
    const result = await kv.transact(
      writes(put(`${prefix}works`, randomBytes(4).toString('hex'))),
      limit(SHORT_MS),
    )
    await kv.list(prefix, limit(SHORT_MS))
    return result.kind === 'applied'
  })
}

/** Writes until the watch wakes: a hint may be late and may be lost while it is being established. */
export async function wakesFor(woken: () => number, writer: KeyValue, prefix: string): Promise<void> {
  await waitFor('a change woke the watch', WAIT_MS, async () => {
    const before = woken()
    await writer.transact(writes(put(`${prefix}wake`, randomBytes(4).toString('hex'))), limit(SHORT_MS))
    return waitFor('this one', 1_000, () => woken() > before).catch(() => false)
  })
}

export async function applied(kv: KeyValue, ...changes: readonly Write[]): Promise<bigint> {
  const result = await kv.transact(writes(...changes), limit())
  assert.ok(
    result.kind === 'applied',
    JSON.stringify(result, (_, value: unknown) => String(value)),
  )
  return result.revision
}

export function writes(...changes: readonly Write[]): Transaction {
  return { compare: [], writes: changes, readOnFailure: [] }
}

export function put(key: string, value: string, lease?: string): Write {
  return lease === undefined ? { put: key, value } : { put: key, value, lease }
}

export function keysOf(entries: readonly { readonly key: string }[]): readonly string[] {
  return entries.map(entry => entry.key)
}

export function valuesOf(entries: readonly { readonly value: string }[]): readonly string[] {
  return entries.map(entry => entry.value)
}
