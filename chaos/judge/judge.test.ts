// Each checker of a run finds what it is there for, and is silent about a run in which nothing happened.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Survivor } from '../../test/lab/checker.ts'
import type { Acknowledged, Entry } from '../../test/lab/record.ts'
import type { Count } from '../client/plan.ts'
import type { Transaction } from '../list-append/history.ts'
import { wrongCounts } from './counters.ts'
import { type Evidence, judgeRun } from './findings.ts'
import { ratesOf, stallsOf } from './stalls.ts'
import { wrongTimelines } from './timelines.ts'

const AMBER = '10.0.0.1:5432'
const BIRCH = '10.0.0.2:5432'

function row(sequence: number, change: Partial<Acknowledged> = {}): Acknowledged {
  return {
    kind: 'acknowledged',
    client: 0,
    sequence,
    sentNs: sequence * 1e9,
    atNs: sequence * 1e9 + 1e6,
    server: AMBER,
    timeline: 1,
    insertedAt: `0/${(0x1000 + sequence * 0x100).toString(16)}`,
    ...change,
  }
}

function survivor(...rows: readonly string[]): Survivor {
  return { server: AMBER, timeline: 1, rows: new Set(rows), history: [] }
}

function append(id: number, element: number, reign: string): Transaction {
  const operations = [{ kind: 'append', list: 1, element }] as const
  return { id, outcome: 'committed', operations, startedNs: id, endedNs: id + 0.5, reign }
}

function evidence(change: Partial<Evidence> & { readonly rows?: readonly Entry[] } = {}): Evidence {
  const { rows = [row(1)], ...rest } = change
  return {
    mode: 'quorum',
    isolation: 'serializable',
    seen: { rows, lists: [], counts: [], weak: [] },
    survivor: survivor('0:1'),
    finalLists: new Map(),
    chain: [],
    histories: [],
    unprotected: [],
    untilNs: 100e9,
    ...rest,
  }
}

function checkers(change: Parameters<typeof evidence>[0]): readonly string[] {
  return [...new Set(judgeRun(evidence(change)).findings.map(({ checker }) => checker))]
}

test('a run in which everything stayed has no findings', () => {
  assert.deepEqual(checkers({}), [])
})

test('a lost row is a finding in a synchronous mode, unless the record promised nothing at that time', () => {
  const promoted: Survivor = {
    server: BIRCH,
    timeline: 2,
    rows: new Set(['0:1']),
    // Forked before the second row: asynchronous replication may lose it.
    history: [{ timeline: 1, end: 0x1180n as never }],
  }
  const lost = { rows: [row(1), row(2)], survivor: promoted }
  assert.deepEqual(checkers({ ...lost, mode: 'async' }), [])
  assert.deepEqual(checkers(lost), ['rows'])
  assert.deepEqual(checkers({ ...lost, unprotected: [{ fromNs: 1.5e9, untilNs: 3e9 }] }), [])
  assert.deepEqual(checkers({ ...lost, unprotected: [{ fromNs: 5e9, untilNs: 6e9 }] }), ['rows'])
})

test('a row that the survivor had before the fork may not be lost in any mode', () => {
  const history = [{ timeline: 1, end: 0x9000n as never }]
  const lost = { server: BIRCH, timeline: 2, rows: new Set(['0:2']), history }
  assert.deepEqual(checkers({ mode: 'async', rows: [row(1), row(2)], survivor: lost }), ['rows'])
})

test('a refused row that is there is a finding', () => {
  const refused = {
    kind: 'refused',
    client: 0,
    sequence: 2,
    atNs: 2e9,
    server: AMBER,
    reason: '25006',
  } as const
  assert.deepEqual(checkers({ rows: [row(1), refused], survivor: survivor('0:1', '0:2') }), ['rows'])
})

test('an acknowledgement of an old primary after the first one of the new is a finding', () => {
  const rows = [row(1), row(2, { server: BIRCH, timeline: 2 }), row(3, { client: 1 })]
  const all = { ...survivor('0:1', '0:2', '1:3'), server: BIRCH, timeline: 2 }
  assert.deepEqual(checkers({ rows, survivor: all, mode: 'async' }), ['terms'])
})

