// Synchronous commits, ttl 30: a lost leader is replaced by seals long before its ttl, and nothing acknowledged is lost.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../lab/cluster.ts'
import type { Timings } from '../lab/configuration.ts'
import { FAULTS, type Fault } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { sendSignal } from '../lab/processes.ts'
import { type Endured, type Stage, scene } from './failover-lab.ts'

const LONG: Timings = { ttl: 30, loopWait: 10, retryTimeout: 10 }
/** Generous: the suspicion is 2.5 s, and this machine may be busy. */
const FAR_BEFORE_TTL_SECONDS = 12
/** The first wait of an agent, in which it suspects nobody. */
const WAIT_MS = LONG.ttl * 1000 * 1.01 + 2000

scene(
  'quorum commits and seals',
  ({ play }) => {
    // First: the next fault needs the seal of who led when it froze, in the middle of a renewal.
    play('a frozen member is replaced; thawed, it acknowledges nothing and follows', async stage => {
      await armed(stage)
      const endured = await stage.endure(FROZEN)
      assertFast(endured)
      assertNothingLost(endured)
    })

    play('a lost host is replaced far before the ttl, and nothing acknowledged is lost', async stage => {
      await armed(stage)
      const endured = await stage.endure(FAULTS['host-lost'])
      assertFast(endured)
      assertNothingLost(endured)
      assert.notEqual(endured.to.holder.name, endured.victim.name)
    })

    play(
      'a leader that is cut off from everything is replaced, and acknowledges nothing meanwhile',
      async stage => {
        await armed(stage)
        const endured = await stage.endure(CUT_OFF)
        assertFast(endured)
        assertNothingLost(endured)
      },
    )

    play('a killed postmaster comes back under a new term at once', async stage => {
      await armed(stage)
      const endured = await stage.endure(FAULTS['postmaster-killed'])
      assertNothingLost(endured)
      assert.equal(endured.to.holder.install, endured.from.holder.install)
    })
  },
  { settings: { timings: LONG, dynamic: { synchronous_mode: 'quorum' } } },
)

/** Its rule names both others, and every member has been up for one wait: before that it must not suspect anybody. */
async function armed({ cluster, term }: Stage): Promise<void> {
  await cluster.waitUntilWhole()
  await term.waitFor('the rule of the leader names both standbys', record => {
    const [rule, ...older] = record.rules ?? []
    return record.state === 'serving' && older.length === 0 && rule?.seats.length === 2 && rule.k === 1
  })
  const up = cluster.members.map(member => startedMs(member))
  const oldest = Math.min(...up)
  if (oldest < WAIT_MS) await sleep(WAIT_MS - oldest)
}

/** Since the agent's process began. */
function startedMs(member: Member): number {
  const stat = readFileSync(`/proc/${member.pid('agent')}/stat`, 'utf8')
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  return (uptime - ticks / 100) * 1000
}

function assertFast({ verdict: { stallSeconds } }: Endured): void {
  console.log(`clients stood still for ${stallSeconds.toFixed(1)} s`)
  assert.ok(stallSeconds < FAR_BEFORE_TTL_SECONDS, `clients stood still for ${stallSeconds} s`)
}

function assertNothingLost({ verdict }: Endured): void {
  assert.deepEqual(verdict.lost, [])
}

const CUT_OFF: Fault = {
  title: 'partition of the leader from everything',
  resumes: 'second',
  observeSeconds: 3,
  apply: async (cluster, primary) => {
    cluster.network.partition([primary.host], others(cluster, primary))
  },
  repair: async cluster => cluster.network.heal(),
}

const FROZEN: Fault = {
  title: 'every process of the leader stands still',
  resumes: 'second',
  observeSeconds: 10,
  apply: async (_cluster, primary) => {
    for (const pid of primary.host.processes()) sendSignal(pid, 'SIGSTOP')
  },
  repair: async (_cluster, victim) => {
    for (const pid of victim.host.processes().toReversed()) sendSignal(pid, 'SIGCONT')
  },
}

function others(cluster: Cluster, member: Member) {
  return cluster.network.hosts.filter(host => host !== member.host)
}
