// The cluster's keys read together, and transactions on the term record against the in-memory store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemberRecord } from '../../src/core/cluster.ts'
import type { TermRecord } from '../../src/core/term.ts'
import { lsn } from '../../src/kernel/lsn.ts'
import type { KeyValueEntry } from '../../src/ports/store.ts'
import {
  clusterKeys,
  decodeCluster,
  decodeConflict,
  failoverWrite,
  memberWrite,
  plainTransaction,
  readCluster,
  statusWrite,
  type TermChange,
  termTransaction,
  unchanged,
} from '../../src/stores/cluster-store.ts'
import { encodeTerm } from '../../src/stores/codec.ts'
import { createMemoryStore } from '../../src/stores/memory.ts'

const keys = clusterKeys('service', 'main')
const still = { now: () => ({ mono: 0, boot: 0 }), after: () => () => {} }
const never = new AbortController().signal

const record: TermRecord = {
  v: 1,
  cluster: '1',
  term: 1,
  state: 'electing',
  holder: { name: 'amber', install: 'i1', seat: 's1', machine: 'm1' },
  ttl: 10_000,
  nonce: 'n1',
  at: null,
  members: ['i1'],
  rules: null,
  rulesVersion: 0,
  chain: [],
  timelineMax: 1,
  successor: null,
  final: null,
  mixed: false,
}

const member: MemberRecord = {
  name: 'amber',
  connUrl: 'postgres://10.0.0.1:5432/postgres',
  apiUrl: 'http://10.0.0.1:8008/patroni',
  state: 'running',
  role: 'primary',
  version: null,
  xlogLocation: lsn(100),
  receiveLsn: null,
  replayLsn: null,
  replicationState: null,
  timeline: 1,
  tags: {},
  checkpointAfterPromote: true,
  pendingRestart: false,
  pendingRestartReason: null,
  scheduledRestart: null,
  pause: false,
  vigil: { version: '0.1.0', install: 'i1', seat: 's1', machine: 'm1' },
}

const create: TermChange = {
  expectedRevision: null,
  record,
  leader: { is: 'absent' },
  leaderWrite: { kind: 'put', name: 'amber', lease: '1' },
  compare: [{ key: keys.initialize, absent: true }],
  writes: [{ put: keys.initialize, value: '' }],
}

async function created() {
  const kv = createMemoryStore(still).open()
  await kv.grantLease(10_000, never)
  assert.equal((await kv.transact(termTransaction(keys, create), never)).kind, 'applied')
  return kv
}

test("paths are Patroni's, whatever slashes the namespace is written with", () => {
  assert.equal(clusterKeys('service', 'batman').leader, '/service/batman/leader')
  assert.equal(clusterKeys('/db//ha/', 'batman').prefix, '/db/ha/batman/')
  assert.equal(keys.term, '/service/main/vigil/term')
  assert.equal(keys.member('amber'), '/service/main/members/amber')
})

test('a created cluster reads back, with the revision of every key', async () => {
  const kv = await created()
  await kv.transact(plainTransaction([memberWrite(keys, member, '1')]), never)
  const state = await readCluster(kv, keys, never)
  assert.deepEqual(state.term, { value: record, modRevision: 2n })
  assert.deepEqual(state.leader, { value: 'amber', modRevision: 2n })
  assert.deepEqual(state.initialize, { value: '', modRevision: 2n })
  assert.deepEqual(state.members, [{ value: { ...member, version: '4.1.4' }, modRevision: 3n }])
  assert.equal(state.revision, 3n)
  assert.deepEqual(state.damaged, [])
})

test('a second creation changes nothing and shows who was first', async () => {
  const kv = await created()
  const second = { ...record, holder: { ...record.holder, name: 'birch', install: 'i2' }, nonce: 'n2' }
  const result = await kv.transact(termTransaction(keys, { ...create, record: second }), never)
  assert.ok(result.kind === 'conflict')
  const conflict = decodeConflict(keys, result)
  assert.equal(conflict.term?.value.nonce, 'n1')
  assert.equal(conflict.leader?.value, 'amber')
  assert.equal((await readCluster(kv, keys, never)).term?.value.holder.name, 'amber')
})

test('a change decided on an older revision never applies, even when the record looks the same', async () => {
  const kv = await created()
  const renew: TermChange = { expectedRevision: 2n, record, leader: { is: 'named', name: 'amber' } }
  assert.equal((await kv.transact(termTransaction(keys, renew), never)).kind, 'applied')
  assert.equal((await kv.transact(termTransaction(keys, renew), never)).kind, 'conflict')
  assert.equal((await readCluster(kv, keys, never)).term?.modRevision, 3n)
})

test('a renewal fails when the leader key names somebody else or is missing, a heal puts it back', async () => {
  const kv = await created()
  await kv.transact(plainTransaction([{ delete: keys.leader }]), never)
  const renew: TermChange = { expectedRevision: 2n, record, leader: { is: 'named', name: 'amber' } }
  const result = await kv.transact(termTransaction(keys, renew), never)
  assert.ok(result.kind === 'conflict')
  assert.equal(decodeConflict(keys, result).term?.modRevision, 2n)
  assert.equal(decodeConflict(keys, result).leader, null)
  const heal: TermChange = {
    ...renew,
    leader: { is: 'absent' },
    leaderWrite: { kind: 'put', name: 'amber', lease: '1' },
  }
  assert.equal((await kv.transact(termTransaction(keys, heal), never)).kind, 'applied')
})

