// What an operator or a candidate asked of this member (not of the cluster: that goes through the store).
import type { Instant } from '../kernel/time.ts'
import type { FailsafeAsked } from './failsafe.ts'
import type { SealAnswer, SealRequest } from './synchronous/seal.ts'

export type MemberRequest =
  | { readonly kind: 'restart'; readonly id: string; readonly onlyIfPending: boolean }
  | {
      readonly kind: 'reinitialise'
      readonly id: string
      readonly force: boolean
      readonly fromLeader: boolean
    }
  | { readonly kind: 'reload'; readonly id: string }
  /** From a leader without a store. `asked` null: a Patroni agent asks. */
  | { readonly kind: 'failsafe'; readonly id: string; readonly asked: FailsafeAsked | null }
  /** From a candidate, which does not wait for ever. */
  | { readonly kind: 'seal'; readonly id: string; readonly request: SealRequest; readonly filedAt: Instant }

export type RequestOutcome =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'seal'; readonly answer: SealAnswer }
