// Two things that 0021 and 0022 leave open. (1) A record rewritten at a slow pace, each time in a commit of its own:
// bytes in the file and to the disk, memory. (2) A request that reached a leader of the store which was then stopped
// and overtaken: is it applied when that node wakes up, and what does the comparison of the revision do to it?
// Usage: node --import tsx bench/experiments/0057-store-pace-and-late-writes.mjs [--late: only (2)]
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEtcd } from '../../src/stores/etcd/etcd.ts'
import { startEtcd } from '../../test/contract/etcd-nodes.ts'

const REWRITES = 600
/** etcd gathers writes for 100 ms before it commits its file. */
const PACE_MS = 150
const DAY = 86_400
const within = (ms = 10_000) => AbortSignal.timeout(ms)

if (!process.argv.includes('--late')) for (const bytes of [1_000, 4_000]) await pace(bytes)
for (const standstillMs of [3_000, 9_000, 30_000]) {
  for (const delayMs of [0, 1, 3, -1]) await overtaken(standstillMs, delayMs)
}

async function pace(bytes) {
  const cluster = await startEtcd({ count: 1 })
  const { port, pid } = cluster.nodes[0]
  const kv = openEtcd({ endpoints: [`127.0.0.1:${port}`] })
  const number = (file, name) =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid()}/${file}`, 'utf8'))[1])
  const write = () =>
    kv.transact(
      { compare: [], writes: [{ put: '/t', value: 'x'.repeat(bytes) }], readOnFailure: [] },
      within(),
    )
  try {
    for (let index = 0; index < 500; index++) await write()
    await sleep(1_000)
    const look = async () => ({
      file: (await kv.space(within())).bytes,
      disk: number('io', 'write_bytes'),
      memory: number('status', 'VmRSS'),
    })
    const before = await look()
    for (let index = 0; index < REWRITES; index++) {
      await write()
      await sleep(PACE_MS)
    }
    const after = await look()
    const each = name => (after[name] - before[name]) / REWRITES
    const day = name => `${((each(name) * DAY) / 1e6).toFixed(0)} MB a day`
    console.log(
      `${bytes} bytes, one commit each: file ${each('file').toFixed(0)} bytes each (${day('file')}), ` +
        `to the disk ${each('disk').toFixed(0)} bytes each (${day('disk')}), ` +
        `memory ${(before.memory / 1024).toFixed(0)} -> ${(after.memory / 1024).toFixed(0)} MB`,
    )
  } finally {
    kv.close()
    await cluster.destroy()
  }
}

/** `delayMs`: from sending until the leader is stopped; -1: it is stopped before. */
async function overtaken(standstillMs, delayMs) {
  const cluster = await startEtcd({ count: 3 })
  try {
    await cluster.healthy()
    const leader = await cluster.leader()
    const others = [0, 1, 2].filter(index => index !== leader)
    const old = openEtcd({ endpoints: [`127.0.0.1:${cluster.nodes[leader].port}`] })
    const kv = openEtcd({ endpoints: others.map(index => `127.0.0.1:${cluster.nodes[index].port}`) })
    const put = (on, key, value, compare = []) =>
      on.transact({ compare, writes: [{ put: key, value }], readOnFailure: [] }, within(800))
    await put(old, '/free', 'before')
    await put(old, '/contended', 'before')
    const entryOf = async key => (await kv.list(key, within())).entries[0]
    const { modRevision } = await entryOf('/contended')
    if (delayMs < 0) cluster.nodes[leader].freeze()
    const late = [
      put(old, '/free', 'late'),
      put(old, '/contended', 'late', [{ key: '/contended', modRevision }]),
    ]
    if (delayMs > 0) await sleep(delayMs)
    if (delayMs >= 0) cluster.nodes[leader].freeze()
    const kinds = (await Promise.all(late)).map(result => result.kind)
    const stoppedAt = performance.now()
    let taken = 'unknown'
    while (taken !== 'applied' && taken !== 'conflict') {
      taken = (await put(kv, '/contended', 'taken', [{ key: '/contended', modRevision }])).kind
      if (taken !== 'applied') await sleep(200)
    }
    await sleep(Math.max(0, standstillMs - (performance.now() - stoppedAt)))
    cluster.nodes[leader].thaw()
    const wokenAt = performance.now()
    let seenMs = null
    while (seenMs === null && performance.now() < wokenAt + 12_000) {
      if ((await entryOf('/free').catch(() => null))?.value === 'late') seenMs = performance.now() - wokenAt
      else await sleep(50)
    }
    const when = seenMs === null ? 'not applied' : `applied, seen ${seenMs.toFixed(0)} ms after it woke up`
    const contended = (await entryOf('/contended')).value
    console.log(
      `stopped ${delayMs < 0 ? 'before' : `${delayMs} ms after`} the request, for ${standstillMs / 1000} s: answers ${kinds.join(' and ')}; ` +
        `free key: ${when}; contended key: own change ${taken}, then "${contended}"`,
    )
    old.close()
    kv.close()
  } finally {
    await cluster.destroy()
  }
}
