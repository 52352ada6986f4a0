// Stories: what needs several faults in this order and at these moments, and would hardly ever be drawn.
import { RHO } from '../src/core/timers.ts'
import * as machine from './faults.ts'
import * as between from './faults-between.ts'
import { diskFull, diskStalls, handsOver } from './faults-disk.ts'
import type { Random } from './random.ts'
import type { Step } from './scenario.ts'
import { FAILSAFE_STORIES } from './stories-failsafe.ts'

export interface Story {
  readonly name: string
  readonly steps: (random: Random, ttlMs: number) => readonly Omit<Step, 'seed'>[]
  /** The cluster begins in a synchronous mode. */
  readonly synchronous?: boolean
  /** A leader may go on without the store. */
  readonly failsafe?: boolean
  /** The last member starts only when a step says so. */
  readonly newcomer?: boolean
}

const SILENCES = [machine.agentKill, machine.agentStop, between.storeUnreachable, between.requestsCut]

/** With the share of each. */
export const STORIES: readonly (readonly [weight: number, story: Story])[] = [
  [
    1,
    {
      // Clocks as wrong as they may be, a ttl that makes much of it, and a leader that falls silent.
      name: 'clocks',
      steps: (random, ttlMs) => [
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
      steps: (random, ttlMs) => {
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
      steps: (random, ttlMs) => [
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
      steps: (random, ttlMs) => {
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
  ...FAILSAFE_STORIES,
]

export const STORY_SHARE = 0.2
