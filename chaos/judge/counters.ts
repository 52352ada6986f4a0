// What each session was told of its own counter must only grow.
import type { Count } from '../client/plan.ts'

/** `across`: also from one primary to the next, as synchronous replication promises. */
export function wrongCounts(
  counts: readonly Count[],
  { across }: { readonly across: boolean },
): readonly string[] {
  const last = new Map<string, Count>()
  const found: string[] = []
  for (const count of counts.toSorted((a, b) => a.atNs - b.atNs)) {
    const lane = across ? String(count.client) : `${count.client} ${count.reign}`
    const before = last.get(lane)
    if (before && count.value <= before.value) {
      found.push(
        `session ${count.client} was told ${count.value} by ${count.reign} after ${before.value} by ${before.reign}`,
      )
    }
    last.set(lane, count)
  }
  return found
}
