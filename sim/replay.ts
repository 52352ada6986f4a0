// Replays one seed and prints what happened.
import { type Plan, simulate } from './simulate.ts'

/** False: an invariant was violated. */
export async function replay(plan: Plan): Promise<boolean> {
  const { log, ...result } = await simulate(plan)
  for (const line of log.lines()) console.log(line)
  for (const violation of result.violations)
    console.log(`${violation.invariant} at ${(violation.at / 1000).toFixed(3)} s: ${violation.text}`)
  console.log(JSON.stringify({ ...result, violations: result.violations.length }))
  return result.violations.length === 0
}
