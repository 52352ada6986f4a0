// One seed draws a whole scenario: the cluster, its settings, and what is done to it when.

import type { Habits } from './clients.ts'
import type { Fault } from './faults.ts'
import * as machine from './faults.ts'
import * as between from './faults-between.ts'
import { diskFull, diskStalls, handsOver } from './faults-disk.ts'
import * as operators from './operators.ts'
import type { Random } from './random.ts'

export interface Scenario {
  readonly theme: string
  readonly members: readonly string[]
  /** Milliseconds after the start at which each member's agent first starts. */
  readonly starts: readonly number[]
  readonly ttlSeconds: number
  readonly maximumLag: number
  readonly clockRates: readonly number[]
  readonly latency: { readonly lowMs: number; readonly highMs: number }
  readonly habits: Habits
  readonly killMs: number
  /** In order of time, counted from when the cluster is up. */
  readonly steps: readonly Step[]
  readonly phaseMs: number
  /** Faults begin although the cluster is not up yet. */
  readonly impatient: boolean
}

export interface Step {
  readonly at: number
  readonly fault: Fault
  readonly target: Target
  /** Until it is taken back. */
  readonly forMs: number
}

/** Found when the step begins. */
export type Target = 'leader' | 'standby' | 'any'

type Choice = readonly [weight: number, fault: Fault, leaderShare: number, lowMs: number, highMs: number]

const NAMES = ['amber', 'birch', 'cedar', 'dahlia']
const RHO = 0.01

/** Everything, with how often it is the leader's turn and how long it lasts. */
const CHOICES: readonly Choice[] = [
  [8, machine.agentKill, 0.7, 100, 20_000],
  [6, machine.agentStop, 0.7, 200, 20_000],
  [2, machine.agentUpgrade, 0.7, 300, 5000],
  [2, machine.agentShutdown, 0.5, 1000, 20_000],
  [5, machine.guardKill, 0.7, 1, 2],
  [4, machine.guardStop, 0.8, 100, 12_000],
  [2, machine.guardStarved, 0.8, 1000, 10_000],
  [3, machine.bothKill, 0.8, 200, 15_000],
  [7, machine.postmasterKill, 0.7, 1, 2],
  [3, machine.postmasterStop, 0.7, 500, 20_000],
  [3, machine.postgresHang, 0.7, 500, 20_000],
  [4, machine.slowPostgres, 0.5, 3000, 30_000],
  [3, machine.slowDisk, 0.6, 1000, 20_000],
  [3, diskStalls, 0.7, 500, 25_000],
  [2, diskFull, 0.6, 500, 25_000],
  [2, machine.slowKill, 0.7, 5000, 30_000],
  [2, machine.rewindBreaks, 0.5, 10_000, 40_000],
  [7, machine.powerLoss, 0.7, 500, 30_000],
  [3, machine.freeze('processes'), 0.7, 100, 20_000],
  [1, machine.freeze('suspend'), 0.7, 100, 15_000],
  [1, machine.freeze('freeze'), 0.7, 100, 15_000],
  [2, machine.wallJump, 0.7, 1, 2],
  [2, machine.promotedByHand, 0, 1, 2],
  [6, between.isolated, 0.7, 300, 25_000],
  [5, between.storeUnreachable, 0.7, 300, 25_000],
  [4, between.answersCut, 0.8, 500, 15_000],
  [3, between.requestsCut, 0.8, 500, 15_000],
  [3, between.membersUnreachable, 0.5, 500, 20_000],
  [3, between.oneLinkCut, 0.5, 500, 20_000],
  [4, between.lossyLinks, 0.6, 1000, 25_000],
  [4, between.answersCutThenIsolated, 0.9, 8000, 25_000],
  [6, between.election, 0.5, 500, 4000],
  [3, between.storeDown, 0.5, 300, 20_000],
  [5, between.lateRequests, 0.5, 2000, 25_000],
  [3, between.lostAnswers, 0.5, 2000, 20_000],
  [4, between.staleReads, 0.5, 2000, 30_000],
  [2, between.watchesLag, 0.5, 2000, 30_000],
  [4, between.stuckStore, 0.9, 2000, 20_000],
  [4, between.leaderKeyDeleted, 0.5, 1, 2],
  [6, operators.switchover, 1, 1, 2],
  [3, operators.failover, 1, 1, 2],
  [4, operators.maintenancePause, 1, 1000, 15_000],
  [4, operators.ttlChange, 1, 1, 2],
  [2, operators.restartRequest, 0.6, 1, 2],
  [2, operators.reinitialiseRequest, 0.2, 1, 2],
]

