// What the contract can't ask of every store: one of several endpoints fails, a member without a quorum, compaction.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, describe, test } from 'node:test'
import type { KeyValue, Transaction } from '../../src/ports/store.ts'
import { openEtcd } from '../../src/stores/etcd/etcd.ts'
import { waitFor } from '../lab/wait.ts'
import { type EtcdNodes, startEtcd } from './etcd-nodes.ts'
import { openProxy, type TcpProxy } from './proxy.ts'

const WAIT_MS = 60_000
const limit = (ms = 10_000) => AbortSignal.timeout(ms)

describe('etcd, one endpoint of several', { timeout: 300_000 }, () => {
  let cluster: EtcdNodes
  let proxies: readonly TcpProxy[]
  const opened: KeyValue[] = []
  const frozen = new Set<number>()

  before(async () => {
    cluster = await startEtcd({ count: 3 })
    proxies = await Promise.all(cluster.nodes.map(node => openProxy(node.port)))
  })
  afterEach(async () => {
    for (const kv of opened.splice(0)) kv.close()
    for (const index of frozen) cluster.nodes[index]!.thaw()
    frozen.clear()
    await Promise.all(proxies.map(proxy => proxy.pass()))
    await cluster.healthy()
  })
  after(async () => {
    await Promise.all(proxies?.map(proxy => proxy.close()) ?? [])
    await cluster?.destroy()
  })

  const freeze = (index: number) => {
    frozen.add(index)
    cluster.nodes[index]!.freeze()
  }
  const open = (...indexes: readonly number[]) => {
    const kv = openEtcd({ endpoints: indexes.map(index => `127.0.0.1:${proxies[index]!.port}`) })
    opened.push(kv)
    return kv
  }

  test('the first endpoint is preferred, and the others are left alone', async () => {
    const kv = open(1, 0, 2)
    const before = proxies.map(proxy => proxy.received())
    for (let round = 0; round < 5; round++) await put(kv, key())
    const grown = proxies.map((proxy, index) => proxy.received() > before[index]!)
    assert.deepEqual(grown, [false, true, false])
  })

  test('a write that nobody listened to goes on to the next endpoint within the same call', async () => {
    await proxies[0]!.refuse()
    const kv = open(0, 1, 2)
    assert.equal((await put(kv, key())).kind, 'applied')
  })

  test('a frozen endpoint costs a read one attempt, later calls avoid it, and it is used again once it answers', async () => {
    // A write through another member needs a leader: freeze a follower.
    const follower = (await cluster.leader()) === 0 ? 1 : 0
    const kv = open(follower, 2, follower === 0 ? 1 : 0)
    await put(kv, key())
    freeze(follower)
    assert.ok((await kv.list('/contract/', limit())).revision > 0n)
    for (let round = 0; round < 5; round++) assert.equal((await put(kv, key())).kind, 'applied')

    const before = proxies[follower]!.received()
    cluster.nodes[follower]!.thaw()
    frozen.delete(follower)
    await waitFor('the preferred endpoint is used again', WAIT_MS, async () => {
      const others = proxies.map(proxy => proxy.received())
      assert.equal((await put(kv, key())).kind, 'applied')
      const untouched = proxies.every(
        (proxy, index) => index === follower || proxy.received() === others[index],
      )
      return untouched && proxies[follower]!.received() > before
    })
  })

  test('a write to a frozen endpoint is unknown, and is not repeated at another one', async () => {
    const follower = (await cluster.leader()) === 0 ? 1 : 0
    const other = follower === 0 ? 1 : 0
    const kv = open(follower, other)
    await put(kv, key())
    freeze(follower)
    const before = proxies[other]!.received()
    assert.equal((await put(kv, key())).kind, 'unknown')
    assert.equal(proxies[other]!.received(), before)
    assert.equal((await put(kv, key())).kind, 'applied')
  })

  test('a member without a quorum says so; what it refused that way is never applied', async () => {
    const kv = open(0)
    freeze(1)
    freeze(2)
    const attempts: { key: string; kind: string }[] = []
    await waitFor('a certain refusal', WAIT_MS, async () => {
      const name = key()
      attempts.push({ key: name, kind: (await put(kv, name, limit(2_000))).kind })
      return attempts.filter(attempt => attempt.kind === 'failed').length >= 3
    })
    assert.deepEqual([...new Set(attempts.map(attempt => attempt.kind))].sort(), ['failed', 'unknown'])
    for (const index of [1, 2]) cluster.nodes[index]!.thaw()
    frozen.clear()
    await cluster.healthy()
    // Whatever was still on its way has been applied before a write that was accepted after it.
    await waitFor(
      'the cluster accepts writes',
      WAIT_MS,
      async () => (await put(kv, key())).kind === 'applied',
    )
    const present = (await kv.list('/contract/', limit())).entries.map(entry => entry.key)
    const failed = attempts.filter(attempt => attempt.kind === 'failed')
    assert.deepEqual(
      failed.filter(attempt => present.includes(attempt.key)),
      [],
    )
  })

  test('when the member that leads freezes, writes go on after the election', async () => {
    const leader = await cluster.leader()
    const kv = open(leader, ...[0, 1, 2].filter(index => index !== leader))
    await put(kv, key())
    freeze(leader)
    await waitFor('a write is accepted', WAIT_MS, async () => {
      return (await put(kv, key(), limit(2_000))).kind === 'applied'
    })
  })

  test('a watch on a server that fell silent wakes again as long as somebody reads', async () => {
    const kv = open(0, 1)
    const writer = open(1, 2)
    let woken = 0
    kv.watch('/contract/silence/', () => woken++)
    await waitFor('the watch is established', WAIT_MS, async () => {
      await put(writer, '/contract/silence/a')
      return woken > 1
    })
    proxies[0]!.silence()
    await put(writer, '/contract/silence/a')
    const before = woken
    await waitFor('the watch moved to another server', WAIT_MS, async () => {
      await kv.list('/contract/silence/', limit())
      return woken > before
    })
    const moved = woken
    await waitFor('it wakes for changes again', WAIT_MS, async () => {
      await put(writer, '/contract/silence/a')
      return woken > moved + 1
    })
  })

  test('a watch survives the compaction of everything it has missed', async () => {
    const kv = open(0)
    const writer = open(1)
    let woken = 0
    kv.watch('/contract/compact/', () => woken++)
    await waitFor('the watch is established', WAIT_MS, async () => {
      await put(writer, '/contract/compact/a')
      return woken > 1
    })
    await proxies[0]!.refuse()
    for (let round = 0; round < 20; round++) await put(writer, '/contract/compact/a')
    const { revision } = await writer.list('/contract/compact/', limit())
    await cluster.etcdctl(['compact', revision.toString(), '--physical'])
    const before = woken
    await proxies[0]!.pass()
    await waitFor('it wakes again', WAIT_MS, async () => {
      await put(writer, '/contract/compact/a')
      return woken > before + 1
    })
  })

  test('the ttl of a lease is the one that etcd granted, not the one that was asked for', async () => {
    // Half as long again as the election timeout, in whole seconds, is the least that etcd grants.
    const granted = await open(0).grantLease(500, limit())
    assert.ok(granted.kind === 'held')
    assert.equal(granted.ttlMs, 2_000)
  })

  test('the space a store takes is told with its revision and version', async () => {
    const endpoints = [`127.0.0.1:${proxies[0]!.port}`]
    const kv = openEtcd({ endpoints })
    opened.push(kv)
    const first = await kv.space(limit())
    for (let round = 0; round < 10; round++) await put(kv, key())
    const second = await kv.space(limit())
    assert.match(second.version, /^3\.\d+\.\d+$/)
    assert.ok(second.bytes > 0)
    assert.ok(second.bytesInUse !== null && second.bytesInUse <= second.bytes)
    assert.ok(second.revision >= first.revision + 10n)
  })
})

function key(): string {
  return `/contract/${randomBytes(6).toString('hex')}`
}

async function put(kv: KeyValue, name: string, signal = limit()) {
  const transaction: Transaction = { compare: [], writes: [{ put: name, value: 'x' }], readOnFailure: [] }
  return kv.transact(transaction, signal)
}
