// The rival's side of the benchmark: three members of Debian's Patroni lose a host, and the figures can be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAULTS } from '../../../test/lab/faults.ts'
import { namespacesWork } from '../../../test/lab/namespaces.ts'
import { tryFault } from '../../../test/lab/trial.ts'
import { startWriter } from '../../../test/lab/writer.ts'
import { CONTESTANTS, openContestant } from '../products.ts'

test('Patroni replaces a lost host after its ttl, and the checker reads the figures', {
  skip: namespacesWork() ? false : 'needs root',
}, async () => {
  const contestant = CONTESTANTS.find(({ id }) => id === 'patroni-fastest')!
  const cluster = await openContestant(contestant, () => {})
  try {
    const writer = await startWriter(cluster, { pinned: true })
    const { victim, verdict, violations } = await tryFault(cluster, writer, FAULTS['host-lost'])
    assert.ok(verdict.acknowledged > 100)
    assert.ok(verdict.errors >= 1)
    // The lease runs out at the earliest a renewal before its ttl.
    assert.ok(verdict.stallSeconds > 15, `${verdict.stallSeconds} s`)
    assert.ok(verdict.stallSeconds < 60, `${verdict.stallSeconds} s`)
    assert.deepEqual(violations, [])
    assert.notEqual((await cluster.waitUntilWhole()).name, victim.name)
  } finally {
    cluster.close()
  }
})
