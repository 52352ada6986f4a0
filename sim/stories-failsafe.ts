// Stories of leaders without a store: who is asked, who answers late, who does not, and who has never been listed.

import type { Fault } from './faults.ts'
import * as machine from './faults.ts'
import * as between from './faults-between.ts'
import { ROLLBACK_MS, recordDeleted, rollback } from './faults-store.ts'
import * as operators from './operators.ts'
import type { Random } from './random.ts'
import type { Step, Story } from './story.ts'

/** A member that nobody has seen before. */
const joins: Fault = {
  name: 'a new member joins',
  begin: world => {
    world.hosts.find(host => host.agent === null)?.startAgent()
    return () => {}
  },
}

const INTERRUPTIONS = [
  machine.agentKill,
  machine.agentUpgrade,
  machine.powerLoss,
  machine.postmasterKill,
  machine.agentStop,
  between.isolated,
  between.membersUnreachable,
  between.lossyLinks,
]

/** Only the leader has lost it, or nobody reaches it. */
const OUTAGES = [between.storeUnreachable, between.requestsCut, between.answersCut, between.storeDown]

function outage(random: Random, ttlMs: number, lasts: number): Omit<Step, 'seed'> {
  const at = random.between(500, 4000)
  return { at, fault: random.pick(OUTAGES), target: 'leader', forMs: ttlMs * lasts }
}

export const FAILSAFE_STORIES: readonly (readonly [weight: number, story: Story])[] = [
  [
    2,
    {
      // The store is away for several ttls, and something else happens meanwhile.
      name: 'failsafe',
      failsafe: true,
      steps: (random, ttlMs) => {
        const away = outage(random, ttlMs, random.between(1.5, 4))
        const target = random.pick(['leader', 'standby'] as const)
        const at = away.at + random.between(1, away.forMs)
        const second = { at, fault: random.pick(INTERRUPTIONS), target, forMs: random.between(300, ttlMs) }
        return random.chance(0.2) ? [away] : [away, second]
      },
    },
  ],
  [
    1,
    {
      // An old copy of the store comes back, or the record is deleted; members restart, the leader changes.
      name: 'store rolled back',
      storeFails: true,
      steps: (random, ttlMs) => {
        const at = random.between(500, 3000)
        const forMs = ROLLBACK_MS + random.between(0.2, 2.5) * ttlMs
        const fault = random.chance(0.8) ? rollback : recordDeleted
        const between = random.pick([
          machine.postmasterKill,
          machine.agentKill,
          operators.switchover,
          machine.powerLoss,
        ])
        const target = random.pick(['leader', 'leader', 'standby'] as const)
        return [
          { at: at + random.between(200, 12_000), fault: between, target, forMs: random.between(300, 6000) },
          { at, fault, target: 'any', forMs },
        ]
      },
    },
  ],
  [
    1,
    {
      // Answers take long, and then the leader reaches nobody any more.
      name: 'failsafe, slow answers',
      failsafe: true,
      steps: (random, ttlMs) => {
        const at = random.between(500, 4000)
        const cutAt = at + 3000 + random.between(0, ttlMs)
        const forMs = cutAt + 2 * ttlMs - at
        return [
          { at, fault: between.slowLinks, target: 'leader', forMs },
          { at, fault: between.storeUnreachable, target: 'leader', forMs },
          { at: cutAt, fault: between.isolated, target: 'leader', forMs: 2 * ttlMs },
        ]
      },
    },
  ],
  [
    1,
    {
      // One member is not reached by the leader that has lost the store; it has the store itself.
      name: 'failsafe, one is missing',
      failsafe: true,
      steps: (random, ttlMs) => {
        const at = random.between(500, 4000)
        const forMs = 3 * ttlMs
        return [
          { at, fault: between.oneMemberUnreachable, target: 'leader', forMs },
          { at, fault: between.storeUnreachable, target: 'leader', forMs },
        ]
      },
    },
  ],
  [
    1,
    {
      // A new member comes just when the leader, which would list it, has lost the store.
      name: 'failsafe, a newcomer',
      failsafe: true,
      newcomer: true,
      steps: (random, ttlMs) => {
        const at = random.between(500, 4000)
        return [
          { at, fault: between.storeUnreachable, target: 'leader', forMs: 4 * ttlMs },
          { at: at + random.between(1, 2500), fault: joins, target: 'any', forMs: 4 * ttlMs },
        ]
      },
    },
  ],
]