test('taking over needs the old holder untouched; releasing deletes the leader key with the record', async () => {
  const kv = await created()
  const take: TermChange = {
    expectedRevision: 2n,
    record: { ...record, term: 2, holder: { ...record.holder, name: 'birch', install: 'i2' } },
    leader: { is: 'unchanged', modRevision: 2n },
    leaderWrite: { kind: 'put', name: 'birch', lease: '1' },
  }
  const stale: TermChange = { ...take, leader: { is: 'unchanged', modRevision: 1n } }
  assert.equal((await kv.transact(termTransaction(keys, stale), never)).kind, 'conflict')
  assert.equal((await kv.transact(termTransaction(keys, take), never)).kind, 'applied')
  const release: TermChange = {
    expectedRevision: 3n,
    record: { ...take.record, state: 'released' },
    leader: { is: 'named', name: 'birch' },
    leaderWrite: { kind: 'delete' },
  }
  assert.equal((await kv.transact(termTransaction(keys, release), never)).kind, 'applied')
  const state = await readCluster(kv, keys, never)
  assert.equal(state.leader, null)
  assert.equal(state.term?.value.state, 'released')
})

test('every term transaction compares the record and reads back record, leader and sync', () => {
  for (const expectedRevision of [null, 5n]) {
    const transaction = termTransaction(keys, { ...create, expectedRevision })
    const about = transaction.compare.filter(compare => compare.key === keys.term)
    assert.deepEqual(about, [
      expectedRevision === null ? { key: keys.term, absent: true } : { key: keys.term, modRevision: 5n },
    ])
    assert.deepEqual(transaction.readOnFailure, [keys.term, keys.leader, keys.sync])
  }
})

test('a term transaction without a real revision, or with a second write of its keys, is a bug', () => {
  assert.throws(() => termTransaction(keys, { ...create, expectedRevision: 0n }))
  const writes = [{ put: keys.term, value: encodeTerm(record) }]
  assert.throws(() => termTransaction(keys, { ...create, writes }))
  assert.throws(() => termTransaction(keys, { ...create, writes: [{ delete: keys.leader }] }))
})

test('further keys change together with the record or not at all', async () => {
  const kv = await created()
  const status = statusWrite(keys, { optime: lsn(5), slots: {}, retainSlots: [] })
  const renew: TermChange = {
    expectedRevision: 1n,
    record,
    leader: { is: 'named', name: 'amber' },
    writes: [status],
  }
  await kv.transact(termTransaction(keys, renew), never)
  assert.equal((await readCluster(kv, keys, never)).status, null)
  await kv.transact(termTransaction(keys, { ...renew, expectedRevision: 2n }), never)
  assert.equal((await readCluster(kv, keys, never)).status?.value, '{"optime":5}')
})

test('a failover request is taken back only while it is the one that was read', async () => {
  const kv = await created()
  await kv.transact(
    plainTransaction([failoverWrite(keys, { leader: 'amber', member: 'birch', scheduledAt: null })]),
    never,
  )
  const seen = (await readCluster(kv, keys, never)).failover
  await kv.transact(
    plainTransaction([failoverWrite(keys, { leader: 'amber', member: 'cedar', scheduledAt: null })]),
    never,
  )
  const clear = plainTransaction([failoverWrite(keys, null)], [unchanged(keys.failover, seen)])
  assert.equal((await kv.transact(clear, never)).kind, 'conflict')
  const newer = (await readCluster(kv, keys, never)).failover
  assert.equal(newer?.value.member, 'cedar')
  const again = plainTransaction([failoverWrite(keys, null)], [unchanged(keys.failover, newer)])
  assert.equal((await kv.transact(again, never)).kind, 'applied')
  assert.equal((await readCluster(kv, keys, never)).failover, null)
})

test('damaged keys are listed and the others are still read', () => {
  const bad = ['x'.repeat(1 << 20), '['.repeat(100_000), '{"__proto__":1}', '[1,{}]', 'line\nbreak']
  const named = [keys.term, keys.config, keys.member('birch'), keys.history, keys.leader]
  const entries: KeyValueEntry[] = named.map((key, index) => entry(key, bad[index]!))
  const state = decodeCluster(keys, {
    entries: [
      ...entries,
      entry(keys.initialize, '7300000000000000001'),
      entry(keys.sync, 'y'.repeat(1 << 20)),
    ],
    revision: 9n,
    clusterId: '1',
  })
  assert.deepEqual(state.damaged.map(damage => damage.key).sort(), [...named, keys.sync].sort())
  assert.equal(state.initialize?.value, '7300000000000000001')
  assert.deepEqual(
    [state.term, state.config, state.history, state.leader, state.sync],
    [null, null, null, null, null],
  )
  assert.deepEqual(state.members, [])
})

test('keys of neighbours and deeper keys are nobody of this cluster', () => {
  const state = decodeCluster(keys, {
    entries: [
      entry('/service/main2/leader', 'x'),
      entry('/service/main/members/a/b', '{}'),
      entry('/service/main/members/', '{}'),
      entry('/service/main/0/leader', 'x'),
      entry('/service/main/optime/leader', '12'),
    ],
    revision: 9n,
    clusterId: '1',
  })
  assert.equal(state.leader, null)
  assert.deepEqual([...state.members, ...state.damaged], [])
})

function entry(key: string, value: string): KeyValueEntry {
  return { key, value, modRevision: 3n, lease: null }
}
