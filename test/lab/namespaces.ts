// Hosts as network namespaces behind one bridge, which has a namespace of its own so that no firewall of this machine
// touches it. Faults need nothing but iproute2: a cable is a link, a cut is a neighbour entry that leads nowhere.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type DelegatedCgroup, delegateCgroup } from './cgroup.ts'
import { type DatabaseUser, databaseUser, giveTo, isRoot } from './database-user.ts'
import { type Host, launchOn, type Purpose } from './host.ts'
import type { Network } from './network.ts'
import { killAll, processesIn, processesInNamespace } from './processes.ts'
import {
  closeWorkplace,
  NAMESPACE_DIRECTORY,
  namespaceName,
  openWorkplace,
  type Workplace,
} from './workplace.ts'

const PORTS: Readonly<Record<Purpose, number>> = { postgres: 5432, rest: 8008, etcd: 2379, etcdPeer: 2380 }
/** A hardware address that nobody has: the bridge floods it and everybody ignores it. */
const NOWHERE = '02:00:00:00:de:ad'
/** The last number of a router's address that nobody has, and the table of routes that lead there. */
const NO_ROUTER = 253
const LOST_ROUTES = '100'
const CLIENT = 'client'
const SWITCH = 'switch'
/** The laboratory itself, on the bridge with this number. */
const OBSERVER = 254

interface NamespaceHost extends Host {
  readonly namespace: string
  /** The bridge's end of the cable. */
  readonly cable: string
  readonly hardware: string
}

/** Whether this user can make namespaces here: root can, except in most containers. */
export function namespacesWork(): boolean {
  if (!isRoot()) return false
  const name = `vigil-lab-${process.pid}-try`
  try {
    ip('netns', 'add', name)
    ip('netns', 'delete', name)
    return true
  } catch {
    return false
  }
}

/** The name of a host's network namespace. @throws when it has none of its own. */
export function namespaceOf(host: Host): string {
  if ('namespace' in host) return (host as NamespaceHost).namespace
  throw new Error(`${host.name} has no network namespace of its own`)
}

export function openNamespaces(names: readonly string[]): Network {
  const workplace = openWorkplace()
  const prefix = freeSubnet()
  const user = databaseUser()
  const bridge = namespaceName(workplace.id, SWITCH)
  let delegated: DelegatedCgroup | null = null
  const cgroup = () => {
    delegated ??= delegateCgroup(user)
    return delegated
  }
  makeBridge(bridge, `vgl${workplace.id}`, prefix)
  const all = [...names, CLIENT].map((name, index) =>
    makeHost(workplace, user, bridge, prefix, name, index + 1, cgroup),
  )
  const client = all.at(-1)!
  const hosts = all.slice(0, -1)
  const cuts = new Set<string>()
  const rules = new Set<() => void>()
  const known = (host: Host) => all.find(other => other.name === host.name)!

  const unplug = (host: Host) => ip('-n', bridge, 'link', 'set', known(host).cable, 'down')
  const plug = (host: Host) => ip('-n', bridge, 'link', 'set', known(host).cable, 'up')
  const cut = (from: readonly Host[], to: readonly Host[]) => {
    for (const sender of from.map(known)) {
      for (const receiver of to.map(known)) {
        neighbour(sender, 'replace', receiver.address, NOWHERE)
        cuts.add(`${sender.name} ${receiver.name}`)
      }
    }
  }
  const mend = (from: readonly Host[], to: readonly Host[]) => {
    for (const sender of from.map(known)) {
      for (const receiver of to.map(known)) {
        if (cuts.delete(`${sender.name} ${receiver.name}`))
          neighbour(sender, 'replace', receiver.address, receiver.hardware)
      }
    }
  }
  const cutPort = (from: Host, purpose: Purpose) => {
    const sender = known(from)
    const router = `${prefix}.${NO_ROUTER}`
    neighbour(sender, 'replace', router, NOWHERE)
    const route = ['default', 'via', router, 'dev', 'eth0', 'onlink', 'table', LOST_ROUTES]
    ip('-n', sender.namespace, 'route', 'replace', ...route)
    const rule = portRule(purpose)
    ip('-n', sender.namespace, 'rule', 'add', ...rule)
    const undo = () => {
      if (rules.delete(undo)) ip('-n', sender.namespace, 'rule', 'delete', ...rule)
    }
    rules.add(undo)
    return undo
  }
  const heal = () => {
    for (const undo of [...rules]) undo()
    for (const pair of cuts) {
      const [sender, receiver] = pair.split(' ').map(name => all.find(host => host.name === name)!)
      neighbour(sender!, 'replace', receiver!.address, receiver!.hardware)
    }
    cuts.clear()
    for (const host of all) plug(host)
  }
  return {
    kind: 'namespaces',
    directory: workplace.directory,
    hosts,
    client,
    subnet: `${prefix}.0/24`,
    unplug,
    plug,
    lose: host => {
      unplug(host)
      killAll(() => known(host).processes())
    },
    cut,
    mend,
    partition: (some, others) => {
      cut(some, others)
      cut(others, some)
    },
    cutPort,
    heal,
    close: options => {
      const kept = closeWorkplace(workplace, options?.keep ?? false)
      delegated?.close()
      return kept
    },
  }
}

