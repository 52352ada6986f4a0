// Hosts, cables and the store fail: nobody serves twice, and who is back follows by itself.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EvidenceDocument } from '../../src/core/evidence.ts'
import type { Cluster } from '../lab/cluster.ts'
import { FAULTS, type Fault } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { LOWEST, scene, seatOf } from './failover-lab.ts'

const TTL_MS = LOWEST.ttl * 1000
/** Less than any deadline: a renewal may have been due for almost a second when it began. */
const SHORT_OUTAGE_MS = TTL_MS * 0.35
/** A primary without the store stops; what it does otherwise is shown in failsafe-store.test.ts. */
const NO_FAILSAFE = { settings: { dynamic: { failsafe_mode: false } } }

scene(
  'hosts, network and store',
  ({ play }) => {
    play('a lost host is replaced, and follows when it is back', async stage => {
      const { victim, to } = await stage.endure(FAULTS['host-lost'])
      assert.notEqual(to.holder.name, victim.name)
    })

    play(
      'a primary on the wrong side of a partition stops; its own rows are rewound when it is back',
      async stage => {
        let seat = ''
        const { victim, to, verdict } = await stage.endure({
          ...CUT_OFF,
          apply: async (cluster, primary) => {
            seat = seatOf(primary)
            cluster.network.partition([primary.host], others(cluster, primary))
          },
        })
        assert.notEqual(to.holder.name, victim.name)
        // Clients on its side were acknowledged until the deadline: without that nothing would have diverged.
        assert.ok(verdict.lost.length > 0)
        assert.equal(seatOf(victim), seat, 'the copy was rewound, not made anew')
        const kept = await keptBy(victim)
        for (const row of verdict.lost)
          assert.ok(kept.has(row), `row ${row} was acknowledged, lost and is not kept`)
      },
    )

    play('a primary that nobody hears stops before another one serves', async stage => {
      const { victim, to } = await stage.endure({
        ...CUT_OFF,
        apply: async (cluster, primary) => cluster.network.cut([primary.host], others(cluster, primary)),
      })
      assert.notEqual(to.holder.name, victim.name)
    })

    play('a primary that has lost only the store stops, although its standbys stream', async stage => {
      const { victim, to } = await stage.endure({
        ...CUT_OFF,
        apply: async (cluster, primary) => {
          await etcdOf(cluster, primary).kill()
          cluster.network.cutPort(primary.host, 'etcd')
        },
        repair: async (cluster, former) => {
          cluster.network.heal()
          etcdOf(cluster, former).start()
        },
      })
      assert.notEqual(to.holder.name, victim.name)
    })

    play('a store that is away for less than the deadline interrupts nobody', async stage => {
      const { from, to, verdict } = await stage.endure(storeAway(SHORT_OUTAGE_MS, 'unharmed'))
      assert.equal(to.term, from.term)
      assert.equal(verdict.errors, 0)
    })

    play(
      'a store that is away for longer stops the primary, which goes on when the store is back',
      async stage => {
        const { from, to } = await stage.endure(storeAway(TTL_MS * 1.5, 'anywhere'))
        assert.equal(to.holder.install, from.holder.install)
      },
    )
  },
  NO_FAILSAFE,
)

const CUT_OFF = {
  title: 'partition',
  resumes: 'second',
  observeSeconds: 2,
  repair: async cluster => cluster.network.heal(),
} satisfies Omit<Fault, 'apply'>

function storeAway(ms: number, resumes: Fault['resumes']): Fault {
  return {
    title: 'store away',
    resumes,
    observeSeconds: 3,
    apply: async cluster => {
      for (const node of cluster.etcd.nodes) node.pause()
      await sleep(ms)
      for (const node of cluster.etcd.nodes) node.resume()
    },
    repair: async () => {},
  }
}

function others(cluster: Cluster, member: Member) {
  return cluster.network.hosts.filter(host => host !== member.host)
}

/** Rows of the writers that this member had alone, by the list that it gives over REST. */
async function keptBy(member: Member): Promise<ReadonlySet<string>> {
  const { body } = await member.rest('/vigil/evidence')
  const newest = (JSON.parse(body) as readonly EvidenceDocument[]).at(-1)
  assert.ok(newest, 'something is kept')
  assert.deepEqual(newest.left_out, [])
  const lines = readFileSync(join(newest.path, 'rows.jsonl'), 'utf8').split('\n').filter(Boolean)
  return new Set(
    lines
      .map(
        line => JSON.parse(line) as { readonly row: { readonly client: number; readonly sequence: number } },
      )
      .map(({ row }) => `${row.client}:${row.sequence}`),
  )
}

function etcdOf(cluster: Cluster, member: Member) {
  return cluster.etcd.nodes.find(node => node.host === member.host)!
}
