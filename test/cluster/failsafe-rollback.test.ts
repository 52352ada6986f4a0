// An old state of the store comes back: nobody is promoted on the ground of it, and an operator begins it anew.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, openCluster } from '../lab/cluster.ts'
import { switchOver } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { newestPostgres } from '../lab/postgres-programs.ts'
import { installVigil } from '../lab/vigil.ts'
import { waitFor } from '../lab/wait.ts'
import { LOWEST } from './failover-lab.ts'

const SCOPE = 'rolledback'
const TTL_MS = LOWEST.ttl * 1000

test('a restored store promotes nobody until an operator begins it anew', { timeout: 300_000 }, async () => {
  execFileSync(process.execPath, [new URL('../../scripts/build.mjs', import.meta.url).pathname])
  const cluster = await openCluster({
    product: (network, etcd) =>
      installVigil(network.directory, {
        scope: SCOPE,
        timings: LOWEST,
        subnet: network.subnet,
        etcd: etcd.hosts,
        binDirectory: newestPostgres(),
      }),
  })
  let passed = false
  try {
    const first = await cluster.waitUntilWhole()
    await first.query('CREATE TABLE kept (id integer PRIMARY KEY)')
    await first.query('INSERT INTO kept VALUES (1)')
    keepState(cluster)
    await cluster.etcd.waitUntilHealthy()
    await waitFor('the primary hears the store again', 30_000, async () => {
      const found = await warnings(first)
      return !found.includes('store-lost')
    })
    // The old state names a leader and a term that are over.
    await switchOver(first, cluster.members.find(member => member !== first)!)
    const second = await cluster.waitUntilWhole()
    await second.query('INSERT INTO kept VALUES (2)')
    const before = (await status(second)).term?.number ?? 0

    await bringBackState(cluster)
    await waitFor('every member distrusts the store', TTL_MS * 3, async () => {
      const codes = await Promise.all(cluster.members.map(warnings))
      return codes.every(found => found.includes('store-frozen'))
    })
    await waitFor('the primary has stopped', TTL_MS * 3, async () => !(await second.writable()))
    await sleep(TTL_MS * 2)
    const writable = await Promise.all(cluster.members.map(member => member.writable()))
    assert.deepEqual(writable, [false, false, false])

    const ask = (path: string, scope: string) =>
      second.rest(path, { method: 'POST', body: { scope }, limitMs: 20_000 })
    assert.equal((await ask('/vigil/reseed', 'another')).status, 412)
    const tried = await ask('/vigil/reseed?dry_run=true', SCOPE)
    assert.equal(tried.status, 200, tried.body)
    const done = await ask('/vigil/reseed', SCOPE)
    assert.equal(done.status, 200, done.body)

    const leader = await cluster.waitUntilWhole()
    const rows = await leader.query<{ id: number }>('SELECT id FROM kept ORDER BY id')
    assert.deepEqual(
      rows.map(({ id }) => id),
      [1, 2],
    )
    const after = (await status(leader)).term?.number ?? 0
    assert.ok(after > before + 1000, `term ${before}, then ${after}`)
    for (const member of cluster.members) assert.ok(!(await warnings(member)).includes('store-frozen'))
    const again = await ask('/vigil/reseed', SCOPE)
    assert.equal(again.status, 412, 'a store that is trusted is not begun anew')
    passed = true
  } finally {
    const kept = cluster.close({ keep: !passed })
    if (kept) console.log(`logs and decisions of the failed run: ${kept}`)
  }
})

function keepState({ etcd }: Cluster): void {
  for (const node of etcd.nodes) node.pause()
  for (const { host } of etcd.nodes)
    execFileSync('cp', ['-a', join(host.directory, 'etcd'), join(host.directory, 'etcd-kept')])
  for (const node of etcd.nodes) node.resume()
}

async function bringBackState({ etcd }: Cluster): Promise<void> {
  await Promise.all(etcd.nodes.map(node => node.kill()))
  for (const { host } of etcd.nodes) {
    const [present, kept] = [join(host.directory, 'etcd'), join(host.directory, 'etcd-kept')]
    rmSync(present, { recursive: true })
    execFileSync('cp', ['-a', kept, present])
  }
  etcd.startAll()
  await etcd.waitUntilHealthy()
}

interface Status {
  readonly term: { readonly number: number } | null
  readonly warnings: readonly { readonly code: string }[]
}

async function status(member: Member): Promise<Status> {
  return JSON.parse((await member.rest('/status')).body) as Status
}

async function warnings(member: Member): Promise<readonly string[]> {
  return (await status(member)).warnings.map(({ code }) => code)
}
