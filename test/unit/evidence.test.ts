// What is kept of a copy that went its own way: which WAL, which transactions, how much of it.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Evidence, evidenceDocument, readEvidence } from '../../src/core/evidence.ts'
import { divergenceOf } from '../../src/engines/postgres/evidence/divergence.ts'
import { openLimitedFile } from '../../src/engines/postgres/evidence/limited-file.ts'
import { readTransactions, transactionLines } from '../../src/engines/postgres/evidence/lost-transactions.ts'
import { evidenceIn, makeRoom, placeFor } from '../../src/engines/postgres/evidence/shelf.ts'
import { copyNewestFirst, segmentsOf } from '../../src/engines/postgres/evidence/wal-files.ts'
import { lsn } from '../../src/kernel/lsn.ts'

const line = (timeline: number, end: number) => ({ timeline, end: lsn(end) })

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'vigil-evidence-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('two histories part where the shorter one of the last common timeline ends', () => {
  const own = { timeline: 1, history: [] }
  const accepted = { timeline: 2, history: [line(1, 100)] }
  assert.deepEqual(divergenceOf(own, accepted, false), {
    timeline: 1,
    fork: lsn(100),
    ranges: [{ timeline: 1, from: lsn(100), to: null }],
  })
})

test('every timeline behind the fork is kept, each from where the one before it ended', () => {
  const own = { timeline: 7, history: [line(1, 100), line(3, 250), line(5, 300)] }
  const accepted = { timeline: 6, history: [line(1, 100), line(3, 200)] }
  assert.deepEqual(divergenceOf(own, accepted, false), {
    timeline: 3,
    fork: lsn(200),
    ranges: [
      { timeline: 3, from: lsn(200), to: lsn(250) },
      { timeline: 5, from: lsn(250), to: lsn(300) },
      { timeline: 7, from: lsn(300), to: null },
    ],
  })
})

test('a promotion before the point where the other one happened takes nothing from the common timeline', () => {
  const own = { timeline: 4, history: [line(1, 100)] }
  const accepted = { timeline: 6, history: [line(1, 150)] }
  assert.deepEqual(divergenceOf(own, accepted, false)?.ranges, [{ timeline: 4, from: lsn(100), to: null }])
})

test('equal histories hold nothing of their own, unless the number was given twice', () => {
  const both = { timeline: 4, history: [line(1, 100)] }
  assert.equal(divergenceOf(both, both, false), null)
  assert.deepEqual(divergenceOf(both, both, true), {
    timeline: 4,
    fork: lsn(100),
    ranges: [{ timeline: 4, from: lsn(100), to: null }],
  })
})

const record = (manager: string, id: number, at: string, description: string) =>
  `rmgr: ${manager.padEnd(11)} len (rec/tot):     54/   150, tx: ${String(id).padStart(10)}, lsn: ${at}, prev 0/01952A00, desc: ${description}`

/** As versions 13 to 18 print them. */
const WAL = [
  record('Heap', 740, '0/00000050', 'INSERT off 1 flags 0x08, blkref #0: rel 1663/5/16384 blk 0'),
  record('Transaction', 740, '0/00000060', 'COMMIT 2030-05-01 10:00:00.000000 UTC'),
  record('Heap', 741, '0/00000070', 'INSERT off 2 flags 0x08, blkref #0: rel 1663/5/16384 blk 3'),
  record('Heap', 742, '0/00000110', 'INSERT+INIT off: 1, flags: 0x08, blkref #0: rel 1663/5/16385 blk 9'),
  record(
    'Heap',
    743,
    '0/00000120',
    'HOT_UPDATE old_xmax: 743, new_off: 2, blkref #0: rel 1663/5/16384 blk 4',
  ),
  record(
    'Heap',
    744,
    '0/00000130',
    'DELETE xmax: 744, off: 2, flags: 0x00, blkref #0: rel 1663/5/16384 blk 5',
  ),
  record('LogicalMessage', 745, '0/00000140', 'transactional, prefix "vigil"; payload (0 bytes): '),
  record('Transaction', 745, '0/00000150', 'COMMIT 2030-05-01 10:00:01.000000 UTC'),
  record('Transaction', 744, '0/00000160', 'ABORT 2030-05-01 10:00:01.000000 UTC'),
  record('Transaction', 741, '0/00000170', 'COMMIT 2030-05-01 10:00:02.000000 UTC; subxacts: 743'),
  record('Transaction', 742, '0/00000180', 'PREPARE gid vigil: 2030-05-01 10:00:02.000000 UTC'),
  record('Transaction', 0, '0/00000190', 'COMMIT_PREPARED 742: 2030-05-01 10:00:03.000000 UTC'),
  record('XLOG', 0, '0/000001A0', 'CHECKPOINT_SHUTDOWN redo 0/1A0; tli 1'),
  'not a record',
]

