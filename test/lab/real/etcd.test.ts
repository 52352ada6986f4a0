// The laboratory's etcd: up, without one node, paused, and back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { etcdOn } from '../etcd.ts'
import { openNetwork } from '../network.ts'
import { waitFor } from '../wait.ts'

test('three etcd nodes elect a leader, lose it, elect another, and take it back', async () => {
  const network = openNetwork(['amber', 'birch', 'cedar'])
  try {
    const etcd = etcdOn(network.hosts)
    etcd.startAll()
    await etcd.waitUntilHealthy()
    const first = await etcd.leader()
    await first.kill()
    const second = await etcd.leader()
    assert.notEqual(second.name, first.name)
    first.start()
    await etcd.waitUntilHealthy()
    assert.equal((await etcd.list('/nothing/')).size, 0)

    second.pause()
    await waitFor('the paused node does not answer', 10_000, async () => !(await second.healthy()))
    second.resume()
    await etcd.waitUntilHealthy()
  } finally {
    network.close()
  }
})
