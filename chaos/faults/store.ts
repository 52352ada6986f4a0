// Faults of the store: elections, pauses, restarts, and a majority that is gone.
import { setTimeout as sleep } from 'node:timers/promises'
import type { EtcdNode } from '../../test/lab/etcd.ts'
import { SCOPE, type World } from '../world.ts'
import { aroundTtl, type FaultKind, noParameters } from './fault.ts'

const base = { secondsMin: 1, secondsMax: aroundTtl, draw: noParameters } as const
const NOBODY: readonly string[] = []

export const STORE_FAULTS: readonly FaultKind[] = [
  {
    ...base,
    name: 'etcd-leader-moves',
    about: 'the leadership of the store is handed on',
    weight: 2,
    begin: async world => {
      const name = await world.cluster.etcd.moveLeader()
      return { victims: NOBODY, detail: `to ${name}`, end: async () => {} }
    },
  },
  {
    ...base,
    name: 'etcd-pauses',
    about: 'the whole store stands still for 300 ms, again and again',
    weight: 2,
    begin: async world => {
      const stop = new AbortController()
      const done = pauses(world, stop.signal)
      done.catch(() => {})
      return {
        victims: NOBODY,
        detail: '',
        end: async () => {
          stop.abort()
          await done
        },
      }
    },
  },
  {
    ...base,
    name: 'etcd-restart',
    about: 'nodes of the store are killed and started again',
    weight: 2,
    draw: random => ({ nodes: random.integer(1, 3) }),
    begin: async (world, fault) => {
      const nodes = world.cluster.etcd.nodes
        .slice(0, Number(fault.parameters['nodes']))
        .filter(node => node.alive())
      await Promise.all(nodes.map(node => node.kill()))
      return {
        victims: nodes.map(({ name }) => name),
        detail: `${nodes.length} nodes`,
        end: async () => {
          for (const node of nodes) if (!node.alive()) node.start()
        },
      }
    },
  },
  {
    ...base,
    name: 'etcd-away',
    about: 'a majority of the store stands still',
    weight: 2,
    begin: async world => {
      const nodes = world.cluster.etcd.nodes.filter(node => node.alive()).slice(0, 2)
      for (const node of nodes) node.pause()
      return { victims: nodes.map(({ name }) => name), detail: '', end: async () => resume(nodes) }
    },
  },
  {
    ...base,
    name: 'leader-key-deleted',
    about: 'somebody removes the leader key by hand',
    weight: 2,
    begin: async world => {
      await world.cluster.etcd.remove(`/service/${SCOPE}/leader`)
      return { victims: NOBODY, detail: '', end: async () => {} }
    },
  },
]

const PAUSE_MS = 300
const BETWEEN_MS = 1200

async function pauses(world: World, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const nodes = world.cluster.etcd.nodes.filter(node => node.alive())
    for (const node of nodes) node.pause()
    await sleep(PAUSE_MS)
    resume(nodes)
    await sleep(BETWEEN_MS)
  }
}

function resume(nodes: readonly EtcdNode[]): void {
  for (const node of nodes) if (node.alive()) node.resume()
}
