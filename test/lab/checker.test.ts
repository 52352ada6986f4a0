// The checker catches every planted bad history, and lets the good ones pass.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, parseHistory, rowName, type Survivor, violations, type Window } from './checker.ts'
import { type Acknowledged, type Entry, FIRST_PINNED_CLIENT } from './record.ts'

const SECOND = 1e9
const A = '10.0.0.1:5432'
const B = '10.0.0.2:5432'

/** An acknowledgement at `at` seconds; its WAL position is 0x100 for each second on that timeline. */
function acknowledged(client: number, sequence: number, at: number, server = A, timeline = 1): Acknowledged {
  const insertedAt = `0/${(0x1000 + Math.round(at * 0x100)).toString(16).toUpperCase()}`
  return {
    kind: 'acknowledged',
    client,
    sequence,
    sentNs: at * SECOND - 1e6,
    atNs: at * SECOND,
    server,
    timeline,
    insertedAt,
  }
}

function failed(kind: 'refused' | 'unknown' | 'broken', client: number, sequence: number, at: number): Entry {
  return { kind, client, sequence, atNs: at * SECOND, server: A, reason: 'planted' }
}

/** Everything that was acknowledged is there, unless named in `missing`. */
function survivor(
  record: readonly Entry[],
  missing: readonly string[] = [],
  changes: Partial<Survivor> = {},
): Survivor {
  const rows = record.filter(entry => entry.kind === 'acknowledged').map(rowName)
  const history = parseHistory('1\t0/2000\tno recovery target specified\n')
  return {
    server: B,
    timeline: 2,
    rows: new Set(rows.filter(row => !missing.includes(row))),
    history,
    ...changes,
  }
}

const WINDOW: Window = { fromNs: 0, faultNs: 10 * SECOND, untilNs: 30 * SECOND }

/** A writes each second until 10, B from 14 on. */
const FAILOVER: readonly Entry[] = [
  ...Array.from({ length: 10 }, (_, index) => acknowledged(0, index, index + 1)),
  failed('unknown', 0, 10, 11),
  ...Array.from({ length: 16 }, (_, index) => acknowledged(0, 11 + index, 14 + index, B, 2)),
]

test('a clean failover has no violation, and its stall is the gap around the fault', () => {
  const verdict = judge(FAILOVER, survivor(FAILOVER), WINDOW)
  assert.deepEqual(violations(verdict), [])
  assert.equal(verdict.acknowledged, 26)
  assert.equal(verdict.stallSeconds, 4)
  assert.equal(verdict.errors, 1)
  assert.equal(verdict.unknown, 1)
  assert.deepEqual(verdict.lost, [])
})

test('a row beyond the fork is counted as lost, and is no violation in asynchronous mode', () => {
  // The fork lies at 0/1900, which A passed after its ninth second.
  const left = survivor(FAILOVER, ['0:9'], { history: parseHistory('1\t0/1900\tx') })
  const verdict = judge(FAILOVER, left, WINDOW)
  assert.deepEqual(verdict.lost, ['0:9'])
  assert.deepEqual(violations(verdict), [])
})

test('a lost row whose commit lies before the fork is a violation', () => {
  const left = survivor(FAILOVER, ['0:3'], { history: parseHistory('1\t0/1900\tx') })
  const verdict = judge(FAILOVER, left, WINDOW)
  assert.deepEqual(verdict.lostAfterReplication, ['0:3'])
  assert.match(violations(verdict)[0]!, /0:3/)
})

test('a row lost on the timeline that goes on is a violation', () => {
  const verdict = judge(FAILOVER, survivor(FAILOVER, ['0:20']), WINDOW)
  assert.deepEqual(verdict.lostAfterReplication, ['0:20'])
})

test('a row lost on a timeline that the survivor does not descend from is only lost', () => {
  const record = [...FAILOVER, acknowledged(1, 0, 12, A, 3)].toSorted((a, b) => a.atNs - b.atNs)
  const verdict = judge(record, survivor(record, ['1:0']), WINDOW)
  assert.deepEqual(verdict.lost, ['1:0'])
  assert.deepEqual(verdict.lostAfterReplication, [])
})

