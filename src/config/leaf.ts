// One key of the file: how it is read, what it is for, whether it is used; the schema is built of these.
import { registry, unknown, type ZodPipe, type ZodTransform, type ZodType, type ZodUnknown } from 'zod'
import { DYNAMIC_POSTGRESQL_KEYS, type Use } from '../core/dynamic-keys.ts'
import type { Kind } from '../core/setting-kind.ts'
import { type Node, plain, plainText } from './tree.ts'

export interface LeafMeta {
  readonly kind: Kind<unknown>
  readonly use: Use
  readonly about: string
  /** Shown in the reference; empty when there is none. */
  readonly fallback: string
}

/** What is known about each leaf of the schema. */
export const leaves = registry<LeafMeta>()

export type Leaf<T> = ZodPipe<ZodUnknown, ZodTransform<T, unknown>>

/** A key that works as described. */
export function used<T>(kind: Kind<T>, about: string, fallback = ''): Leaf<T> {
  return leaf({ kind, use: 'used', about, fallback })
}

/** A key that Patroni has and that changes nothing here yet. */
export function later<T>(kind: Kind<T>, about: string): Leaf<T> {
  return leaf({ kind, use: 'later', about, fallback: '' })
}

/** A key of a part that has no counterpart here. */
export function ignored<T>(kind: Kind<T>, about: string): Leaf<T> {
  return leaf({ kind, use: 'ignored', about, fallback: '' })
}

type PostgresqlKeys = typeof DYNAMIC_POSTGRESQL_KEYS

/** A key that may be dynamic too, described there. */
export function shared<K extends keyof PostgresqlKeys>(name: K): Leaf<PostgresqlKeys[K]['default']> {
  const { kind, use, about, default: value } = DYNAMIC_POSTGRESQL_KEYS[name]
  return leaf({ kind: kind as Kind<PostgresqlKeys[K]['default']>, use, about, fallback: showDefault(value) })
}

export function showDefault(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

/** The value of a leaf as its kind wants it: by meaning, or by characters. */
export function leafValue(kind: Kind<unknown>, node: Node): unknown {
  return kind.text ? plainText(node) : plain(node)
}

/** Reads a tree node. The message stays empty: the finding is made from the leaf's own words. */
function leaf<T>(meta: Omit<LeafMeta, 'kind'> & { readonly kind: Kind<T> }): Leaf<T> {
  const schema = unknown().transform((node, context): T => {
    const value = meta.kind.read(leafValue(meta.kind, node as Node))
    if (value === undefined) context.addIssue({ code: 'custom', message: '' })
    return value as T
  })
  leaves.add(schema as ZodType, meta)
  return schema
}
