// How late can a transaction be applied whose answer never came? The leader has it in its log while both followers
// stand still; they go on after a while. Usage: node --import tsx bench/experiments/0021-etcd-late-write.mjs
import { setTimeout as sleep } from 'node:timers/promises'
import { openEtcd } from '../../src/stores/etcd/etcd.ts'
import { startEtcd } from '../../test/contract/etcd-nodes.ts'

const cluster = await startEtcd({ count: 3 })
try {
  for (const standstillMs of [1_000, 3_000, 9_000, 20_000]) {
    for (let round = 0; round < 3; round++) {
      await cluster.healthy()
      const leader = await cluster.leader()
      const followers = [0, 1, 2].filter(index => index !== leader)
      const kv = openEtcd({ endpoints: [`127.0.0.1:${cluster.nodes[leader].port}`] })
      const reader = openEtcd({ endpoints: followers.map(index => `127.0.0.1:${cluster.nodes[index].port}`) })
      const key = `/late/${standstillMs}-${round}`
      const read = async () => (await reader.list(key, AbortSignal.timeout(5_000))).entries.length
      await read()
      for (const index of followers) cluster.nodes[index].freeze()
      const sent = performance.now()
      const transaction = {
        compare: [{ key, absent: true }],
        writes: [{ put: key, value: 'x' }],
        readOnFailure: [],
      }
      const { kind, reason } = await kv.transact(transaction, AbortSignal.timeout(2_000))
      await sleep(standstillMs)
      for (const index of followers) cluster.nodes[index].thaw()
      await cluster.healthy()
      let there = 0
      const until = performance.now() + 10_000
      while (there === 0 && performance.now() < until) {
        there = await read().catch(() => 0)
        if (there === 0) await sleep(20)
      }
      const seen = there
        ? `applied, seen ${Math.round(performance.now() - sent)} ms after it was sent`
        : 'never applied'
      console.log(
        `${standstillMs} ms: ${kind} (${reason}); ${seen}; leader ${leader} -> ${await cluster.leader()}`,
      )
      kv.close()
      reader.close()
    }
  }
} finally {
  await cluster.destroy()
}