test('one acknowledgement of the old primary after the first of the new one is found', () => {
  const record = [...FAILOVER, acknowledged(FIRST_PINNED_CLIENT, 0, 14.5)]
  const late = judge(record, survivor(record), WINDOW)
  // A pinned session whose only acknowledgement comes late still belongs to the reign that began before.
  assert.equal(late.lateAcknowledgements.length, 1)
  assert.match(
    late.lateAcknowledgements[0]!,
    /1000:0 by 10\.0\.0\.1:5432 on timeline 1, 0\.500 s after 10\.0\.0\.2/,
  )
})

test('the same server on a new timeline is a new reign, and its old one must be over', () => {
  const record = [acknowledged(0, 0, 1), acknowledged(0, 1, 2, A, 2), acknowledged(1, 0, 3, A, 1)]
  assert.equal(judge(record, survivor(record), WINDOW).lateAcknowledgements.length, 1)
  assert.deepEqual(judge(record.slice(0, 2), survivor(record), WINDOW).lateAcknowledgements, [])
})

test('a server that begins on an older timeline is late with its very first acknowledgement', () => {
  const record = [acknowledged(0, 0, 1, B, 2), acknowledged(1, 0, 2, A, 1)]
  assert.equal(judge(record, survivor(record), WINDOW).lateAcknowledgements.length, 1)
})

test('two servers that acknowledge in turn on one timeline are found', () => {
  const record = [acknowledged(0, 0, 1, A, 1), acknowledged(1, 0, 2, B, 1), acknowledged(0, 1, 3, A, 1)]
  assert.equal(judge(record, survivor(record), WINDOW).lateAcknowledgements.length, 1)
})

test('a row that was refused and is in the table is found', () => {
  const record = [...FAILOVER, failed('refused', 3, 7, 12)]
  const verdict = judge(
    record,
    survivor(record, [], { rows: new Set([...survivor(record).rows, '3:7']) }),
    WINDOW,
  )
  assert.deepEqual(verdict.phantoms, ['3:7'])
})

test('an unknown row may be there or not', () => {
  const rows = new Set([...survivor(FAILOVER).rows, '0:10'])
  assert.deepEqual(violations(judge(FAILOVER, survivor(FAILOVER, [], { rows }), WINDOW)), [])
})

test('a stall that has not ended lasts until the window does', () => {
  const record = FAILOVER.filter(entry => entry.atNs <= 10 * SECOND)
  assert.equal(judge(record, survivor(record), WINDOW).stallSeconds, 20)
})

test('a stall before the fault is not the fault’s', () => {
  const record = [
    acknowledged(0, 0, 1),
    acknowledged(0, 1, 9),
    ...Array.from({ length: 21 }, (_, index) => acknowledged(0, 2 + index, 10 + index)),
  ]
  assert.equal(judge(record, survivor(record), WINDOW).stallSeconds, 1)
})

test('a pinned session that goes on writing does not hide the stall of the others', () => {
  const pinned = Array.from({ length: 20 }, (_, index) =>
    acknowledged(FIRST_PINNED_CLIENT, index, 10 + index * 0.1),
  )
  const record = [...FAILOVER, ...pinned].toSorted((a, b) => a.atNs - b.atNs)
  assert.equal(judge(record, survivor(record), WINDOW).stallSeconds, 4)
})

test('what happened before the window is not counted in it', () => {
  const verdict = judge(
    FAILOVER,
    survivor(FAILOVER, ['0:0', '0:9'], { history: parseHistory('1\t0/1900\tx') }),
    {
      ...WINDOW,
      fromNs: 5.5 * SECOND,
    },
  )
  assert.equal(verdict.acknowledged, 21)
  assert.deepEqual(verdict.lost, ['0:9'])
})

test('a history file is read as PostgreSQL writes it, comments and all', () => {
  const text = '1\t0/3000060\tno recovery target specified\n\n# a remark\n2\t0/50000A0\tx\n'
  assert.deepEqual(parseHistory(text), [
    { timeline: 1, end: 0x3000060n },
    { timeline: 2, end: 0x50000a0n },
  ])
})
