// What can happen to a primary: how it is done, how clients are expected to get on, and how the damage is repaired.
import type { Cluster } from './cluster.ts'
import type { Member } from './member.ts'
import { waitFor } from './wait.ts'

export interface Fault {
  readonly title: string
  /**
   * Where clients write again: `elsewhere` (another member), `anywhere` (this one may come back), `unharmed` (they are
   * not expected to notice), `second` (another member accepts writes, whether or not this one has stopped; only
   * sessions that keep to one server see that).
   */
  readonly resumes: 'elsewhere' | 'anywhere' | 'unharmed' | 'second'
  /** How long to look on after clients write again: long enough for a second primary to show itself. */
  readonly observeSeconds: number
  apply(cluster: Cluster, primary: Member): Promise<void>
  repair(cluster: Cluster, victim: Member): Promise<void>
}

/** A service manager's pause before it starts an agent that ended. */
const RESTART_SECONDS = 2
const REQUEST_LIMIT_MS = 60_000
const PRECHECK_FAILED = 412
const PRECHECK_LIMIT_MS = 15_000

const nothingToRepair = async () => {}

export const FAULTS = {
  switchover: {
    title: 'planned switchover',
    resumes: 'elsewhere',
    observeSeconds: 3,
    apply: async (cluster, primary) => {
      const candidate = cluster.members.find(member => member !== primary)!
      await switchOver(primary, candidate)
    },
    repair: nothingToRepair,
  },
  'postmaster-killed': {
    title: 'postgres killed with -9',
    resumes: 'anywhere',
    observeSeconds: 3,
    apply: async (_cluster, primary) => {
      primary.signal('postmaster', 'SIGKILL')
    },
    repair: nothingToRepair,
  },
  'host-lost': {
    title: 'host lost',
    resumes: 'elsewhere',
    observeSeconds: 3,
    apply: async (cluster, primary) => {
      cluster.network.lose(primary.host)
    },
    repair: async (cluster, victim) => {
      cluster.revive(victim)
    },
  },
  'agent-restarted': {
    title: 'agent killed with -9, restarted',
    resumes: 'unharmed',
    observeSeconds: 15,
    apply: async (_cluster, primary) => {
      primary.signal('agent', 'SIGKILL')
      setTimeout(() => primary.start(), RESTART_SECONDS * 1000)
    },
    repair: nothingToRepair,
  },
  'agent-killed': {
    title: 'agent killed with -9, stays dead',
    resumes: 'second',
    observeSeconds: 5,
    apply: async (_cluster, primary) => {
      primary.signal('agent', 'SIGKILL')
    },
    repair: async (_cluster, victim) => {
      victim.start()
    },
  },
  'agent-stopped': {
    title: 'agent stopped for 60 s',
    resumes: 'second',
    observeSeconds: 60,
    apply: async (_cluster, primary) => {
      primary.signal('agent', 'SIGSTOP')
    },
    repair: async (_cluster, victim) => {
      victim.signal('agent', 'SIGCONT')
    },
  },
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof FAULTS

/**
 * Asks for a planned switchover over REST and returns when the candidate accepts writes. A member that has just begun
 * to stream may not be known as healthy yet: that answer (412) is asked again for a while, as an operator would.
 * @throws when it was refused for good.
 */
export async function switchOver(primary: Member, candidate: Member): Promise<void> {
  const body = { leader: primary.name, candidate: candidate.name }
  const answer = await waitFor('the switchover is accepted', PRECHECK_LIMIT_MS, async () => {
    const given = await primary.rest('/switchover', { method: 'POST', body, limitMs: REQUEST_LIMIT_MS })
    if (given.status === PRECHECK_FAILED) throw new Error(`answered ${given.status}: ${given.body}`)
    return given
  })
  if (answer.status >= 300) throw new Error(`switchover was answered ${answer.status}: ${answer.body}`)
  await waitFor(`${candidate.name} accepts writes`, REQUEST_LIMIT_MS, () => candidate.writable())
}
