// Stories: what needs several faults in this order and at these moments, and would hardly ever be drawn.
import { RHO } from '../src/core/timers.ts'
import * as machine from './faults.ts'
import * as between from './faults-between.ts'
import { diskFull, diskStalls, handsOver } from './faults-disk.ts'
import * as streaming from './faults-streaming.ts'
import * as modes from './operators-modes.ts'
import { FAILSAFE_STORIES } from './stories-failsafe.ts'
import type { Story } from './story.ts'

const QUORUM = { synchronous_mode: 'quorum', synchronous_mode_strict: false }

/** A member that has just been started suspects nobody for a ttl; the deadline of the leader must still be ahead. */
const LATER_THAN_A_WAIT_MS = 11_500

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
  [
    4,
    {
      // A takeover with seals is on its way to the store, and late; the old leader comes back meanwhile, and one of the
      // sealed members is started again.
      name: 'late takeover',
      synchronous: true,
      promises: { ...QUORUM, vigil: { early_takeover: true } },
      ttlSeconds: 15,
      steps: random => {
        const at = LATER_THAN_A_WAIT_MS + random.between(0, 1500)
        const back = at + random.between(4000, 5500)
        const again = random.pick([
          machine.agentKill,
          machine.agentKill,
          machine.postmasterKill,
          streaming.diskReplaced,
          machine.powerLoss,
        ])
        return [
          { at, fault: between.storeUnreachable, target: 'leader', forMs: 20_000 },
          { at: at + 1, fault: between.isolated, target: 'leader', forMs: back - at },
          { at: at + 2500, fault: between.lateRequests, target: 'any', forMs: 12_000 },
          {
            at: back - random.between(0, 800),
            fault: again,
            target: 'standby',
            forMs: random.between(100, 1500),
          },
          { at: back, fault: again, target: 'standby', forMs: random.between(100, 800) },
        ]
      },
    },
  ],
  [
    2,
    {
      // One standby is behind when the leader falls silent, and both are there to be asked.
      name: 'one is behind',
      synchronous: true,
      promises: { ...QUORUM, synchronous_node_count: 1 },
      steps: (random, ttlMs) => {
        const at = random.between(3000, 8000)
        return [
          {
            at: random.between(100, 2500),
            fault: machine.slowPostgres,
            target: 'standby',
            forMs: at + ttlMs,
          },
          {
            at,
            fault: random.pick([between.isolated, machine.powerLoss, machine.bothKill]),
            target: 'leader',
            forMs: ttlMs * 1.5,
          },
          {
            at: at + random.between(0, 2000),
            fault: random.pick([machine.postmasterKill, machine.agentKill, machine.powerLoss]),
            target: 'standby',
            forMs: random.between(100, 3000),
          },
        ]
      },
    },
  ],
  [
    2,
    {
      // A leader writes on alone; when it comes back it has more WAL than anybody, and all of it is of an earlier term.
      name: 'longer and older',
      synchronous: true,
      promises: { ...QUORUM, synchronous_node_count: 1, vigil: { early_takeover: true } },
      steps: (random, ttlMs) => {
        const at = random.between(3000, 5000)
        const back = at + ttlMs + random.between(1500, 3500)
        const gone = random.pick([machine.powerLoss, between.isolated])
        return [
          { at, fault: between.isolated, target: 'leader', forMs: back - at },
          { at: back + random.between(-600, 600), fault: gone, target: 'leader', forMs: ttlMs * 1.5 },
        ]
      },
    },
  ],
  [
    2,
    {
      // A new leader is lost when it has hardly begun, and the one that is left may not have what the first one promised.
      name: 'second loss',
      synchronous: true,
      promises: { ...QUORUM, synchronous_node_count: 1, vigil: { early_takeover: true } },
      ttlSeconds: 7,
      members: 3,
      steps: random => {
        const at = random.between(7500, 9000)
        return [
          {
            at: at - random.between(100, 4000),
            fault: machine.slowPostgres,
            target: 'standby',
            forMs: 30_000,
          },
          { at, fault: machine.powerLoss, target: 'leader', forMs: 30_000 },
          { at: at + random.between(3000, 6000), fault: machine.powerLoss, target: 'leader', forMs: 20_000 },
        ]
      },
    },
  ],
  [
    2,
    {
      // What is wanted changes again while the rule for what was wanted before is on its way, a little late.
      name: 'change of mind',
      synchronous: true,
      promises: { ...QUORUM, synchronous_node_count: 1 },
      members: 3,
      steps: random => {
        const moments = Array.from({ length: 24 }, (_, index) => 7000 + index * random.between(700, 1100))
        return [
          { at: 7000, fault: between.barelyLateRequests, target: 'any', forMs: 26_000 },
          ...moments.map(at => ({ at, fault: modes.nodeCountChange, target: 'any' as const, forMs: 1 })),
        ]
      },
    },
  ],
  [
    2,
    {
      // An overtaken leader that does not know it comes back, and a member that starts again is shown an old record.
      name: 'forgotten terms',
      synchronous: true,
      promises: { ...QUORUM, vigil: { early_takeover: true } },
      ttlSeconds: 15,
      steps: random => {
        const at = LATER_THAN_A_WAIT_MS + random.between(0, 1000)
        const back = at + random.between(3800, 5200)
        return [
          { at, fault: between.storeUnreachable, target: 'leader', forMs: 20_000 },
          { at: at + 1, fault: between.isolated, target: 'leader', forMs: back - at },
          { at: back - 1500, fault: between.staleReads, target: 'any', forMs: 8000 },
          { at: back, fault: machine.agentKill, target: 'standby', forMs: random.between(50, 400) },
          { at: back + 900, fault: machine.agentKill, target: 'standby', forMs: random.between(50, 400) },
        ]
      },
    },
  ],
  [
    1,
    {
      // The only other copy comes back as it was long ago, and the leader is gone when it does.
      name: 'set back',
      synchronous: true,
      promises: { ...QUORUM, synchronous_node_count: 1 },
      members: 2,
      steps: (random, ttlMs) => {
        const at = random.between(3000, 6000)
        const offMs = random.between(1600, 2700)
        return [
          { at, fault: streaming.copyRestored, target: 'standby', forMs: offMs },
          {
            at: at + offMs - random.between(50, 500),
            fault: random.pick([between.isolated, machine.powerLoss]),
            target: 'leader',
            forMs: ttlMs * 1.6,
          },
        ]
      },
    },
  ],
]

export const STORY_SHARE = 0.2
