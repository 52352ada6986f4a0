// What is written to the store reads back the same, and what anybody else may have written never throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MemberRecord } from '../../src/core/cluster.ts'
import { CHAIN_KEPT, RECORD_BYTES_MAX, TERM_STATES, type TermRecord } from '../../src/core/term.ts'
import { type Lsn, lsn, parseLsn } from '../../src/kernel/lsn.ts'
import * as codec from '../../src/stores/codec.ts'
import { JSON_DEPTH_MAX } from '../../src/stores/json.ts'

const HIGHEST_LSN = lsn(0xffffffffffffffffn)

const amber: TermRecord = {
  v: 1,
  cluster: '14841639068965178418',
  term: 7,
  state: 'serving',
  holder: { name: 'amber', install: 'a1b2c3d4e5f60718', seat: 'seat-amber', machine: 'machine-1' },
  ttl: 10_000,
  nonce: '00112233445566ff',
  at: { timeline: 3, lsn: parseLsn('0/3000060')! },
  members: ['a1b2c3d4e5f60718', 'b1b2c3d4e5f60718'],
  rules: null,
  rulesVersion: 0,
  chain: [{ term: 6, timeline: 3, parent: 1, fork: parseLsn('0/2FFFF38')! }],
  timelineMax: 3,
  successor: null,
  final: null,
  mixed: false,
}

const birch: MemberRecord = {
  name: 'birch',
  connUrl: 'postgres://10.0.0.2:5432/postgres',
  apiUrl: 'http://10.0.0.2:8008/patroni',
  state: 'running',
  role: 'replica',
  version: codec.PUBLISHED_VERSION,
  xlogLocation: lsn(50331744),
  receiveLsn: lsn(50331744),
  replayLsn: lsn(50331700),
  replicationState: 'streaming',
  timeline: 3,
  tags: { nofailover: true, clonefrom: false },
  checkpointAfterPromote: true,
  pendingRestart: true,
  pendingRestartReason: { max_connections: { old_value: '100', new_value: '200' } },
  scheduledRestart: null,
  pause: false,
  vigil: { version: '0.1.0', install: 'b1b2c3d4e5f60718', seat: 'seat-birch', machine: 'machine-2' },
}

// fast-check's records have no prototype now and then, which deepEqual would count as a difference.
const fields = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true })
const identifier = fc.string({ minLength: 1, maxLength: 40 }).filter(text => /^[^\p{Cc}]+$/u.test(text))
const position = fc.bigInt(0n, HIGHEST_LSN).map(value => lsn(value))
const timeline = fc.integer({ min: 1, max: 0xffffffff })
const place = fields({ timeline, lsn: position })
const termRecord: fc.Arbitrary<TermRecord> = fields({
  v: fc.constant<1>(1),
  cluster: identifier,
  term: fc.integer({ min: 1, max: 1_000_000 }),
  state: fc.constantFrom(...TERM_STATES),
  holder: fields({ name: identifier, install: identifier, seat: identifier, machine: identifier }),
  ttl: fc.integer({ min: 1, max: 86_400_000 }),
  nonce: identifier,
  at: fc.option(place),
  members: fc.array(identifier, { maxLength: 5 }),
  rules: fc.option(
    fc.array(
      fields({
        term: fc.nat(),
        leader: identifier,
        seats: fc.array(identifier, { maxLength: 3 }),
        k: fc.nat(3),
        seen: fc.constant({ 'seat-1': '0/3000060' }),
      }),
      { maxLength: 2 },
    ),
  ),
  rulesVersion: fc.nat(),
  chain: fc.array(fields({ term: fc.nat(), timeline, parent: timeline, fork: position }), { maxLength: 8 }),
  timelineMax: timeline,
  successor: fc.option(identifier),
  final: fc.option(place),
  mixed: fc.boolean(),
})

test('a term record reads back exactly as it was written', () => {
  fc.assert(
    fc.property(termRecord, record => {
      assert.deepEqual(codec.decodeTerm(codec.encodeTerm(record)), { ok: true, value: record })
    }),
  )
})

test('positions are written the way PostgreSQL writes them and keep all 64 bits', () => {
  const text = codec.encodeTerm({ ...amber, final: { timeline: 4, lsn: HIGHEST_LSN } })
  assert.match(text, /"at":\{"timeline":3,"lsn":"0\/3000060"\}/)
  assert.match(text, /"final":\{"timeline":4,"lsn":"FFFFFFFF\/FFFFFFFF"\}/)
})