test('transactions that committed behind the fork are found, with what they wrote before it', () => {
  const read = readTransactions()
  const behind = WAL.filter(text => read.add(text, lsn(0x100)))
  assert.equal(behind.length, 10)
  const lost = read.result()
  assert.equal(lost.commits, 2)
  assert.deepEqual(
    lost.list.map(({ id }) => id),
    ['741', '742'],
  )
  assert.deepEqual([...lost.ids].sort(), ['741', '742', '743'])
  assert.deepEqual([...(lost.blocks.get('1663/5/16384') ?? [])].sort(), [3, 4])
  assert.deepEqual([...(lost.blocks.get('1663/5/16385') ?? [])], [9])
  assert.equal(lost.last, lsn(0x1a0))
  const lines = transactionLines(lost, new Map([['1663/5/16384', 'app: orders']])).filter(
    text => !text.startsWith('#'),
  )
  assert.deepEqual(lines, [
    '741  2030-05-01 10:00:02.000000  0/00000170  INSERT app: orders x1, UPDATE app: orders x1',
    '742  2030-05-01 10:00:03.000000  0/00000190  INSERT 1663/5/16385 x1',
  ])
})

test("vigil's own messages are nobody's commits", () => {
  const read = readTransactions()
  for (const text of WAL.slice(6, 8)) read.add(text, lsn(0x100))
  assert.equal(read.result().commits, 0)
})

const SEGMENT = 16 * 1024
/** With the header that says where in the WAL it was written. */
function segment(directory: string, timeline: number, number: number, writtenAs = number): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')
  const name = `${hex(timeline)}${hex(0)}${hex(number)}`
  const content = Buffer.alloc(SEGMENT)
  content.writeBigUInt64LE(BigInt(writtenAs * SEGMENT), 8)
  writeFileSync(join(directory, name), content)
  return name
}

test('of pg_wal only files that hold WAL behind the fork are taken, not those kept for later use', async t => {
  const directory = scratch(t)
  segment(directory, 1, 1)
  const wanted = [segment(directory, 1, 2), segment(directory, 1, 3)]
  segment(directory, 1, 4, 0)
  segment(directory, 2, 3)
  const ranges = [{ timeline: 1, from: lsn(2 * SEGMENT + 100), to: null }]
  const found = await segmentsOf(directory, ranges, SEGMENT)
  assert.deepEqual(
    found.map(({ name }) => name),
    wanted,
  )
})

test('when there is no room for all WAL, the newest is kept whole', async t => {
  const from = scratch(t)
  const to = scratch(t)
  const names = [1, 2, 3].map(number => segment(from, 1, number))
  const all = await segmentsOf(from, [{ timeline: 1, from: lsn(0), to: null }], SEGMENT)
  const { signal } = new AbortController()
  const copied = await copyNewestFirst(from, to, all, { bytes: 2 * SEGMENT + 10, signal })
  assert.deepEqual(copied.names, names.slice(1))
  assert.equal(copied.bytes, 2 * SEGMENT)
  assert.match(copied.stopped ?? '', /room/)
  assert.deepEqual(readdirSync(to).sort(), names.slice(1))
})

