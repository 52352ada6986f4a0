// What clients saw of transactions that read lists and append to them: the whole order of writes of a list can be read
// off one long read, so a history tells which transaction came before which (Elle's method).

export const ISOLATION_LEVELS = ['read committed', 'repeatable read', 'serializable'] as const
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number]

export type Operation =
  | { readonly kind: 'append'; readonly list: number; readonly element: number }
  /** `elements` is null when the answer was never seen. */
  | { readonly kind: 'read'; readonly list: number; readonly elements: readonly number[] | null }

export interface Transaction {
  readonly id: number
  /** `unknown`: the commit was sent and not answered, or the wait for its confirmation was given up. */
  readonly outcome: 'committed' | 'aborted' | 'unknown'
  readonly operations: readonly Operation[]
  /** Before the first statement was sent, and when the last answer had arrived. */
  readonly startedNs: number
  readonly endedNs: number
  /** The server and its timeline. */
  readonly reign: string
}

/** What each list held at the end, read when nothing could change any more. */
export type FinalLists = ReadonlyMap<number, readonly number[]>

export type AnomalyKind =
  | 'G0'
  | 'G1a'
  | 'G1b'
  | 'G1c'
  | 'G-single'
  | 'G2'
  | 'G0-realtime'
  | 'G1c-realtime'
  | 'G-single-realtime'
  | 'internal'
  | 'duplicate-element'
  | 'unwritten-element'
  | 'incompatible-order'
  | 'lost-append'

export interface Anomaly {
  readonly kind: AnomalyKind
  readonly transactions: readonly number[]
  readonly explanation: string
}

export function elementKey(list: number, element: number): string {
  return `${list}:${element}`
}

export function readsOf(
  transaction: Transaction,
): readonly { readonly list: number; readonly elements: readonly number[] }[] {
  return transaction.operations.flatMap(operation =>
    operation.kind === 'read' && operation.elements !== null
      ? [{ list: operation.list, elements: operation.elements }]
      : [],
  )
}
