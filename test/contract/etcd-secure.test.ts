// etcd with TLS on both sides and with a password: who is let in, and what a client without it is told.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isVigilError } from '../../src/kernel/errors.ts'
import type { KeyValue, TransactionResult } from '../../src/ports/store.ts'
import { type EtcdOptions, openEtcd } from '../../src/stores/etcd/etcd.ts'
import { waitFor } from '../lab/wait.ts'
import { type Certificates, type EtcdNodes, makeCertificates, startEtcd } from './etcd-nodes.ts'

const WAIT_MS = 60_000
const PASSWORD = 'correct-horse-7'
const limit = (ms = 10_000) => AbortSignal.timeout(ms)

describe('etcd over TLS', { timeout: 180_000 }, () => {
  let certificates: Certificates
  let cluster: EtcdNodes
  before(async () => {
    certificates = await makeCertificates()
    const extra = ['--client-cert-auth', '--trusted-ca-file', certificates.files.ca]
    cluster = await startEtcd({ count: 1, tls: certificates.files, extra })
  })
  after(async () => {
    await cluster?.destroy()
    await certificates?.remove()
  })
  const open = (tls: EtcdOptions['tls']) =>
    openEtcd({ endpoints: [`127.0.0.1:${cluster.nodes[0]!.port}`], tls })

  test('reads, writes, leases and watches work with a client certificate', async () => {
    const { ca, cert, key } = certificates
    const kv = open({ ca, cert, key })
    try {
      let woken = 0
      kv.watch('/tls/', () => woken++)
      const lease = await kv.grantLease(5_000, limit())
      assert.equal(lease.kind, 'held')
      await waitFor('the watch wakes', WAIT_MS, async () => {
        assert.equal((await put(kv, '/tls/a')).kind, 'applied')
        return woken > 1
      })
      assert.equal((await kv.list('/tls/', limit())).entries.length, 1)
    } finally {
      kv.close()
    }
  })

  test('a server whose authority we do not trust gets no request at all', async () => {
    const kv = open({ ca: certificates.stranger, cert: certificates.cert, key: certificates.key })
    try {
      const result = await put(kv, '/tls/stranger')
      assert.equal(result.kind, 'failed')
      await assert.rejects(kv.list('/tls/', limit()), error => isVigilError(error, 'STORE_UNREACHABLE'))
    } finally {
      kv.close()
    }
  })

  test('without a client certificate nothing is read or written', async () => {
    const kv = open({ ca: certificates.ca })
    const good = open(certificates)
    try {
      assert.notEqual((await put(kv, '/tls/nobody')).kind, 'applied')
      await assert.rejects(kv.list('/tls/', limit()), error => isVigilError(error, 'STORE_UNREACHABLE'))
      const present = (await good.list('/tls/', limit())).entries.map(entry => entry.key)
      assert.equal(present.includes('/tls/nobody'), false)
    } finally {
      kv.close()
      good.close()
    }
  })
})

describe('etcd with a password', { timeout: 180_000 }, () => {
  let cluster: EtcdNodes
  before(async () => {
    cluster = await startEtcd({ count: 1, extra: ['--auth-token', 'simple'] })
  })
  after(async () => {
    await cluster?.destroy()
  })
  const open = (credentials?: EtcdOptions['credentials']) =>
    openEtcd({ endpoints: [`127.0.0.1:${cluster.nodes[0]!.port}`], ...(credentials ? { credentials } : {}) })
  const vigil = { username: 'vigil', password: PASSWORD }

  // One history, in order: each step leaves the store as the next one needs it.
  test('credentials do no harm where etcd asks for none', async () => {
    const kv = open(vigil)
    try {
      assert.equal((await put(kv, '/secure/a')).kind, 'applied')
      assert.equal((await kv.list('/secure/', limit())).entries.length, 1)

      // Authentication is switched on under a running client, which gets itself a token.
      await cluster.etcdctl(['role', 'add', 'vigil'])
      await cluster.etcdctl(['role', 'grant-permission', 'vigil', '--prefix=true', 'readwrite', '/secure/'])
      await cluster.etcdctl(['user', 'add', `vigil:${PASSWORD}`])
      await cluster.etcdctl(['user', 'grant-role', 'vigil', 'vigil'])
      await cluster.etcdctl(['user', 'add', 'root:r'])
      await cluster.etcdctl(['user', 'grant-role', 'root', 'root'])
      await cluster.etcdctl(['auth', 'enable'])
      assert.equal((await put(kv, '/secure/b')).kind, 'applied')
      assert.equal((await kv.list('/secure/', limit())).entries.length, 2)
    } finally {
      kv.close()
    }
  })

  test('reads, writes, leases and watches work with the password', async () => {
    const kv = open(vigil)
    try {
      let woken = 0
      kv.watch('/secure/', () => woken++)
      const lease = await kv.grantLease(5_000, limit())
      assert.ok(lease.kind === 'held')
      assert.equal((await kv.keepAlive(lease.lease, limit())).kind, 'held')
      await waitFor('the watch wakes', WAIT_MS, async () => {
        assert.equal((await put(kv, '/secure/a')).kind, 'applied')
        return woken > 1
      })
    } finally {
      kv.close()
    }
  })

  test('a token that the store has forgotten is renewed within the call', async () => {
    const kv = open(vigil)
    try {
      assert.equal((await put(kv, '/secure/a')).kind, 'applied')
      // Simple tokens live in memory only.
      await cluster.nodes[0]!.stop()
      cluster.nodes[0]!.start()
      await waitFor('etcd is back', WAIT_MS, async () => {
        await kv.list('/secure/', limit(2_000))
        return true
      })
      assert.equal((await put(kv, '/secure/a')).kind, 'applied')
    } finally {
      kv.close()
    }
  })

  test('a key outside of what the user may write is refused for certain', async () => {
    const kv = open(vigil)
    try {
      assert.equal((await put(kv, '/elsewhere/a')).kind, 'failed')
      await assert.rejects(kv.list('/elsewhere/', limit()), error => isVigilError(error, 'STORE_REFUSED'))
    } finally {
      kv.close()
    }
  })

  test('a wrong password, and none, are refused for certain and not repeated in the message', async () => {
    for (const credentials of [{ username: 'vigil', password: 'wrong-secret' }, undefined]) {
      const kv = open(credentials)
      try {
        assert.equal((await put(kv, '/secure/x')).kind, 'failed')
        await assert.rejects(kv.list('/secure/', limit()), error => {
          assert.ok(isVigilError(error, 'STORE_REFUSED'))
          assert.equal(/wrong-secret/.test(error.message), false)
          return true
        })
      } finally {
        kv.close()
      }
    }
    const kv = open(vigil)
    const present = (await kv.list('/secure/', limit())).entries.map(entry => entry.key)
    kv.close()
    assert.equal(present.includes('/secure/x'), false)
  })
})

async function put(kv: KeyValue, key: string): Promise<TransactionResult> {
  return kv.transact({ compare: [], writes: [{ put: key, value: 'x' }], readOnFailure: [] }, limit())
}
