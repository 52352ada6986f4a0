// How an action ended: as wanted, or so that the rest of the tick must not happen.

export type Outcome = { readonly kind: 'done' } | { readonly kind: 'stopped'; readonly reason: string }

export function done(): Outcome {
  return { kind: 'done' }
}

export function stopped(reason: string): Outcome {
  return { kind: 'stopped', reason }
}
