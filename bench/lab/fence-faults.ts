// What can become of a primary's own watchers, of the whole host, and of its network: nobody stops it but itself.
import { FAULTS, type Fault } from '../../test/lab/faults.ts'
import { continueAll, freezeHost, thawHost } from '../../test/lab/freezer.ts'

const nothingToRepair = async () => {}
const FROZEN_SECONDS = 60
const STOPPED_SECONDS = 40

export const FENCE_FAULTS = {
  'agent-killed': FAULTS['agent-killed'],
  'agent-stopped': FAULTS['agent-stopped'],
  'guard-killed': {
    title: 'guard killed with -9',
    resumes: 'anywhere',
    observeSeconds: 5,
    apply: async (_cluster, primary) => {
      primary.signal('guard', 'SIGKILL')
    },
    repair: nothingToRepair,
  },
  'guard-stopped': {
    title: 'guard stopped',
    resumes: 'anywhere',
    observeSeconds: 5,
    apply: async (_cluster, primary) => {
      primary.signal('guard', 'SIGSTOP')
    },
    repair: nothingToRepair,
  },
  'both-stopped': {
    title: `agent and guard stopped for ${STOPPED_SECONDS} s`,
    resumes: 'second',
    // Long enough to see what they do when they go on.
    observeSeconds: STOPPED_SECONDS,
    apply: async (_cluster, primary) => {
      const pids = [primary.signal('agent', 'SIGSTOP'), primary.signal('guard', 'SIGSTOP')]
      setTimeout(() => continueAll(primary.host, pids), STOPPED_SECONDS * 1000)
    },
    repair: nothingToRepair,
  },
  frozen: {
    title: `whole member frozen for ${FROZEN_SECONDS} s`,
    resumes: 'second',
    observeSeconds: FROZEN_SECONDS,
    apply: async (_cluster, primary) => {
      freezeHost(primary.host)
      setTimeout(() => {
        thawHost(primary.host)
        continueAll(primary.host)
      }, FROZEN_SECONDS * 1000)
    },
    repair: nothingToRepair,
  },
  partition: {
    title: 'partition, clients on both sides',
    resumes: 'second',
    observeSeconds: 10,
    apply: async (cluster, primary) => {
      const others = cluster.network.hosts.filter(host => host !== primary.host)
      cluster.network.partition([primary.host], others)
    },
    repair: async cluster => cluster.network.heal(),
  },
} as const satisfies Record<string, Fault>

export type FenceFaultName = keyof typeof FENCE_FAULTS