/** A theme makes its own faults frequent, so that what needs two of them at the right moment happens. */
const THEMES: readonly Theme[] = [
  { name: 'anything', faults: [] },
  { name: 'anything', faults: [] },
  {
    name: 'processes',
    faults: [machine.agentKill, machine.agentStop, machine.guardStop, machine.postmasterKill],
  },
  {
    name: 'guards',
    faults: [machine.guardStop, machine.guardKill, machine.slowKill, between.storeUnreachable],
  },
  {
    name: 'unknown results',
    faults: [between.answersCutThenIsolated, between.lateRequests, between.lostAnswers, machine.agentStop],
  },
  { name: 'stuck store', faults: [between.stuckStore, between.staleReads, between.election] },
  {
    name: 'isolation',
    faults: [between.isolated, between.storeUnreachable, between.requestsCut, machine.powerLoss],
  },
  {
    name: 'maintenance',
    faults: [operators.maintenancePause, between.lostAnswers, between.storeUnreachable, machine.agentKill],
  },
  {
    name: 'ttl',
    faults: [operators.ttlChange, between.storeUnreachable, between.answersCut, machine.agentStop],
  },
  {
    name: 'switchover',
    faults: [
      operators.switchover,
      operators.failover,
      machine.slowPostgres,
      machine.agentKill,
      machine.powerLoss,
    ],
  },
  { name: 'leader key', faults: [between.leaderKeyDeleted, between.stuckStore, between.storeUnreachable] },
  {
    name: 'rejoin',
    faults: [
      machine.powerLoss,
      machine.rewindBreaks,
      machine.slowPostgres,
      machine.agentKill,
      between.isolated,
    ],
  },
  {
    name: 'standstill',
    faults: [machine.freeze('processes'), machine.freeze('suspend'), machine.agentStop, machine.guardStop],
  },
]

const THEME_WEIGHT = 12

interface Theme {
  readonly name: string
  readonly faults: readonly Fault[]
  /** A story instead of a draw: what needs several things in this order and at these moments. */
  readonly story?: (random: Random, ttlMs: number) => readonly Step[]
}

const SILENCES = [machine.agentKill, machine.agentStop, between.storeUnreachable, between.requestsCut]

