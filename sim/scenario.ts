// One seed draws a whole scenario: the cluster, its settings, and what is done to it when.

import { RHO } from '../src/core/timers.ts'
import type { Habits } from './clients.ts'
import { CHOICES, type Choice } from './fault-choices.ts'
import type { Random } from './random.ts'
import { STORIES, STORY_SHARE } from './stories.ts'
import type { Step, Story } from './story.ts'
import { THEME_WEIGHT, THEMES, type Theme } from './themes.ts'

export interface Scenario {
  readonly theme: string
  readonly members: readonly string[]
  /** Milliseconds after the start at which each member's agent first starts. */
  readonly starts: readonly number[]
  readonly ttlSeconds: number
  /** What `/config` begins with, besides the times. */
  readonly promises: Readonly<Record<string, unknown>>
  readonly clockRates: readonly number[]
  readonly latency: { readonly lowMs: number; readonly highMs: number }
  readonly habits: Habits
  readonly killMs: number
  /** In order of time, counted from when the cluster is up. */
  readonly steps: readonly Step[]
  readonly phaseMs: number
  /** Faults begin although the cluster is not up yet. */
  readonly impatient: boolean
  /** The last member starts only when a step says so. */
  readonly newcomer: boolean
  /** An operator will have to begin it anew. */
  readonly storeFails: boolean
}

const NAMES = ['amber', 'birch', 'cedar', 'dahlia', 'elder']
const SYNCHRONOUS_SHARE = 0.4
const FAILSAFE_SHARE = 0.5

/** `only`: the name of a theme or story, instead of any. */
export function drawScenario(random: Random, only: string | null = null): Scenario {
  const plot = drawPlot(random, only)
  const given = 'steps' in plot ? plot : null
  const drawnCount = random.weighted([
    [3, 2],
    [12, 3],
    [1, 4],
    [1, 5],
  ] as const)
  const count = given?.members ?? drawnCount
  const members = NAMES.slice(0, count)
  const clocks = plot.name === 'clocks'
  const drawnTtl = clocks ? random.integer(35, 60) : random.chance(0.06) ? 30 : random.integer(7, 15)
  const ttlSeconds = given?.ttlSeconds ?? drawnTtl
  const synchronous = plot.synchronous === true || random.chance(SYNCHRONOUS_SHARE)
  const story = given?.steps(random, ttlSeconds * 1000)
  const phaseMs = story
    ? Math.max(...story.map(step => step.at + step.forMs))
    : random.between(12_000, 45_000)
  const late = random.chance(0.15)
  const steps = story ?? drawSteps(random, swarm(random, plot as Theme, synchronous), phaseMs)
  return {
    theme: plot.name,
    members,
    starts: members.map((_, index) =>
      late && index === count - 1 ? random.between(5000, 30_000) : random.between(0, 1500),
    ),
    ttlSeconds,
    promises: {
      ...drawPromises(random, synchronous),
      ...given?.promises,
      failsafe_mode: plot.failsafe ?? random.chance(FAILSAFE_SHARE),
    },
    clockRates: members.map(() => 1 + 0.98 * random.pick(clocks ? [-RHO, RHO] : [0, 0, -RHO, RHO])),
    latency: random.pick([
      { lowMs: 0.1, highMs: 0.6 },
      { lowMs: 0.3, highMs: 4 },
      { lowMs: 2, highMs: 60 },
    ]),
    habits: {
      everyMs: random.pick([60, 150, 400]),
      weakShare: synchronous ? random.pick([0, 0, 0.1, 0.5]) : 0,
    },
    killMs: random.chance(0.2) ? random.between(100, 600) : random.between(5, 80),
    steps: steps.map(step => ({ ...step, seed: random.integer(0, 0xffffffff) })),
    phaseMs,
    impatient: random.chance(0.08),
    newcomer: plot.newcomer ?? false,
    storeFails: plot.storeFails ?? false,
  }
}

function drawPlot(random: Random, only: string | null): Theme | Story {
  if (only === null) return random.chance(STORY_SHARE) ? random.weighted(STORIES) : random.pick(THEMES)
  const found = [...THEMES, ...STORIES.map(([, story]) => story)].find(plot => plot.name === only)
  if (!found) throw new Error(`no such theme: ${only}`)
  return found
}

function drawPromises(random: Random, synchronous: boolean): Scenario['promises'] {
  return {
    maximum_lag_on_failover: random.chance(0.3) ? random.integer(500, 20_000) : 1_048_576,
    ...(synchronous
      ? {
          synchronous_mode: random.pick(['on', 'quorum', 'quorum']),
          synchronous_mode_strict: random.chance(0.25),
          synchronous_node_count: random.weighted([
            [3, 1],
            [1, 2],
          ] as const),
          vigil: { early_takeover: random.chance(0.7) },
        }
      : {}),
  }
}

type DrawnStep = Omit<Step, 'seed'>

/** A random half of all faults is off in each seed: what the others do alone is seen then, too. */
function swarm(random: Random, theme: Theme, synchronous: boolean): readonly Choice[] {
  const on = CHOICES.filter(choice => synchronous || !choice.synchronous).flatMap(choice => {
    const favoured = theme.faults.some(fault => fault.name === choice.fault.name)
    const chosen = random.chance(0.5)
    if (favoured) return [{ ...choice, weight: choice.weight + THEME_WEIGHT }]
    return chosen ? [choice] : []
  })
  return on.length > 0 ? on : CHOICES
}

function drawSteps(random: Random, choices: readonly Choice[], phaseMs: number): readonly DrawnStep[] {
  const weighted = choices.map(choice => [choice.weight, choice] as const)
  const steps: DrawnStep[] = []
  const meanGapMs = random.between(1500, 8000)
  let at = random.between(200, 2500)
  while (at < phaseMs) {
    const { fault, leaderShare, lowMs, highMs } = random.weighted(weighted)
    // Short ones are as frequent as long ones.
    const forMs = lowMs * (highMs / lowMs) ** random.next()
    const target = random.chance(leaderShare) ? 'leader' : random.pick(['standby', 'any'] as const)
    steps.push({ at, fault, target, forMs })
    at += random.chance(0.25) ? random.between(5, 600) : random.between(0.2, 2) * meanGapMs
  }
  return steps
}
