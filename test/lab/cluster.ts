// A whole cluster under test: hosts, etcd, members, and the questions that every test asks it.
import { type EtcdCluster, etcdOn } from './etcd.ts'
import { type Member, memberOn, type Product } from './member.ts'
import { type Network, openNetwork } from './network.ts'
import { waitFor } from './wait.ts'

/** How a member that is all right is shown, by vigil and by Patroni of any version. */
const RUNNING: ReadonlySet<string> = new Set(['running', 'streaming'])

export const MEMBER_NAMES = ['amber', 'birch', 'cedar'] as const

export interface Cluster {
  readonly network: Network
  readonly etcd: EtcdCluster
  readonly members: readonly Member[]
  member(name: string): Member
  /** The only member that accepts writes; null when there is none or more than one. */
  primary(): Promise<Member | null>
  waitForPrimary(options?: { readonly other?: Member; readonly limitMs?: number }): Promise<Member>
  /** One primary, and every other member streams from it on its timeline. */
  waitUntilWhole(limitMs?: number): Promise<Member>
  /** Brings a lost host back: cable, etcd, agent. */
  revive(member: Member): void
  close(options?: { readonly keep?: boolean }): string | null
}

export interface ClusterOptions {
  /** Makes the product once the network is known. */
  readonly product: (network: Network, etcd: EtcdCluster) => Product
  readonly names?: readonly string[]
  readonly kind?: Network['kind']
  /** Changes hosts before anything runs on them. */
  readonly prepareHosts?: (network: Network) => void
  /** Told at each step, for people who wait. */
  readonly progress?: (step: string) => void
}

/** Starts everything and returns when all members stream. Whatever goes wrong, nothing stays behind. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const progress = options.progress ?? (() => {})
  const network = openNetwork(options.names ?? MEMBER_NAMES, options.kind)
  try {
    options.prepareHosts?.(network)
    progress(`${network.hosts.length} hosts ready (${network.kind})`)
    const etcd = etcdOn(network.hosts)
    etcd.startAll()
    await etcd.waitUntilHealthy()
    progress('etcd is healthy')
    const product = options.product(network, etcd)
    const members = network.hosts.map(host => memberOn(host, product))
    const cluster = assemble(network, etcd, members)
    await startMembers(cluster, progress)
    return cluster
  } catch (error) {
    const kept = network.close({ keep: true })
    throw new Error(`the cluster did not come up; its logs are in ${kept}`, { cause: error })
  }
}

async function startMembers(cluster: Cluster, progress: (step: string) => void): Promise<void> {
  const [first, ...others] = cluster.members
  first!.start()
  await cluster.waitForPrimary({ limitMs: 120_000 })
  progress(`${first!.name} is primary`)
  for (const member of others) member.start()
  await cluster.waitUntilWhole(180_000)
  if (others.length > 0) progress(`${others.map(({ name }) => name).join(' and ')} stream from it`)
}

function assemble(network: Network, etcd: EtcdCluster, members: readonly Member[]): Cluster {
  const member = (name: string) => {
    const found = members.find(candidate => candidate.name === name)
    if (!found) throw new Error(`no member is called ${name}`)
    return found
  }
  const primary = async () => {
    const writable = await Promise.all(members.map(each => each.writable()))
    const serving = members.filter((_, index) => writable[index])
    return serving.length === 1 ? serving[0]! : null
  }
  return {
    network,
    etcd,
    members,
    member,
    primary,
    waitForPrimary: ({ other, limitMs = 90_000 } = {}) =>
      waitFor(`one member${other ? ` other than ${other.name}` : ''} accepts writes`, limitMs, async () => {
        const serving = await primary()
        return serving === other ? null : serving
      }),
    waitUntilWhole: (limitMs = 120_000) =>
      waitFor('one primary, and every other member streams from it', limitMs, async () => {
        const serving = await primary()
        return serving && (await followers(serving, members)) === members.length - 1 ? serving : null
      }),
    revive: lost => {
      network.plug(lost.host)
      etcd.nodes.find(node => node.name === lost.name)!.start()
      lost.start()
    },
    close: options => network.close(options),
  }
}

/** Members that stream from `primary`, and of which its agent has heard that they run: it would hand over to them. */
async function followers(primary: Member, members: readonly Member[]): Promise<number> {
  const streaming = await primary.query<{ application_name: string }>(
    `SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'`,
  )
  const known = JSON.parse((await primary.rest('/cluster')).body) as {
    readonly members: readonly { readonly name: string; readonly state: string }[]
  }
  const running = known.members.filter(({ state }) => RUNNING.has(state))
  const names = new Set(
    streaming.map(row => row.application_name).filter(name => running.some(member => member.name === name)),
  )
  const others = members.filter(member => member !== primary && names.has(member.name))
  const ready = await Promise.all(others.map(follows))
  return ready.filter(Boolean).length
}

async function follows(member: Member): Promise<boolean> {
  const [row] = await member.query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering')
  // PostgreSQL streams without its agent too.
  const { state } = JSON.parse((await member.rest('/patroni')).body) as { readonly state?: string }
  return row?.recovering === true && RUNNING.has(state ?? '')
}