test('a file that cannot be read leaves no part of it behind', async t => {
  const from = scratch(t)
  const to = scratch(t)
  const name = segment(from, 1, 1)
  const missing = { name: 'missing', timeline: 1, start: lsn(0), bytes: 1 }
  const there = { ...missing, name, bytes: SEGMENT }
  const { signal } = new AbortController()
  const copied = await copyNewestFirst(from, to, [missing, there], { bytes: 10 * SEGMENT, signal })
  assert.deepEqual(copied.names, [name])
  assert.notEqual(copied.stopped, null)
  assert.deepEqual(readdirSync(to), [name])
})

test('a list ends at its limit and says so', async t => {
  const path = join(scratch(t), 'list')
  const file = await openLimitedFile(path, 10)
  assert.deepEqual(
    [await file.add('12345'), await file.add('67890'), await file.add('1')],
    [true, false, false],
  )
  await file.close()
  assert.equal(readFileSync(path, 'utf8'), '12345\n')
  assert.equal(file.refused(), 2)
  assert.notEqual(file.stopped(), null)
})

const KEPT: Evidence = {
  path: '/somewhere',
  keptAt: '2030-04-30T08:01:02.000Z',
  member: 'birch',
  seat: null,
  term: 12,
  timeline: 1,
  fork: lsn(0x30000a0),
  ownTimeline: 1,
  acceptedTimeline: 2,
  lastRecord: null,
  commits: 1,
  rows: 2,
  bytes: 100,
  leftOut: ['rows: why'],
  files: ['transactions.txt'],
}

test('a manifest says again what was written, and anything else is no manifest', () => {
  assert.deepEqual(readEvidence(JSON.parse(JSON.stringify(evidenceDocument(KEPT)))), KEPT)
  const whole = evidenceDocument(KEPT)
  for (const wrong of [
    null,
    'text',
    {},
    { ...whole, fork: 'x' },
    { ...whole, rows: '2' },
    { ...whole, files: [1] },
  ])
    assert.equal(readEvidence(wrong), null)
})

function keep(place: string, name: string, bytes: number): void {
  mkdirSync(join(place, name))
  writeFileSync(join(place, name, 'manifest.json'), JSON.stringify(evidenceDocument({ ...KEPT, bytes })))
}

test('the oldest evidence goes for new one, and what is not evidence stays', async t => {
  const path = scratch(t)
  keep(path, '2030-1', 400)
  keep(path, '2030-2', 400)
  mkdirSync(join(path, '2029-mine'))
  await makeRoom({ path, roomBytes: 500 }, 1000)
  assert.deepEqual(readdirSync(path).sort(), ['2029-mine', '2030-2'])
  assert.deepEqual(
    (await evidenceIn(path)).map(kept => kept.path),
    [join(path, '2030-2')],
  )
})

test('the first place with room for all is taken; with room nowhere, each says why', async t => {
  const first = join(scratch(t), 'is-made')
  const second = scratch(t)
  const file = join(second, 'file')
  writeFileSync(file, '')
  assert.equal((await placeFor([file, first, second], 1024, 2 ** 30)).path, first)
  assert.equal(statSync(first).mode & 0o777, 0o700)
  await assert.rejects(placeFor([file, first], 2000, 1000), (error: Error) => {
    return error.message.includes(file) && error.message.includes(first)
  })
})

test('what an interrupted run left is taken away before the next one', async t => {
  const path = scratch(t)
  mkdirSync(join(path, 'unfinished-2030', 'wal'), { recursive: true })
  await placeFor([path], 0, 2 ** 30)
  assert.deepEqual(readdirSync(path), [])
})

test('less room than wanted is used when no place has more', async t => {
  const path = scratch(t)
  const limit = 3 * 1024 ** 2
  const place = await placeFor([path], 2 ** 40, limit)
  assert.equal(place.roomBytes, limit)
})
