// What does one record, rewritten again and again without compaction, cost a store? Bytes in the database and memory
// of etcd per rewriting, by size of the record. Usage: node --import tsx bench/experiments/0022-etcd-space.mjs
import { readFileSync } from 'node:fs'
import { openEtcd } from '../../src/stores/etcd/etcd.ts'
import { growthPerDay } from '../../src/stores/etcd/space.ts'
import { startEtcd } from '../../test/contract/etcd-nodes.ts'

const REWRITES = 20_000
for (const bytes of [500, 1_000, 4_000]) {
  const cluster = await startEtcd({ count: 1 })
  const kv = openEtcd({ endpoints: [`127.0.0.1:${cluster.nodes[0].port}`] })
  try {
    const signal = () => AbortSignal.timeout(10_000)
    const memory = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${cluster.nodes[0].pid()}/status`, 'utf8'))[1])
    const write = () =>
      kv.transact(
        { compare: [], writes: [{ put: '/t', value: 'x'.repeat(bytes) }], readOnFailure: [] },
        signal(),
      )
    for (let index = 0; index < 2_000; index++) await write()
    const [before, memoryBefore] = [await kv.space(signal()), memory()]
    for (let index = 0; index < REWRITES / 20; index++) await Promise.all(Array.from({ length: 20 }, write))
    const [after, memoryAfter] = [await kv.space(signal()), memory()]
    // As if each rewriting had taken a second.
    const { bytesPerDay } = growthPerDay(before, after, REWRITES * 1_000)
    console.log(
      `${after.version}, ${bytes} bytes: ${((after.bytes - before.bytes) / REWRITES).toFixed(0)} bytes each, ` +
        `${(bytesPerDay / 1e6).toFixed(0)} MB a day at one a second, 2 GB full in ${(2e9 / bytesPerDay).toFixed(1)} days; ` +
        `memory ${(memoryBefore / 1024).toFixed(0)} -> ${(memoryAfter / 1024).toFixed(0)} MB`,
    )
    await cluster.etcdctl(['compact', after.revision.toString(), '--physical'])
    for (let index = 0; index < 200; index++) await write()
    const compacted = await kv.space(signal())
    console.log(
      `  after compaction: file ${(compacted.bytes / 1e6).toFixed(0)} MB, in use ${(compacted.bytesInUse / 1e6).toFixed(1)} MB`,
    )
  } finally {
    kv.close()
    await cluster.destroy()
  }
}
