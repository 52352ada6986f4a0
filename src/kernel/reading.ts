// What was read from the world: a value, or since when it could not be had. Never an exception.
import type { Instant } from './time.ts'

export type Reading<T> =
  | { readonly kind: 'known'; readonly value: T; readonly at: Instant }
  | { readonly kind: 'lost'; readonly since: Instant; readonly reason: string }

export function known<T>(value: T, at: Instant): Reading<T> {
  return { kind: 'known', value, at }
}

export function lost(reason: string, since: Instant): Reading<never> {
  return { kind: 'lost', since, reason }
}
