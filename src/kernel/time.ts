// Instants and durations. Wall clocks decide nothing, so they have no place here.

/** Milliseconds. */
export type Ms = number

/**
 * One reading of both clocks of a machine: `mono` does not count suspension, `boot` does (protocol A4).
 * Only differences between instants of the same process have a meaning.
 */
export interface Instant {
  readonly mono: Ms
  readonly boot: Ms
}

export function later(instant: Instant, ms: Ms): Instant {
  return { mono: instant.mono + ms, boot: instant.boot + ms }
}

/** A deadline is reached when either clock reaches it: whoever serves must err on the early side. */
export function reached(deadline: Instant, now: Instant): boolean {
  return now.mono >= deadline.mono || now.boot >= deadline.boot
}

/** Time that has certainly passed: whoever waits for somebody else's deadline must err on the late side. */
export function elapsedAtLeast(since: Instant, now: Instant): Ms {
  return Math.min(now.mono - since.mono, now.boot - since.boot)
}

/** Time that may have passed. */
export function elapsedAtMost(since: Instant, now: Instant): Ms {
  return Math.max(now.mono - since.mono, now.boot - since.boot)
}

/** Time left before a deadline, never negative. */
export function remaining(deadline: Instant, now: Instant): Ms {
  return Math.max(0, Math.min(deadline.mono - now.mono, deadline.boot - now.boot))
}

/** The earlier of two deadlines, each clock by itself. */
export function earlier(a: Instant, b: Instant): Instant {
  return { mono: Math.min(a.mono, b.mono), boot: Math.min(a.boot, b.boot) }
}

/** Whether deadline `a` lies after `b` on both clocks. */
export function isAfter(a: Instant, b: Instant): boolean {
  return a.mono > b.mono && a.boot > b.boot
}
