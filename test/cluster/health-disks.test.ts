// The disks of a primary, of a standby and of an agent fail. Who leads afterwards, and is everything kept?
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { waitFor } from '../lab/wait.ts'
import { LOWEST, scene } from './failover-lab.ts'
import { agentDiskOf, agentWarns, diskOf, healthOf, ON_DISKS } from './health-lab.ts'

/** Without a wait for the ttl: PostgreSQL's own limits are the stall limit (5 s), looks, a probe each 2 s. */
const HANDED_OVER_SECONDS = LOWEST.ttl + 5 + 5

scene(
  'disks',
  ({ play }) => {
    play('a primary whose disk is full hands over in order while its WAL still has room', async stage => {
      const { victim, verdict, to } = await stage.endure(fullDisk(async () => {}))
      assert.notEqual(to.holder.name, victim.name)
      assert.deepEqual(verdict.lost, [])
    })

    play('a primary that ends by PANIC on a full disk is not started again there', async stage => {
      const full = fullDisk(async primary => {
        // The next segment finds no room.
        await primary.query('SELECT pg_switch_wal()').catch(() => [])
      })
      const { from, victim, to } = await stage.endure(full)
      assert.notEqual(to.holder.name, victim.name)
      assert.ok(to.term <= from.term + 2, `terms ${from.term} to ${to.term}: promotions that could only fail`)
    })

    play(
      'a primary whose disk stands still is killed, and another leads without waiting for the disk',
      async stage => {
        const stalled: Fault = {
          title: 'stalled disk',
          resumes: 'elsewhere',
          observeSeconds: 2,
          apply: async (_, primary) => diskOf(primary).freeze(90),
          repair: async (_, victim) => diskOf(victim).thaw(),
        }
        const { victim, to, verdict } = await stage.endure(stalled)
        assert.notEqual(to.holder.name, victim.name)
        assert.ok(verdict.stallSeconds < HANDED_OVER_SECONDS, `clients waited ${verdict.stallSeconds} s`)
      },
    )

    play('a primary whose file system has become read-only is replaced', async stage => {
      const broken: Fault = {
        title: 'read-only file system',
        resumes: 'elsewhere',
        observeSeconds: 2,
        apply: async (_, primary) => diskOf(primary).failWrites(),
        repair: async (_, victim) => {
          await victim.stop()
          diskOf(victim).mend()
          victim.start()
        },
      }
      const { victim, to } = await stage.endure(broken)
      assert.notEqual(to.holder.name, victim.name)
    })

    play('a standby with a full disk says so and is not promoted', async stage => {
      let full: Member | null = null
      const lost: Fault = {
        title: 'primary lost while a standby has a full disk',
        resumes: 'elsewhere',
        observeSeconds: 2,
        apply: async (cluster, primary) => {
          full = cluster.members.find(member => member !== primary)!
          diskOf(full).fill()
          await waitFor('the standby reports its disk', 60_000, async () => {
            const { promotable, trouble } = await healthOf(full!)
            return !promotable && trouble !== null
          })
          cluster.network.lose(primary.host)
        },
        repair: async (cluster, victim) => {
          diskOf(full!).empty()
          cluster.revive(victim)
        },
      }
      const { to } = await stage.endure(lost)
      assert.notEqual(to.holder.name, full!.name)
    })

    play("a full disk of the agent's own costs no leadership, and is said aloud", async stage => {
      const full: Fault = {
        title: "full disk of the leader's agent",
        resumes: 'unharmed',
        observeSeconds: LOWEST.ttl * 2,
        apply: async (_, primary) => {
          agentDiskOf(primary).fill()
          await agentWarns(primary, 'state-disk')
        },
        repair: async (_, victim) => agentDiskOf(victim).empty(),
      }
      const { from, to, verdict } = await stage.endure(full)
      assert.equal(to.term, from.term)
      assert.deepEqual(verdict.lost, [])
    })

    play('a leader whose agent can remember nothing leaves the next term to others', async stage => {
      const full: Fault = {
        title: "postmaster killed with a full disk of the leader's agent",
        resumes: 'elsewhere',
        observeSeconds: 2,
        apply: async (_, primary) => {
          agentDiskOf(primary).fill()
          await agentWarns(primary, 'state-disk')
          primary.signal('postmaster', 'SIGKILL')
        },
        repair: async (_, victim) => agentDiskOf(victim).empty(),
      }
      const { victim, to } = await stage.endure(full)
      assert.notEqual(to.holder.name, victim.name)
    })
  },
  ON_DISKS,
)

function fullDisk(then: (primary: Member) => Promise<void>): Fault {
  return {
    title: 'full disk',
    resumes: 'elsewhere',
    observeSeconds: 2,
    apply: async (_, primary) => {
      diskOf(primary).fill()
      await sleep(0)
      await then(primary)
    },
    repair: async (_, victim) => diskOf(victim).empty(),
  }
}
