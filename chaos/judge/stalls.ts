// When clients could not write, and how much they wrote: for the eye, not a judgement.
import { type Entry, FIRST_PINNED_CLIENT } from '../../test/lab/record.ts'

export interface Stall {
  readonly fromNs: number
  readonly untilNs: number
}

/** Stretches without an acknowledgement for clients that go wherever writes are accepted. */
export function stallsOf(record: readonly Entry[], minimumMs: number, untilNs: number): readonly Stall[] {
  const times = acknowledgements(record)
  return [...times, untilNs].flatMap((untilNs, index) => {
    const fromNs = times[index - 1]
    return fromNs !== undefined && untilNs - fromNs >= minimumMs * 1e6 ? [{ fromNs, untilNs }] : []
  })
}

/** Acknowledgements in each of `count` equal slices. */
export function ratesOf(
  record: readonly Entry[],
  fromNs: number,
  untilNs: number,
  count: number,
): readonly number[] {
  const slices = Array.from({ length: count }, () => 0)
  for (const at of acknowledgements(record)) {
    const slice = Math.floor(((at - fromNs) / (untilNs - fromNs)) * count)
    if (slice >= 0 && slice < count) slices[slice]! += 1
  }
  return slices
}

function acknowledgements(record: readonly Entry[]): readonly number[] {
  return record
    .filter(entry => entry.kind === 'acknowledged' && entry.client < FIRST_PINNED_CLIENT)
    .map(({ atNs }) => atNs)
    .sort((a, b) => a - b)
}
