// Partitions of all shapes. Clients are a host too: some cuts separate them, others leave them on both sides.
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../sim/random.ts'
import type { Host, Purpose } from '../../test/lab/host.ts'
import { losePackets } from '../../test/lab/packets.ts'
import { between, type Link, oneWay } from '../hurt/links.ts'
import type { World } from '../world.ts'
import { aroundTtl, type DrawnFault, type FaultKind, noParameters, othersThan, victimOf } from './fault.ts'

const base = { secondsMin: 1, secondsMax: aroundTtl, draw: noParameters } as const

export const NETWORK_FAULTS: readonly FaultKind[] = [
  {
    ...base,
    name: 'partition',
    about: 'a member is cut off from the others; clients see both sides, or only one',
    weight: 4,
    draw: random => ({ clients: random.pick(['both', 'both', 'majority', 'minority']) }),
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const others = othersThan(world, victim).map(({ host }) => host)
      const { client } = world.cluster.network
      const withClients: Readonly<Record<string, readonly Link[]>> = {
        both: [],
        majority: between([victim.host], [client]),
        minority: between(others, [client]),
      }
      const clients = String(fault.parameters['clients'])
      return cutFor(world, victim.name, `clients see ${clients}`, [
        ...between([victim.host], others),
        ...withClients[clients]!,
      ])
    },
  },
  {
    ...base,
    name: 'partition-one-way',
    about: 'a member hears nobody, or nobody hears it',
    weight: 3,
    draw: random => ({ direction: random.pick(['out', 'in']) }),
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const others = othersThan(world, victim).map(({ host }) => host)
      const out = fault.parameters['direction'] === 'out'
      const links = out ? oneWay([victim.host], others) : oneWay(others, [victim.host])
      return cutFor(world, victim.name, out ? 'nobody hears it' : 'it hears nobody', links)
    },
  },
  {
    ...base,
    name: 'partition-one-link',
    about: 'two members lose each other, the rest hears both',
    weight: 2,
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const other = othersThan(world, victim)[0]!
      return cutFor(world, victim.name, `without ${other.name}`, between([victim.host], [other.host]))
    },
  },
  {
    ...base,
    name: 'store-cut-off',
    about: 'a member loses the store, and nothing else',
    weight: 3,
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      // Its own node stands still: it would reach the others for it.
      const node = world.etcdOf(victim.host)
      if (node.alive()) node.pause()
      const undo = world.cluster.network.cutPort(victim.host, 'etcd')
      return {
        victims: [victim.name],
        detail: '',
        end: async () => {
          undo()
          if (node.alive()) node.resume()
        },
      }
    },
  },
  {
    ...base,
    name: 'members-cut-off',
    about: 'members do not reach the PostgreSQL or the agents of the others; the store they do',
    weight: 2,
    draw: random => ({ port: random.pick<Purpose>(['postgres', 'rest']) }),
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const purpose = fault.parameters['port'] as Purpose
      const undo = world.cluster.members.map(member => world.cluster.network.cutPort(member.host, purpose))
      return {
        victims: [victim.name],
        detail: purpose,
        end: async () => {
          for (const one of undo) one()
        },
      }
    },
  },
  {
    ...base,
    name: 'flapping',
    about: 'a member is cut off and back again and again',
    weight: 2,
    draw: random => ({ offMs: random.integer(200, 2500), onMs: random.integer(200, 2500) }),
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const links = between(
        [victim.host],
        othersThan(world, victim).map(({ host }) => host),
      )
      const { offMs, onMs } = fault.parameters
      return repeatedly(victim.name, `${offMs} ms off, ${onMs} ms on`, async stop => {
        while (!stop.aborted) {
          world.links.cut(links)
          await sleep(Number(offMs), null, { signal: stop }).catch(() => {})
          world.links.mend(links)
          await sleep(Number(onMs), null, { signal: stop }).catch(() => {})
        }
      })
    },
  },
  {
    ...base,
    name: 'swizzle',
    about: 'links are cut one by one, and come back in another order',
    weight: 2,
    secondsMin: 6,
    draw: random => ({ seed: random.integer(1, 1_000_000) }),
    begin: swizzle,
  },
  {
    ...base,
    name: 'packet-loss',
    about: 'one packet in ten is lost on the way to a member',
    weight: 2,
    needs: ['nft'],
    draw: random => ({ percent: random.pick([5, 10, 20, 30]) }),
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const percent = Number(fault.parameters['percent'])
      const undo = losePackets(victim.host, percent)
      return { victims: [victim.name], detail: `${percent} %`, end: async () => undo() }
    },
  },
]

async function cutFor(world: World, victim: string, detail: string, links: readonly Link[]) {
  world.links.cut(links)
  return { victims: [victim], detail, end: async () => world.links.mend(links) }
}

/** Something that goes on by itself until the fault ends. */
async function repeatedly(victim: string, detail: string, act: (stop: AbortSignal) => Promise<void>) {
  const stop = new AbortController()
  const done = act(stop.signal)
  // Reported by `end`; not unhandled before.
  done.catch(() => {})
  return {
    victims: [victim],
    detail,
    end: async () => {
      stop.abort()
      await done
    },
  }
}

async function swizzle(world: World, fault: DrawnFault) {
  const victim = victimOf(world, fault)
  const random = seededRandom(Number(fault.parameters['seed']))
  const hosts = world.cluster.network.hosts
  const pairs = hosts.flatMap((one, index) => hosts.slice(index + 1).map(other => [one, other] as const))
  const links = shuffled(random.next, pairs).slice(0, random.integer(2, pairs.length))
  const pauseMs = (fault.seconds * 1000) / (2 * links.length + 1)
  const linksOf = ([one, other]: readonly [Host, Host]) => between([one], [other])
  return repeatedly(victim.name, `${links.length} links`, async stop => {
    const wait = () => sleep(pauseMs, null, { signal: stop }).catch(() => {})
    for (const pair of links) {
      world.links.cut(linksOf(pair))
      await wait()
    }
    for (const pair of shuffled(random.next, links)) {
      world.links.mend(linksOf(pair))
      await wait()
    }
  })
}

function shuffled<T>(next: () => number, list: readonly T[]): readonly T[] {
  return list
    .map(item => ({ item, place: next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
