// pg_controldata's output, the end of a shutdown checkpoint, history files, postmaster.pid.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseControlData } from '../../src/engines/postgres/control-file.ts'
import { historyName, parseHistory, timelineAt } from '../../src/engines/postgres/history.ts'
import { parsePostmasterFile } from '../../src/engines/postgres/postmaster-file.ts'
import { endOfOnlyCheckpoint, recordEnd } from '../../src/engines/postgres/shutdown-end.ts'
import { newestTimelineOf } from '../../src/engines/postgres/standby-position.ts'
import { formatLsn, type Lsn, lsn, parseLsn } from '../../src/kernel/lsn.ts'

const at = (text: string): Lsn => parseLsn(text)!

/** The labels as 13 to 17 print them; 18 adds one and pads the second half of an LSN. */
const OUTPUT = `pg_control version number:            1300
Catalog version number:               202209061
Database system identifier:           7710155771415541814
Database cluster state:               shut down in recovery
pg_control last modified:             Fri Nov 20 07:42:12 2026
Latest checkpoint location:           2/1500718
Latest checkpoint's REDO location:    2/1500718
Latest checkpoint's REDO WAL file:    000000030000000200000001
Latest checkpoint's TimeLineID:       3
Latest checkpoint's PrevTimeLineID:   3
Latest checkpoint's full_page_writes: on
Latest checkpoint's oldestCommitTsXid:0
Minimum recovery ending location:     2/1500790
Min recovery ending loc's timeline:   3
wal_level setting:                    replica
wal_log_hints setting:                on
max_connections setting:              120
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
WAL block size:                       8192
Bytes per WAL segment:                16777216
Data page checksum version:           1
Mock authentication nonce:            b9f6
`
const NEWER = OUTPUT.replace('2/1500718', '2/01500718').replace(
  'Mock',
  'Default char data signedness:         signed\nMock',
)

for (const [version, output] of [
  [13, OUTPUT],
  [15, OUTPUT],
  [18, NEWER],
] as const) {
  test(`the output of version ${version} is understood`, () => {
    const file = parseControlData(output, version)
    assert.equal(file.systemIdentifier, '7710155771415541814')
    assert.equal(file.state, 'shut down in recovery')
    assert.deepEqual(file.checkpoint, { timeline: 3, lsn: at('2/1500718') })
    assert.equal(file.dataChecksums, true)
    assert.equal(file.walLogHints, true)
    assert.equal(file.majorVersion, version)
    assert.equal(file.sharedMemory['max_connections'], 120)
    assert.equal(file.walSegmentBytes, 16 * 1024 * 1024)
  })
}

test('output without a field that matters is refused by its name', () => {
  assert.throws(
    () => parseControlData(OUTPUT.replace(/^Latest checkpoint location.*\n/m, ''), 15),
    /Latest checkpoint location/,
  )
  assert.throws(
    () => parseControlData(OUTPUT.replace('setting:              120', 'setting:  many'), 15),
    /max_connections/,
  )
  assert.throws(() => parseControlData('', 15))
})

test('a record ends aligned, behind the headers of the pages and segments that it crosses into', () => {
  const end = (start: string) => formatLsn(recordEnd(at(start), 114, 8192, 16 * 1024 * 1024))
  assert.equal(end('0/1500718'), '0/1500790')
  // 120 bytes fit exactly: a record that ends at a boundary adds nothing.
  assert.equal(end('0/1501F88'), '0/1502000')
  assert.equal(end('0/1501FD0'), '0/1502060')
  assert.equal(end('0/1FFFFD0'), '0/2000070')
})

test('only a shutdown checkpoint that nothing follows ends a clean stop', () => {
  const geometry = { walBlockBytes: 8192, walSegmentBytes: 16 * 1024 * 1024 }
  const record = (kind: string, start: string) =>
    `rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: ${start}, prev 0/015006E0, desc: ${kind} redo 0/1500718; tli 1`
  const start = at('0/1500718')
  const shutdown = record('CHECKPOINT_SHUTDOWN', '0/01500718')
  assert.equal(endOfOnlyCheckpoint(`${shutdown}\n`, start, geometry), at('0/1500790'))
  assert.equal(endOfOnlyCheckpoint(`${shutdown}\n${record('SWITCH', '0/01500790')}\n`, start, geometry), null)
  assert.equal(endOfOnlyCheckpoint(record('CHECKPOINT_ONLINE', '0/01500718'), start, geometry), null)
  assert.equal(endOfOnlyCheckpoint(shutdown, at('0/1500700'), geometry), null)
  assert.equal(endOfOnlyCheckpoint('', start, geometry), null)
})

test('history files are read in order, comments and damage left out', () => {
  const text =
    '# made by hand\n1\t0/3000000\tno recovery target specified\n\n2\t0/5000148\tbefore 2026\nrubbish\n'
  assert.deepEqual(parseHistory(text), [
    { timeline: 1, end: at('0/3000000') },
    { timeline: 2, end: at('0/5000148') },
  ])
  assert.deepEqual(parseHistory(''), [])
  assert.equal(historyName(26), '0000001A.history')
})

test('up to a fork the WAL belongs to the parent, behind it to the child', () => {
  const history = [
    { timeline: 1, end: lsn(100) },
    { timeline: 4, end: lsn(200) },
  ]
  assert.equal(timelineAt(history, 5, lsn(99)), 1)
  assert.equal(timelineAt(history, 5, lsn(100)), 1)
  assert.equal(timelineAt(history, 5, lsn(101)), 4)
  assert.equal(timelineAt(history, 5, lsn(201)), 5)
})

test('the newest file of the segment that holds the last byte names the timeline', () => {
  const segment = 16 * 1024 * 1024
  const files = [
    '000000010000000000000002',
    '000000020000000000000002',
    '000000030000000000000003',
    '00000002.history',
  ]
  assert.equal(newestTimelineOf(files, at('0/2000001'), segment), 2)
  // The last byte of that segment, not the first of the next.
  assert.equal(newestTimelineOf(files, at('0/3000000'), segment), 2)
  assert.equal(newestTimelineOf(files, at('0/3000001'), segment), 3)
  assert.equal(newestTimelineOf(files, at('1/3000001'), segment), null)
})

test('postmaster.pid names the process and where to reach it', () => {
  assert.deepEqual(parsePostmasterFile('77\n/data\n1\n5433\n/run/pg\n*\n  1 2\nready\n'), {
    pid: 77,
    host: '/run/pg',
    port: 5433,
  })
  assert.deepEqual(parsePostmasterFile('77\n/data\n1\n5433\n\n*\n'), {
    pid: 77,
    host: 'localhost',
    port: 5433,
  })
  for (const text of ['', '77\n/data\n', 'x\n/data\n1\n5433\n/run/pg\n', '-5\n/data\n1\n5433\n/run/pg\n'])
    assert.equal(parsePostmasterFile(text), null)
})