test('a full record of a large cluster fits, and an overlong chain loses its oldest promotions only', () => {
  const chain = Array.from({ length: CHAIN_KEPT }, (_, index) => ({
    term: 1000 + index,
    timeline: 2000 + index,
    parent: 1999 + index,
    fork: HIGHEST_LSN,
  }))
  const members = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(16, '0'))
  const full = codec.decodeTerm(codec.encodeTerm({ ...amber, chain, members }))
  assert.deepEqual(full.ok && full.value.chain, chain)

  const crowded = {
    ...amber,
    chain,
    members: Array.from({ length: 160 }, (_, index) => `${index}`.padStart(16, '0')),
  }
  const text = codec.encodeTerm(crowded)
  assert.ok(Buffer.byteLength(text) <= RECORD_BYTES_MAX)
  const read = codec.decodeTerm(text)
  assert.ok(read.ok && read.value.chain.length < CHAIN_KEPT)
  assert.deepEqual(read.value.chain, chain.slice(-read.value.chain.length))
})

test('a term record of a newer format is named as such and not half understood', () => {
  const read = codec.decodeTerm(codec.encodeTerm(amber).replace('"v":1', '"v":2'))
  assert.equal(read.ok, false)
  assert.match(read.ok ? '' : read.reason, /format 2 is newer/)
})

test('a term record with any field missing or of another type is not understood', () => {
  const good = JSON.parse(codec.encodeTerm(amber)) as Record<string, unknown>
  for (const field of Object.keys(good)) {
    const { [field]: _, ...without } = good
    assert.equal(codec.decodeTerm(JSON.stringify(without)).ok, false, `without ${field}`)
    for (const wrong of [{ a: 1 }, -1, 1.5, '', 'x\u0007']) {
      const read = codec.decodeTerm(JSON.stringify({ ...good, [field]: wrong }))
      assert.equal(read.ok, false, `${field} = ${JSON.stringify(wrong)}`)
    }
  }
})

test('a member reads back exactly as it was written', () => {
  assert.deepEqual(codec.decodeMember('birch', codec.encodeMember(birch)), { ok: true, value: birch })
  const bare: MemberRecord = {
    ...birch,
    connUrl: null,
    xlogLocation: null,
    tags: {},
    checkpointAfterPromote: false,
    pendingRestart: false,
    pendingRestartReason: null,
    vigil: null,
  }
  assert.deepEqual(codec.decodeMember('birch', codec.encodeMember(bare)), { ok: true, value: bare })
})

test("a member is published in Patroni's compact form with a Patroni version", () => {
  assert.equal(
    codec.encodeMember({ ...birch, version: '0.0.1', pendingRestart: false, pendingRestartReason: null }),
    '{"conn_url":"postgres://10.0.0.2:5432/postgres","api_url":"http://10.0.0.2:8008/patroni","state":"running",' +
      '"role":"replica","version":"4.1.4","xlog_location":50331744,"receive_lsn":50331744,"replay_lsn":50331700,' +
      '"replication_state":"streaming","timeline":3,"tags":{"nofailover":true,"clonefrom":false},' +
      '"vigil":{"version":"0.1.0","install":"b1b2c3d4e5f60718","seat":"seat-birch","machine":"machine-2"}}',
  )
})

test('a member of an old Patroni is understood', () => {
  const read = codec.decodeMember(
    'old',
    '{"conn_url":"postgres://a:5432/postgres","api_url":"http://a:8008/patroni","state":"running","role":"master","version":"3.0.2","checkpoint_after_promote":false,"xlog_location":67109096,"timeline":2,"proxy_url":"postgres://b:1/"}',
  )
  assert.ok(read.ok)
  assert.equal(read.value.role, 'primary')
  assert.equal(read.value.vigil, null)
  assert.equal(read.value.checkpointAfterPromote, false)
  assert.equal(read.value.xlogLocation, 67109096n as Lsn)
})

test('a field that is only shown does not hide its member, a field that decides does', () => {
  const member = JSON.parse(codec.encodeMember(birch)) as Record<string, unknown>
  assert.equal(codec.decodeMember('birch', JSON.stringify({ ...member, scheduled_restart: 3 })).ok, true)
  for (const field of ['state', 'role', 'timeline', 'xlog_location', 'tags', 'vigil', 'pause']) {
    assert.equal(codec.decodeMember('birch', JSON.stringify({ ...member, [field]: [1] })).ok, false, field)
  }
  // Digits beyond 2^53 are already lost when JSON is read: refused rather than rounded.
  const huge = codec.encodeMember({ ...birch, xlogLocation: HIGHEST_LSN })
  assert.match(huge, /"xlog_location":18446744073709551615,/)
  assert.equal(codec.decodeMember('birch', huge).ok, false)
})