test('rows of sessions that do not wait are counted apart', () => {
  const weak = [row(1, { client: 2000 }), row(2, { client: 2000 })]
  const given = evidence({ survivor: survivor('0:1', '2000:1') })
  const judged = judgeRun({ ...given, seen: { ...given.seen, weak } })
  assert.deepEqual(judged.findings, [])
  assert.deepEqual([judged.weakAcknowledged, judged.weakLost], [2, 1])
})

test('a committed append that is gone is a finding in a synchronous mode only', () => {
  const lists = [append(1, 1, 'amber'), append(2, 2, 'birch')]
  const given = (mode: Evidence['mode']) => {
    const base = evidence({ mode, finalLists: new Map([[1, [2]]]) })
    return judgeRun({ ...base, seen: { ...base.seen, lists } }).findings.map(({ checker }) => checker)
  }
  assert.deepEqual(given('quorum'), ['lists'])
  assert.deepEqual(given('async'), [])
})

test('in asynchronous mode a reign that contradicts itself is still a finding', () => {
  const read = (id: number, elements: readonly number[]): Transaction => ({
    ...append(id, 0, 'amber'),
    operations: [{ kind: 'read', list: 1, elements }],
  })
  const lists = [append(1, 1, 'amber'), append(2, 2, 'amber'), read(3, [1, 2]), read(4, [2])]
  const base = evidence({ mode: 'async' })
  const { findings } = judgeRun({ ...base, seen: { ...base.seen, lists } })
  assert.deepEqual(
    findings.map(({ checker }) => checker),
    ['lists'],
  )
})

test('a counter that falls or stands still is found, on one primary and from one to the next', () => {
  const count = (value: number, atNs: number, reign: string): Count => ({ client: 0, value, atNs, reign })
  const grows = [count(1, 1, 'amber'), count(2, 2, 'amber'), count(4, 3, 'birch')]
  assert.deepEqual(wrongCounts(grows, { across: true }), [])
  assert.equal(wrongCounts([...grows, count(4, 4, 'birch')], { across: false }).length, 1)
  const fallsBetween = [count(5, 1, 'amber'), count(3, 2, 'birch')]
  assert.equal(wrongCounts(fallsBetween, { across: true }).length, 1)
  assert.deepEqual(wrongCounts(fallsBetween, { across: false }), [])
})

test("history files that contradict the record's chain are found", () => {
  const chain = [
    { timeline: 2, parent: 1, fork: '0/3000' },
    // Branched off, and left: nobody is on it.
    { timeline: 3, parent: 2, fork: '0/4000' },
    { timeline: 4, parent: 2, fork: '0/5000' },
  ]
  const file = (timeline: number, text: string) => ({ member: 'amber', timeline, text })
  const good = [
    file(2, '1\t0/3000\tno recovery target specified\n'),
    file(3, ''),
    file(4, '1\t0/3000\tno recovery target specified\n\n2\t0/5000\tno recovery target specified\n'),
  ]
  assert.deepEqual(wrongTimelines(good, chain, 4), [])
  assert.equal(wrongTimelines([file(4, '1\t0/3000\tx\n2\t0/4FF0\tx\n')], chain, 4).length, 1)
  assert.equal(wrongTimelines([file(4, '1\t0/2000\tx\n2\t0/5000\tx\n')], chain, 4).length, 1)
  assert.equal(wrongTimelines([file(4, '2\t0/5000\tx\n')], chain, 4).length, 1)
  assert.equal(wrongTimelines(good, chain, 5).length, 1)
  // A chain that lost its oldest entries still judges the newest.
  assert.deepEqual(wrongTimelines(good, chain.slice(2), 4), [])
  // Of timelines beside the path anything may be said.
  assert.deepEqual(wrongTimelines([file(9, '1\t0/1\tx\n')], chain, 4), [])
})

test('stalls are stretches without an acknowledgement, up to the end of the run', () => {
  const rows = [row(1), row(2), row(7)]
  assert.deepEqual(
    stallsOf(rows, 2000, 10e9).map(({ fromNs, untilNs }) => Math.round((untilNs - fromNs) / 1e9)),
    [5, 3],
  )
  assert.deepEqual(ratesOf(rows, 0, 10e9, 5), [1, 1, 0, 1, 0])
})
