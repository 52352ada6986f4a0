// A run as a file: the seed that draws its cluster, and what is done to it, step by step.
import { faultNamed } from './fault-choices.ts'
import { draw, type Plan } from './simulate.ts'
import type { Step, Target } from './story.ts'

export interface Script {
  readonly seed: number
  readonly theme: string | null
  readonly salt: number
  readonly steps: readonly ScriptStep[]
}

interface ScriptStep {
  readonly at: number
  readonly fault: string
  readonly target: Target
  readonly forMs: number
  readonly seed: number
}

export function scriptOf(plan: Plan): Script {
  const { scenario } = draw(plan)
  return {
    seed: plan.seed,
    theme: plan.theme,
    salt: plan.salt ?? 0,
    steps: scenario.steps.map(({ fault, ...step }) => ({ ...step, fault: fault.name })),
  }
}

/** @throws for a fault that there is not. */
export function planOf({ seed, theme, salt, steps }: Script): Plan {
  const { ttlSeconds } = draw({ seed, theme }).scenario
  return { seed, theme, salt, steps: steps.map(step => toStep(step, ttlSeconds * 1000)) }
}

function toStep(step: ScriptStep, ttlMs: number): Step {
  const fault = faultNamed(step.fault, ttlMs)
  if (!fault) throw new Error(`no such fault: ${step.fault}`)
  return { ...step, fault }
}
