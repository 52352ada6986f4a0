// Long work: one at a time, visible as state, never inside a tick.
import type { Instant } from '../kernel/time.ts'
import type { CloneProgress, Upstream } from './instance.ts'

export type JobOrder =
  | { readonly kind: 'initialise'; readonly seat: string }
  | {
      readonly kind: 'clone'
      readonly from: Upstream
      readonly systemIdentifier: string
      readonly seat: string
      /** Keeps the WAL on the source that a long copy needs at its end. */
      readonly slot?: string
      /** The copy that it replaces is no beginning of the accepted history. */
      readonly suspect?: boolean
    }
  | { readonly kind: 'rewind'; readonly from: Upstream; readonly systemIdentifier: string }
  | { readonly kind: 'keep-evidence'; readonly from: Upstream; readonly systemIdentifier: string }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'prepare-cluster' }
  | { readonly kind: 'discard-replaced' }

export type Job = {
  readonly order: JobOrder
  readonly startedAt: Instant
  readonly progress: CloneProgress | null
} & (
  | { readonly state: 'running' }
  | { readonly state: 'done' }
  | { readonly state: 'failed'; readonly reason: string; readonly endedAt: Instant }
)

export type JobKind = JobOrder['kind']
