// The page holds what a person looks for, needs nothing from elsewhere, and shows text as text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOptions } from '../options.ts'
import { pageOf } from './page.ts'
import { commandOf, type Report } from './report.ts'

const OPTIONS = readOptions(['--seed', '7', '--mode', 'quorum', '--faults', 'kill,stop'], 1)!

const REPORT: Report = {
  startedAt: '2030-05-01T09:00:00.000Z',
  command: commandOf(OPTIONS),
  options: OPTIONS,
  leftOut: ['nft'],
  interrupted: false,
  seconds: 60,
  members: ['amber', 'birch', 'cedar'],
  findings: [{ checker: 'rows', sentence: 'acknowledged and lost: <b>0:7</b>' }],
  totals: {
    acknowledged: 1234,
    lost: 1,
    unknown: 2,
    errors: 3,
    weakAcknowledged: 4,
    weakLost: 5,
    lists: { committed: 6, aborted: 7, unknown: 8 },
    counts: 9,
    unprotected: 0,
    terms: 2,
    longestStallSeconds: 3.25,
    agentEnds: 0,
  },
  leaders: [
    { term: 1, name: 'amber', state: 'serving', from: 0, until: 20 },
    { term: 2, name: 'birch', state: 'serving', from: 20, until: 60 },
  ],
  faults: [
    { episode: 1, name: 'kill', from: 18, until: 25, victims: ['amber'], detail: 'guard 12', notBegun: null },
    { episode: 1, name: 'stop', from: 19, until: 22, victims: [], detail: '', notBegun: 'nothing runs' },
  ],
  stalls: [{ from: 18, until: 21.25 }],
  rates: [100, 50, 0, 100],
  agentEnds: [],
  logs: '/tmp/logs',
}

test('the page tells who led, what happened, and what was found', () => {
  const page = pageOf(REPORT)
  for (const words of [
    'term 2: birch',
    'kill on amber',
    'not begun: nothing runs',
    'no write for 3.25 s',
    '/tmp/logs',
  ])
    assert.ok(page.includes(words), words)
  assert.ok(page.includes('&lt;b&gt;0:7&lt;/b&gt;'))
  assert.ok(!page.includes('<b>0:7</b>'))
  assert.ok(!/(src|href)=|https?:/.test(page))
})

test('the page of a good run says so', () => {
  const page = pageOf({ ...REPORT, findings: [], logs: null })
  assert.ok(page.includes('Nothing went wrong'))
  assert.ok(!page.includes('Logs, decisions'))
})

test('the command that is shown draws the same run again', () => {
  const words = commandOf(OPTIONS).split(' -- ')[1]!.split(' ')
  assert.deepEqual(readOptions(words, 99), OPTIONS)
})
