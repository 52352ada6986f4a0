// Faults between machines, and of the store.

import type { Fault, Undo } from './faults.ts'
import { KEYS } from './keys.ts'
import { CUT, type LinkFault } from './network.ts'
import type { Random } from './random.ts'
import type { Host, World } from './world.ts'

const STORE = 'store'

function disturb(world: World, links: readonly (readonly [string, string])[], fault: LinkFault = CUT): Undo {
  const undos = links.map(([from, to]) => world.network.disturb(from, to, fault))
  return () => {
    for (const undo of undos) undo()
  }
}

const bothWays = (a: string, b: string) => [[a, b] as const, [b, a] as const]
const othersOf = (world: World, host: Host) => world.hosts.filter(other => other !== host).map(h => h.name)

export const isolated: Fault = {
  name: 'cut off from everybody',
  begin: (world, host) =>
    disturb(
      world,
      [STORE, ...othersOf(world, host)].flatMap(place => bothWays(host.name, place)),
    ),
}

export const storeUnreachable: Fault = {
  name: 'cut off from the store',
  begin: (world, host) => disturb(world, bothWays(host.name, STORE)),
}

export const answersCut: Fault = {
  name: 'answers of the store do not arrive',
  begin: (world, host) => disturb(world, [[STORE, host.name]]),
}

export const requestsCut: Fault = {
  name: 'requests do not reach the store',
  begin: (world, host) => disturb(world, [[host.name, STORE]]),
}

export const membersUnreachable: Fault = {
  name: 'cut off from the other members',
  begin: (world, host) =>
    disturb(
      world,
      othersOf(world, host).flatMap(place => bothWays(host.name, place)),
    ),
}

export const oneLinkCut: Fault = {
  name: 'one link between members cut, one way',
  begin: (world, host, random) => disturb(world, [[host.name, random.pick(othersOf(world, host))]]),
}

export const lossyLinks: Fault = {
  name: 'links lose and delay',
  begin: (world, host, random) => {
    const fault = { loss: random.between(0.05, 0.5), delayMs: random.between(5, 900) }
    return disturb(
      world,
      [STORE, ...othersOf(world, host)].flatMap(place => bothWays(host.name, place)),
      fault,
    )
  },
}

/** Nothing is lost, everything is late. */
export const slowLinks: Fault = {
  name: 'links delay',
  begin: (world, host, random) =>
    disturb(
      world,
      othersOf(world, host).flatMap(place => bothWays(host.name, place)),
      { loss: 0, delayMs: random.between(200, 700) },
    ),
}

export const oneMemberUnreachable: Fault = {
  name: 'cut off from one other member',
  begin: (world, host, random) => disturb(world, bothWays(host.name, random.pick(othersOf(world, host)))),
}

/** Answers get lost for a while, come through for a moment, and then nothing does. */
export const answersCutThenIsolated: Fault = {
  name: 'answers lost, a short light, then cut off',
  begin: (world, host, random) => {
    const { scheduler } = world
    let undo = answersCut.begin(world, host, random)
    let over = false
    scheduler.after(random.between(1500, 8000), () => {
      undo?.()
      scheduler.after(random.between(50, 1300), () => {
        if (!over) undo = isolated.begin(world, host, random)
      })
    })
    return () => {
      over = true
      undo?.()
    }
  },
}

const flags = (name: string, set: (world: World, host: Host, random: Random) => Undo): Fault => ({
  name,
  begin: set,
})

export const election = flags('the store elects', world => {
  const { faults } = world.store
  faults.electing = true
  return () => {
    faults.electing = false
  }
})

export const storeDown = flags('the store is down', world => {
  const { faults } = world.store
  faults.down = true
  return () => {
    faults.down = false
  }
})

const late = (name: string, chance: readonly [number, number], ms: readonly [number, number]): Fault =>
  flags(name, (world, _host, random) => {
    const { faults } = world.store
    faults.lateChance = random.between(...chance)
    faults.lateMs = random.between(...ms)
    return () => {
      faults.lateChance = 0
    }
  })

export const lateRequests = late('requests are applied late', [0.1, 0.7], [500, 12_000])

/** Just after their sender has given up: what it does next is not yet void. */
export const barelyLateRequests = late('requests are applied a moment late', [0.3, 0.8], [1000, 2500])

export const lostAnswers = flags('answers of the store get lost', (world, _host, random) => {
  const { faults } = world.store
  faults.answerLostChance = random.between(0.1, 0.8)
  return () => {
    faults.answerLostChance = 0
  }
})

export const staleReads = flags('reads are stale', (world, _host, random) => {
  const { faults } = world.store
  faults.staleChance = random.between(0.1, 0.9)
  return () => {
    faults.staleChance = 0
  }
})

export const watchesLag = flags('watches are late and get lost', (world, _host, random) => {
  const { faults } = world.store
  faults.watchLossChance = random.between(0.2, 1)
  faults.watchLagMs = random.between(10, 3000)
  return () => {
    faults.watchLossChance = 0
    faults.watchLagMs = 10
  }
})

export const stuckStore = flags('attached to an overtaken leader of the store', (world, host) => {
  const { stuckFor } = world.store.faults
  stuckFor.add(host.name)
  return () => void stuckFor.delete(host.name)
})

export const leaderKeyDeleted = flags('somebody deletes the leader key', world => {
  world.store.delete(KEYS.leader)
  return () => {}
})