function makeBridge(bridge: string, observer: string, prefix: string): void {
  ip('netns', 'add', bridge)
  ip('-n', bridge, 'link', 'add', 'bridge', 'type', 'bridge', 'forward_delay', '0')
  ip('-n', bridge, 'link', 'set', 'bridge', 'up')
  // The laboratory's own cable: it looks at members whatever is cut between them.
  ip('link', 'add', observer, 'type', 'veth', 'peer', 'name', 'observer', 'netns', bridge)
  ip('-n', bridge, 'link', 'set', 'observer', 'master', 'bridge', 'up')
  ip('address', 'add', `${prefix}.${OBSERVER}/24`, 'dev', observer)
  ip('link', 'set', observer, 'up')
}

function makeHost(
  workplace: Workplace,
  user: DatabaseUser,
  bridge: string,
  prefix: string,
  name: string,
  number: number,
  cgroup: () => DelegatedCgroup,
): NamespaceHost {
  const namespace = namespaceName(workplace.id, name)
  const cable = `port${number}`
  const address = `${prefix}.${number}`
  const hardware = `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`
  ip('netns', 'add', namespace)
  ip(
    '-n',
    bridge,
    'link',
    'add',
    cable,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'address',
    hardware,
    'netns',
    namespace,
  )
  ip('-n', bridge, 'link', 'set', cable, 'master', 'bridge', 'up')
  ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0')
  ip('-n', namespace, 'link', 'set', 'eth0', 'up')
  ip('-n', namespace, 'link', 'set', 'lo', 'up')
  const directory = join(workplace.directory, name)
  mkdirSync(directory)
  giveTo(user, directory)
  const file = join(NAMESPACE_DIRECTORY, namespace)
  return {
    name,
    namespace,
    cable,
    address,
    hardware,
    directory,
    port: purpose => PORTS[purpose],
    // Only the network is entered: `ip netns exec` would also hide the machine's cgroups.
    launch: (log, command, options) => {
      const enter = ['nsenter', `--net=${file}`, '--']
      const within = options?.as === 'root' ? [...cgroup().enter, ...enter] : enter
      return launchOn(directory, user, within, log, command, options)
    },
    processes: () => [...new Set([...processesInNamespace(file), ...processesIn(directory)])],
  }
}

function portRule(purpose: Purpose): readonly string[] {
  return ['ipproto', 'tcp', 'dport', String(PORTS[purpose]), 'lookup', LOST_ROUTES]
}

function neighbour(host: NamespaceHost, verb: 'replace', address: string, hardware: string): void {
  ip('-n', host.namespace, 'neighbour', verb, address, 'lladdr', hardware, 'dev', 'eth0', 'nud', 'permanent')
}

/** The first three numbers of a network that no route of this machine knows. */
function freeSubnet(): string {
  const taken = execFileSync('ip', ['-4', 'route', 'show', 'table', 'all'], { encoding: 'utf8' })
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const number = process.pid + attempt * 7
    const prefix = `10.${100 + (Math.floor(number / 256) % 100)}.${number % 256}`
    if (!taken.includes(`${prefix}.`)) return prefix
  }
  throw new Error('every network from 10.100 to 10.199 that was tried is in use on this machine')
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