test('status, history, failover and configuration read back as they were written', () => {
  const status = { optime: lsn(67109096), slots: { birch: lsn(67109000) }, retainSlots: ['cedar'] }
  assert.deepEqual(codec.decodeStatus(codec.encodeStatus(status)), { ok: true, value: status })
  assert.equal(codec.encodeStatus({ optime: null, slots: {}, retainSlots: [] }), '{}')

  const history = [
    [1, 100, 'no recovery target specified'],
    [2, 200, 'no recovery target specified', '2026-01-01T00:00:00+00:00'],
    [3, 300, 'no recovery target specified', '2026-01-02T00:00:00+00:00', 'birch'],
  ] as const
  assert.deepEqual(codec.decodeHistory(codec.encodeHistory(history)), { ok: true, value: history })

  const request = { leader: 'amber', member: null, scheduledAt: '2026-01-01T00:00:00+00:00' }
  assert.deepEqual(codec.decodeFailover(codec.encodeFailover(request)), { ok: true, value: request })

  const config = { ttl: 10, postgresql: { parameters: { max_connections: 100 } } }
  assert.deepEqual(codec.decodeConfig(codec.encodeConfig(config)), { ok: true, value: config })
})

test('an empty failover request asks for nothing, and the old text form is understood', () => {
  assert.equal(codec.encodeFailover(null), '{}')
  assert.deepEqual(codec.decodeFailover('{}'), { ok: true, value: null })
  assert.deepEqual(codec.decodeFailover(':'), { ok: true, value: null })
  assert.deepEqual(codec.decodeFailover('amber:birch'), {
    ok: true,
    value: { leader: 'amber', member: 'birch', scheduledAt: null },
  })
})

const hostile: readonly (readonly [string, string])[] = [
  ['a megabyte of text', 'x'.repeat(1 << 20)],
  ['a megabyte of valid JSON', JSON.stringify({ state: 'x'.repeat(1 << 20) })],
  ['a megabyte of brackets', '['.repeat(1 << 20)],
  ['deep objects', `${'{"a":'.repeat(JSON_DEPTH_MAX + 1)}1${'}'.repeat(JSON_DEPTH_MAX + 1)}`],
  ['a replaced prototype', '{"__proto__":{"nofailover":true},"state":"running","role":"replica"}'],
  ['a replaced prototype inside', '{"state":"running","role":"replica","tags":{"__proto__":{"x":1}}}'],
  ['an escaped prototype', '{"state":"running","role":"replica","tags":{"\\u005f_proto__":1}}'],
  ['null', 'null'],
  ['a number', '17'],
  ['text', '"postgres"'],
  ['half an object', '{"state":'],
  ['nothing', ''],
  ['a list of lists', '[[{}],[[]]]'],
]

for (const [what, text] of hostile) {
  test(`no record is made of ${what}`, () => {
    const decoders = [
      codec.decodeTerm,
      (value: string) => codec.decodeMember('birch', value),
      codec.decodeStatus,
      codec.decodeHistory,
      codec.decodeFailover,
      codec.decodeConfig,
    ]
    // Some of these are legal for some records; what must not come back is anything with a poisoned prototype.
    for (const decode of decoders) {
      const read = decode(text)
      if (read.ok) assert.equal(JSON.stringify(read.value).includes('proto'), false)
      else assert.ok(read.reason.length < 300, 'the reason does not repeat the value')
    }
    assert.equal(codec.decodeTerm(text).ok, false)
    assert.equal(codec.decodeMember('birch', text).ok, false)
    assert.equal((Object.prototype as Record<string, unknown>)['nofailover'], undefined)
  })
}

test('what is right in form is refused when it is too long or too deep, and read up to there', () => {
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}"]}[{"${'}'.repeat(levels)}`
  assert.equal(codec.decodeConfig(deep(JSON_DEPTH_MAX)).ok, true)
  assert.equal(codec.decodeConfig(deep(JSON_DEPTH_MAX + 1)).ok, false)

  const long = (length: number) => JSON.stringify({ note: '['.repeat(length) })
  assert.equal(codec.decodeConfig(long(400_000)).ok, true)
  assert.equal(codec.decodeConfig(long(1 << 20)).ok, false)
  const member = (length: number) => codec.encodeMember({ ...birch, tags: { note: 'x'.repeat(length) } })
  assert.equal(codec.decodeMember('birch', member(30_000)).ok, true)
  assert.equal(codec.decodeMember('birch', member(100_000)).ok, false)
  const crowd = Array.from({ length: 2_000 }, (_, index) => `install-${index}`)
  const record = JSON.parse(codec.encodeTerm(amber)) as Record<string, unknown>
  assert.equal(codec.decodeTerm(JSON.stringify({ ...record, members: crowd.slice(0, 100) })).ok, true)
  assert.equal(codec.decodeTerm(JSON.stringify({ ...record, members: crowd })).ok, false)
})

test('whatever text is in the store, reading it never throws', () => {
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc.json().map(text => text.replace(/"[^"]*"/, '"state"')),
  )
  fc.assert(
    fc.property(anything, fc.string(), (text, name) => {
      codec.decodeTerm(text)
      codec.decodeMember(name, text)
      codec.decodeStatus(text)
      codec.decodeHistory(text)
      codec.decodeFailover(text)
      codec.decodeConfig(text)
      codec.decodeName(text)
      codec.decodeInitialize(text)
      codec.decodeText(text)
    }),
    { numRuns: 500 },
  )
})
