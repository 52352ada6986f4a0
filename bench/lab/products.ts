// What a benchmark compares: vigil and Debian's Patroni on the same hosts, with the same YAML.
import { type Cluster, MEMBER_NAMES, openCluster } from '../../test/lab/cluster.ts'
import type { Timings } from '../../test/lab/configuration.ts'
import { PATRONI_FASTEST, PATRONI_SHIPPED, patroniProduct } from '../../test/lab/patroni.ts'
import { newestPostgres } from '../../test/lab/postgres-programs.ts'
import { installVigil, type Layers } from '../../test/lab/vigil.ts'

export interface Contestant {
  /** As it is asked for on the command line. */
  readonly id: string
  readonly title: string
  readonly kind: 'vigil' | 'patroni'
  readonly timings: Timings
  readonly onRequest?: boolean
}

/** How commits are replicated: Patroni's `synchronous_mode`, off for `async`. */
export const MODES = ['async', 'on', 'quorum'] as const
export type Mode = (typeof MODES)[number]

export const CONTESTANTS: readonly Contestant[] = [
  { id: 'vigil', title: 'vigil, ttl 10', kind: 'vigil', timings: { ttl: 10, loopWait: 2, retryTimeout: 3 } },
  // The floor without cgroup.kill and nftables.
  {
    id: 'vigil-lowest',
    title: 'vigil, ttl 7',
    kind: 'vigil',
    timings: { ttl: 7, loopWait: 1, retryTimeout: 3 },
  },
  // Only measured when asked for.
  {
    id: 'vigil-ttl30',
    title: 'vigil, ttl 30',
    kind: 'vigil',
    timings: { ttl: 30, loopWait: 10, retryTimeout: 10 },
    onRequest: true,
  },
  { id: 'patroni', title: 'Patroni, ttl 30', kind: 'patroni', timings: PATRONI_SHIPPED },
  { id: 'patroni-fastest', title: 'Patroni, ttl 20', kind: 'patroni', timings: PATRONI_FASTEST },
]

export const BENCH_SCOPE = 'bench'

export interface ContestOptions {
  readonly mode?: Mode
  readonly layers?: Layers
  /** 1 to 3, each with an etcd beside it. */
  readonly members?: number
}

export function openContestant(
  contestant: Contestant,
  progress: (step: string) => void,
  { mode = 'async', layers = 'none', members = MEMBER_NAMES.length }: ContestOptions = {},
): Promise<Cluster> {
  return openCluster({
    kind: 'namespaces',
    names: MEMBER_NAMES.slice(0, members),
    progress,
    product: (network, etcd) => {
      const settings = {
        scope: BENCH_SCOPE,
        timings: contestant.timings,
        subnet: network.subnet,
        etcd: etcd.hosts,
        binDirectory: newestPostgres(),
        dynamic: synchronousKeys(contestant, mode),
      }
      return contestant.kind === 'vigil'
        ? installVigil(network.directory, settings, layers)
        : patroniProduct('patroni', settings)
    },
  })
}

/** Debian's Patroni has no quorum yet: the nearest that it has. */
function synchronousKeys({ kind }: Contestant, mode: Mode): Readonly<Record<string, unknown>> {
  if (mode === 'async') return {}
  return { synchronous_mode: mode === 'quorum' && kind === 'vigil' ? 'quorum' : true }
}
