// Finds the shortest list of faults with which a run still breaks the same invariant: chunks are left out first, then
// single steps, until nothing more can go. The same seed gives the same answer.
import { type Plan, simulate } from './simulate.ts'

export interface Shrunk {
  readonly plan: Plan
  /** What it breaks; null: nothing, so there was nothing to shrink. */
  readonly invariant: string | null
  readonly text: string
  readonly runs: number
}

/** Other courses of the same faults that are tried before one counts as needed: without it chance hides that it is not. */
const SALTS = 6

export async function shrink(plan: Plan, all: Plan['steps'] & object): Promise<Shrunk> {
  let runs = 0
  const broken = async (candidate: Plan, wanted: string | null) => {
    runs++
    const { violations } = await simulate(candidate)
    return violations.find(({ invariant }) => wanted === null || invariant === wanted) ?? null
  }
  const first = await broken({ ...plan, steps: all }, null)
  if (!first) return { plan, invariant: null, text: '', runs }
  let best: Plan = { ...plan, steps: all }
  let text = first.text

  /** True: the run breaks with these steps alone, and they are the best from now on. */
  const enough = async (steps: typeof all): Promise<boolean> => {
    const own = best.salt ?? 0
    for (const salt of [own, ...others(own)]) {
      const candidate = { ...best, salt, steps }
      const found = await broken(candidate, first.invariant)
      if (!found) continue
      best = candidate
      text = found.text
      return true
    }
    return false
  }
  let size = Math.ceil(all.length / 2)
  while (size >= 1) {
    const steps = best.steps ?? []
    let shorter = false
    for (let from = 0; from < steps.length && !shorter; from += size)
      shorter = await enough([...steps.slice(0, from), ...steps.slice(from + size)])
    if (shorter) size = Math.min(size, Math.max(1, Math.ceil((best.steps?.length ?? 0) / 2)))
    else if (size === 1) break
    else size = Math.ceil(size / 2)
  }
  return { plan: best, invariant: first.invariant, text, runs }
}

function others(own: number): readonly number[] {
  return Array.from({ length: SALTS }, (_, salt) => salt).filter(salt => salt !== own)
}