/** With the share of each. */
const STORIES: readonly (readonly [weight: number, theme: Theme])[] = [
  [
    1,
    {
      // Clocks as wrong as they may be, a ttl that makes much of it, and a leader that falls silent.
      name: 'clocks',
      faults: [],
      story: (random, ttlMs) => [
        {
          at: random.between(500, 4000),
          fault: random.pick(SILENCES),
          target: 'leader',
          forMs: ttlMs * 1.25,
        },
      ],
    },
  ],
  [
    3,
    {
      // The store comes back when the deadline is near, and the guard hears of it late.
      name: 'late word',
      faults: [],
      story: (random, ttlMs) => {
        const at = random.between(500, 4000)
        const outageMs = ttlMs * (1 - RHO) - 1000 - random.between(300, 2000)
        return [
          { at, fault: between.storeUnreachable, target: 'leader', forMs: outageMs },
          { at: at + outageMs - 200, fault: machine.guardStarved, target: 'leader', forMs: 3500 },
        ]
      },
    },
  ],
  [
    2,
    {
      // A leader that answers and can write nothing, and others that could: the one case in which a time is promised.
      name: 'sick disk',
      faults: [],
      story: (random, ttlMs) => [
        {
          at: random.between(3000, 8000),
          fault: handsOver(random.pick([diskStalls, diskStalls, diskFull]), ttlMs),
          target: 'leader',
          forMs: ttlMs + random.between(6000, 20_000),
        },
      ],
    },
  ],
  [
    1,
    {
      // An old leader comes back with what nobody has, its rewind breaks off, and then it is needed.
      name: 'torn copy',
      faults: [],
      story: (random, ttlMs) => {
        const at = random.between(500, 2000)
        const backAt = at + ttlMs + random.between(2000, 6000)
        return [
          { at: 100, fault: machine.rewindBreaks, target: 'leader', forMs: backAt + 60_000 },
          { at, fault: between.isolated, target: 'leader', forMs: backAt - at },
          {
            at: backAt + random.between(2000, 12_000),
            fault: machine.powerLoss,
            target: 'leader',
            forMs: ttlMs * 2,
          },
        ]
      },
    },
  ],
]

const STORY_CHANCE = 0.2

export function drawScenario(random: Random): Scenario {
  const count = random.weighted([
    [3, 2],
    [12, 3],
    [1, 4],
  ] as const)
  const members = NAMES.slice(0, count)
  const theme = random.chance(STORY_CHANCE) ? random.weighted(STORIES) : random.pick(THEMES)
  const clocks = theme.name === 'clocks'
  const ttlSeconds = clocks ? random.integer(35, 60) : random.chance(0.06) ? 30 : random.integer(7, 15)
  const story = theme.story?.(random, ttlSeconds * 1000)
  const last = story?.[story.length - 1]
  const phaseMs = last ? last.at + last.forMs : random.between(12_000, 45_000)
  const late = random.chance(0.15)
  return {
    theme: theme.name,
    members,
    starts: members.map((_, index) =>
      late && index === count - 1 ? random.between(5000, 30_000) : random.between(0, 1500),
    ),
    ttlSeconds,
    maximumLag: random.chance(0.3) ? random.integer(500, 20_000) : 1_048_576,
    clockRates: members.map(() => 1 + 0.98 * random.pick(clocks ? [-RHO, RHO] : [0, 0, -RHO, RHO])),
    latency: random.pick([
      { lowMs: 0.1, highMs: 0.6 },
      { lowMs: 0.3, highMs: 4 },
      { lowMs: 2, highMs: 60 },
    ]),
    habits: { everyMs: random.pick([60, 150, 400]), weakShare: 0 },
    killMs: random.chance(0.2) ? random.between(100, 600) : random.between(5, 80),
    steps: story ?? drawSteps(random, theme.faults, phaseMs),
    phaseMs,
    impatient: random.chance(0.08),
  }
}

function drawSteps(random: Random, favourites: readonly Fault[], phaseMs: number): readonly Step[] {
  const choices = CHOICES.map(choice => {
    const favoured = favourites.some(fault => fault.name === choice[1].name)
    return [favoured ? choice[0] + THEME_WEIGHT * 2 : choice[0], choice] as const
  })
  const steps: Step[] = []
  const meanGapMs = random.between(1500, 8000)
  let at = random.between(200, 2500)
  while (at < phaseMs) {
    const [, fault, leaderShare, lowMs, highMs] = random.weighted(choices)
    // Short ones are as frequent as long ones.
    const forMs = lowMs * (highMs / lowMs) ** random.next()
    const target = random.chance(leaderShare) ? 'leader' : random.pick(['standby', 'any'] as const)
    steps.push({ at, fault, target, forMs })
    at += random.chance(0.25) ? random.between(5, 600) : random.between(0.2, 2) * meanGapMs
  }
  return steps
}
