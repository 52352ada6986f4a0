// The cluster of a run with everything that faults need: links, disks, clocks, who leads, and a service manager that
// starts agents again, as an installation would have it.

import { join } from 'node:path'
import { type Cluster, openCluster } from '../test/lab/cluster.ts'
import { type Disk, makeDisk } from '../test/lab/disk.ts'
import { continueAll, thawHost } from '../test/lab/freezer.ts'
import type { Host } from '../test/lab/host.ts'
import type { Member, Product } from '../test/lab/member.ts'
import { newestPostgres } from '../test/lab/postgres-programs.ts'
import { type TermWatch, watchTerm } from '../test/lab/term-watch.ts'
import { installVigil } from '../test/lab/vigil.ts'
import { buildClock, clockEnvironment, createClock, stepClock } from '../test/lab/wall-clock.ts'
import { type Links, linksOf } from './hurt/links.ts'
import { missingPrograms, type Program } from './hurt/programs.ts'
import type { Mode, Options } from './options.ts'
import { type Supervisor, supervise } from './supervisor.ts'

export const SCOPE = 'chaos'
const NAMES = ['amber', 'birch', 'cedar', 'dogwood', 'elder'] as const

/** Room for two copies: a clone is complete before it replaces what is there. */
const DISK_MEGABYTES = 3000

export interface World {
  readonly options: Options
  readonly cluster: Cluster
  readonly term: TermWatch
  readonly links: Links
  readonly supervisor: Supervisor
  readonly missing: ReadonlySet<Program>
  /** Of each host, where its data lies; empty where none can be made. */
  readonly disks: ReadonlyMap<Host, Disk>
  /** The cluster-wide configuration as the run began: what an edit is taken back to. */
  readonly dynamic: Readonly<Record<string, unknown>>
  /** By the record, which names one also while nobody can be reached. */
  leader(): Member
  etcdOf(host: Host): Cluster['etcd']['nodes'][number]
  /** Undoes whatever faults have left. */
  heal(): Promise<void>
  close(options: { readonly keep: boolean }): string | null
}

export async function openWorld(options: Options, progress: (line: string) => void): Promise<World> {
  const missing = missingPrograms()
  const ownDisks = !missing.has('mkfs.ext4') && !missing.has('fsfreeze')
  const disks = new Map<Host, Disk>()
  const clocks = !missing.has('gcc')
  const dynamic = dynamicOf(options)
  const cluster = await openCluster({
    kind: 'namespaces',
    names: NAMES.slice(0, options.members),
    progress,
    prepareHosts: network => {
      if (clocks) buildClock(network.directory)
      for (const host of network.hosts) {
        if (ownDisks) disks.set(host, makeDisk(join(host.directory, 'disk'), DISK_MEGABYTES))
        if (clocks) createClock(host)
      }
    },
    product: (network, etcd) => {
      const product = installVigil(network.directory, {
        scope: SCOPE,
        timings: { ttl: options.ttlSeconds, loopWait: 1, retryTimeout: 3 },
        subnet: network.subnet,
        etcd: etcd.hosts,
        binDirectory: newestPostgres(),
        dynamic,
        ...(ownDisks ? { dataDirectory: (host: Host) => join(host.directory, 'disk', 'data') } : {}),
      })
      return clocks ? withClock(product, network.directory) : product
    },
  })
  const term = watchTerm(cluster.etcd, SCOPE)
  await term.waitFor('the term record is seen', ({ state }) => state === 'serving')
  if (options.mode !== 'async')
    await term.waitFor(
      'a synchronous rule is in force',
      ({ rules }) => rules?.some(({ k }) => k > 0) ?? false,
    )
  return assemble({ options, cluster, term, missing, dynamic, disks })
}

function assemble(
  base: Pick<World, 'options' | 'cluster' | 'term' | 'missing' | 'dynamic' | 'disks'>,
): World {
  const { cluster, term } = base
  const { network, etcd, members } = cluster
  const links = linksOf(network)
  const supervisor = supervise(members)
  const heal = async () => {
    links.mendAll()
    for (const host of network.hosts) {
      base.disks.get(host)?.thaw()
      base.disks.get(host)?.empty()
      thawHost(host)
      continueAll(host)
      if (!base.missing.has('gcc')) stepClock(host, 0)
    }
    for (const node of etcd.nodes) if (!node.alive()) node.start()
    supervisor.releaseAll()
  }
  return {
    ...base,
    links,
    supervisor,
    leader: () => members.find(({ name }) => name === term.latest()?.holder.name) ?? members[0]!,
    etcdOf: host => etcd.nodes.find(node => node.host === host)!,
    heal,
    close: options => {
      supervisor.close()
      term.close()
      for (const host of network.hosts) thawHost(host)
      return cluster.close(options)
    },
  }
}

export function dynamicOf({ mode }: { readonly mode: Mode }): Readonly<Record<string, unknown>> {
  return mode === 'async' ? {} : { synchronous_mode: mode === 'on' ? true : mode }
}

function withClock(product: Product, directory: string): Product {
  return {
    ...product,
    prepare: host => {
      const environment = Object.entries(clockEnvironment(directory, host)).map(
        ([name, value]) => `${name}=${value}`,
      )
      return ['env', ...environment, ...product.prepare(host)]
    },
  }
}
