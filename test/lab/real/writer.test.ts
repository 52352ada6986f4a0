// The writing client and the checker against real servers that nobody keeps from doing harm: two plain PostgreSQL
// primaries that know nothing of each other, which is what a failed fencing looks like.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge, violations } from '../checker.ts'
import type { Cluster } from '../cluster.ts'
import { databaseUser } from '../database-user.ts'
import { etcdOn } from '../etcd.ts'
import type { Host } from '../host.ts'
import { type Member, memberOn, type Product, SUPERUSER } from '../member.ts'
import { openNetwork } from '../network.ts'
import { newestPostgres } from '../postgres-programs.ts'
import { serverName } from '../record.ts'
import { readSurvivor } from '../trial.ts'
import { monotonicNs, waitFor } from '../wait.ts'
import { CREATE_TABLE } from '../writer/statement.ts'
import { startWriter } from '../writer.ts'

/** PostgreSQL alone: its "agent" is the postmaster. */
const PLAIN: Product = {
  name: 'plain PostgreSQL',
  dataDirectory: host => join(host.directory, 'data'),
  prepare: host => [join(newestPostgres(), 'postgres'), '-D', initialise(host)],
}

test('clients go from a killed server to the next one, and the rows that stayed behind are counted', async () => {
  const { cluster, amber, birch } = openPair()
  try {
    amber.start()
    const writer = await startWriter(cluster, { sessions: 2, rowsPerSecond: 100 })
    const first = await writer.waitForAcknowledgement({ afterNs: 0 })
    assert.equal(first.server, serverName(amber.server))
    const faultNs = monotonicNs()
    amber.signal('postmaster', 'SIGKILL')
    birch.start()
    await waitFor('the second server is ready', 30_000, () => birch.writable())
    await birch.query(CREATE_TABLE)
    await writer.waitForAcknowledgement({
      afterNs: faultNs,
      not: amber.server,
      reconnected: true,
      limitMs: 30_000,
    })
    await writer.stop()
    const verdict = judge(writer.record(), await readSurvivor(cluster), {
      fromNs: 0,
      faultNs,
      untilNs: monotonicNs(),
    })
    assert.ok(verdict.lost.length > 0)
    assert.ok(verdict.lost.length < verdict.acknowledged)
    assert.ok(verdict.errors >= 1)
    assert.ok(verdict.stallSeconds > 0)
    assert.deepEqual(verdict.lateAcknowledgements, [])
    // Both servers are on timeline 1, so no fork excuses the loss.
    assert.equal(verdict.lostAfterReplication.length, verdict.lost.length)
  } finally {
    cluster.close()
  }
})

test('two servers that accept writes at the same time are found out', async () => {
  const { cluster, amber, birch } = openPair()
  try {
    amber.start()
    const writer = await startWriter(cluster, { sessions: 2, rowsPerSecond: 100, pinned: true })
    birch.start()
    await waitFor('the second server is ready', 30_000, () => birch.writable())
    await birch.query(CREATE_TABLE)
    const second = await writer.waitForAcknowledgement({ afterNs: 0, not: amber.server, pinned: true })
    // The roaming sessions have no reason to leave the first server.
    await writer.waitForAcknowledgement({ afterNs: second.atNs, not: birch.server })
    await writer.stop()
    const window = { fromNs: 0, faultNs: second.atNs, untilNs: monotonicNs() }
    const verdict = judge(writer.record(), await readSurvivor(cluster), window)
    assert.ok(verdict.lateAcknowledgements.length > 0)
    assert.match(violations(verdict).join('\n'), /acknowledged by an old primary/)
  } finally {
    cluster.close()
  }
})

function openPair(): { cluster: Cluster; amber: Member; birch: Member } {
  const network = openNetwork(['amber', 'birch'])
  const [amber, birch] = network.hosts.map(host => memberOn(host, PLAIN)) as [Member, Member]
  const members = [amber, birch]
  const cluster: Cluster = {
    network,
    etcd: etcdOn([]),
    members,
    member: name => members.find(member => member.name === name)!,
    primary: async () => ((await amber.writable()) ? amber : null),
    waitForPrimary: () =>
      waitFor('the first server is ready', 30_000, async () => ((await amber.writable()) ? amber : null)),
    waitUntilWhole: async () => amber,
    revive: member => member.start(),
    close: options => network.close(options),
  }
  return { cluster, amber, birch }
}

function initialise(host: Host): string {
  const data = PLAIN.dataDirectory(host)
  const { uid, gid, switched } = databaseUser()
  const args = ['-D', data, '-U', SUPERUSER.user, '-A', 'trust', '--no-sync']
  execFileSync(join(newestPostgres(), 'initdb'), args, {
    stdio: 'ignore',
    cwd: host.directory,
    ...(switched ? { uid, gid } : {}),
  })
  appendFileSync(
    join(data, 'postgresql.conf'),
    `listen_addresses = '${host.address}'\nport = ${host.port('postgres')}\nunix_socket_directories = '${host.directory}'\nshared_buffers = '16MB'\n`,
  )
  appendFileSync(join(data, 'pg_hba.conf'), 'host all all 0.0.0.0/0 trust\n')
  return data
}
