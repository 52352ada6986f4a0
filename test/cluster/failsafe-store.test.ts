// The store is away for several ttls: a healthy primary that reaches every member goes on, any other stops in time.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../lab/cluster.ts'
import type { Fault } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { waitFor } from '../lab/wait.ts'
import { scene } from './failover-lab.ts'

/** What vigil gives to new clusters. */
const TIMINGS = { ttl: 10, loopWait: 2, retryTimeout: 3 }
const TTL_MS = TIMINGS.ttl * 1000
/** Without failsafe the primary would have been stopped before half of it. */
const OUTAGE_MS = TTL_MS * 2.5

scene(
  'failsafe',
  ({ play }) => {
    play('a store that is away for several ttls interrupts nobody', async stage => {
      const { from, to, verdict } = await stage.endure(
        away(async (cluster, primary) => {
          await waitFor('all say that the primary goes on without the store', TTL_MS, async () => {
            const active = await Promise.all([primary, ...others(cluster, primary)].map(goesOn))
            return active.every(Boolean)
          })
        }),
      )
      assert.equal(verdict.errors, 0)
      assert.equal(to.term, from.term)
    })

    play('a member that restarts meanwhile interrupts nobody', async stage => {
      const { from, to, verdict } = await stage.endure(
        away(async (cluster, primary) => {
          await waitFor('the primary says that it goes on without the store', TTL_MS, () => goesOn(primary))
          const [member] = others(cluster, primary)
          member!.signal('agent', 'SIGKILL')
          await waitFor('its agent can be started again', 5000, async () => {
            try {
              member!.start()
              return true
            } catch {
              return false
            }
          })
        }),
      )
      assert.equal(verdict.errors, 0)
      assert.equal(to.term, from.term)
    })

    play(
      'a primary that misses one member stops by its deadline, and goes on when the store is back',
      async stage => {
        const { from, to } = await stage.endure({
          ...away(async (cluster, primary) => {
            const [missing] = others(cluster, primary)
            cluster.network.partition([primary.host], [missing!.host])
            // At the latest after one ttl; a look at it may take long on a busy machine.
            await waitFor('the primary has stopped', TTL_MS * 2, async () => !(await primary.writable()))
            await sleep(TTL_MS)
            const writable = await Promise.all(cluster.members.map(member => member.writable()))
            assert.deepEqual(writable, [false, false, false], 'nobody takes writes without the store')
            cluster.network.heal()
          }),
          resumes: 'anywhere',
        })
        assert.equal(to.holder.install, from.holder.install)
      },
    )

    play('a primary that alone has lost the store goes on, and is followed', async stage => {
      const { from, to, verdict } = await stage.endure({
        ...UNHARMED,
        apply: async (cluster, primary) => {
          const node = cluster.etcd.nodes.find(({ host }) => host === primary.host)!
          await node.kill()
          cluster.network.cutPort(primary.host, 'etcd')
          await sleep(OUTAGE_MS)
          cluster.network.heal()
          node.start()
        },
      })
      assert.equal(verdict.errors, 0)
      assert.equal(to.term, from.term)
    })
  },
  { settings: { timings: TIMINGS } },
)

const UNHARMED = {
  title: 'store away',
  resumes: 'unharmed',
  observeSeconds: 3,
  repair: async () => {},
} satisfies Omit<Fault, 'apply'>

/** All nodes of the store stand still for OUTAGE_MS or as long as `meanwhile` takes. */
function away(meanwhile: (cluster: Cluster, primary: Member) => Promise<void>): Fault {
  return {
    ...UNHARMED,
    apply: async (cluster, primary) => {
      for (const node of cluster.etcd.nodes) node.pause()
      await Promise.all([sleep(OUTAGE_MS), meanwhile(cluster, primary)])
      for (const node of cluster.etcd.nodes) node.resume()
    },
  }
}

async function goesOn(member: Member): Promise<boolean> {
  const body = JSON.parse((await member.rest('/patroni')).body) as { failsafe_mode_is_active?: boolean }
  return body.failsafe_mode_is_active === true
}

function others(cluster: Cluster, member: Member): readonly Member[] {
  return cluster.members.filter(other => other !== member)
}
