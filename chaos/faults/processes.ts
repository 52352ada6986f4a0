// Processes of a member die or stand still, alone and in combinations.

import { continueAll, freezeHost, thawHost } from '../../test/lab/freezer.ts'
import type { Member, Part } from '../../test/lab/member.ts'
import { commandLine, isAlive, processState, sendSignal } from '../../test/lab/processes.ts'
import { waitFor } from '../../test/lab/wait.ts'
import type { World } from '../world.ts'
import { aroundTtl, type DrawnFault, drawSome, type FaultKind, noParameters, victimOf } from './fault.ts'

const PARTS = ['agent', 'guard', 'postmaster', 'backend', 'walsender', 'walreceiver', 'etcd'] as const
type AnyPart = (typeof PARTS)[number]

const base = { secondsMin: 1, secondsMax: aroundTtl } as const

export const PROCESS_FAULTS: readonly FaultKind[] = [
  {
    ...base,
    name: 'kill',
    about: 'processes of a member are killed; its agent stays away for a while',
    weight: 6,
    draw: random => ({ parts: drawSome(random, PARTS, 3) }),
    begin: kill,
  },
  {
    ...base,
    name: 'stop',
    about: 'processes of a member stand still',
    weight: 5,
    draw: random => ({ parts: drawSome(random, PARTS, 3) }),
    begin: stop,
  },
  {
    ...base,
    name: 'host-lost',
    about: 'the power of a host goes, and comes back',
    weight: 4,
    secondsMin: 3,
    draw: noParameters,
    begin: loseHost,
  },
  {
    ...base,
    name: 'frozen',
    about: 'everything on a host stands still, as a virtual machine does that is moved',
    weight: 3,
    draw: noParameters,
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const how = freezeHost(victim.host)
      return {
        victims: [victim.name],
        detail: how,
        end: async () => {
          thawHost(victim.host)
          continueAll(victim.host)
        },
      }
    },
  },
]

async function kill(world: World, fault: DrawnFault) {
  const victim = victimOf(world, fault)
  const parts = fault.parameters['parts'] as readonly AnyPart[]
  const hit: string[] = []
  const node = world.etcdOf(victim.host)
  const agent = parts.includes('agent')
  if (agent) {
    world.supervisor.expectEnd(victim)
    world.supervisor.hold(victim)
  }
  for (const part of parts) {
    const pids = part === 'etcd' ? (node.alive() ? [node.pid()] : []) : pidsOf(victim, part)
    for (const pid of pids) if (sendSignal(pid, 'SIGKILL')) hit.push(`${part} ${pid}`)
  }
  return {
    victims: [victim.name],
    detail: hit.join(', ') || `none of ${parts.join(', ')} was running`,
    end: async () => {
      if (agent) world.supervisor.release(victim)
      if (!node.alive()) node.start()
    },
  }
}

async function stop(world: World, fault: DrawnFault) {
  const victim = victimOf(world, fault)
  const parts = fault.parameters['parts'] as readonly AnyPart[]
  const node = world.etcdOf(victim.host)
  const stopped: { readonly pid: number; readonly startedAt: number }[] = []
  const hit: string[] = []
  for (const part of parts) {
    const pids = part === 'etcd' ? (node.alive() ? [node.pid()] : []) : pidsOf(victim, part)
    for (const pid of pids) {
      const startedAt = processState(pid)?.startedAt
      if (startedAt === undefined || !sendSignal(pid, 'SIGSTOP')) continue
      stopped.push({ pid, startedAt })
      hit.push(`${part} ${pid}`)
    }
  }
  return {
    victims: [victim.name],
    detail: hit.join(', ') || `none of ${parts.join(', ')} was running`,
    end: async () => {
      // A number may be somebody else's by now.
      for (const { pid, startedAt } of stopped)
        if (processState(pid)?.startedAt === startedAt) sendSignal(pid, 'SIGCONT')
    },
  }
}

async function loseHost(world: World, fault: DrawnFault) {
  const victim = victimOf(world, fault)
  const node = world.etcdOf(victim.host)
  world.supervisor.expectEnd(victim)
  world.supervisor.hold(victim)
  world.cluster.network.lose(victim.host)
  return {
    victims: [victim.name],
    detail: '',
    end: async () => {
      world.cluster.network.plug(victim.host)
      await waitFor('the dead node is known to be dead', 5000, () => !node.alive())
      node.start()
      world.supervisor.release(victim)
    },
  }
}

/** Every process of that kind; the parts that a member has by itself once, the others as often as they run. */
function pidsOf(member: Member, part: Exclude<AnyPart, 'etcd'>): readonly number[] {
  if (part === 'agent' || part === 'guard' || part === 'postmaster') {
    const pid = member.pid(part satisfies Part)
    return pid === null ? [] : [pid]
  }
  const postmaster = member.pid('postmaster')
  if (postmaster === null) return []
  const children = member.host
    .processes()
    .filter(pid => processState(pid)?.parent === postmaster && isAlive(pid))
  const title = (pid: number) => commandLine(pid).join(' ')
  const matching = {
    walsender: (text: string) => text.includes('walsender'),
    walreceiver: (text: string) => text.includes('walreceiver'),
    // A client's: its address stands in the title.
    backend: (text: string) => !text.includes('walsender') && /\d\(\d+\)/.test(text),
  }[part]
  const found = children.filter(pid => matching(title(pid)))
  return part === 'backend' ? found.slice(0, 1) : found
}
