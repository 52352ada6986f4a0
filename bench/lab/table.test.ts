// The benchmark's table: medians, ranges, failures and ratios.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTESTANTS } from './products.ts'
import type { Run } from './series.ts'
import { formatSafety, formatTable, summarise } from './table.ts'

function measured(stallSeconds: number, changes: Partial<Extract<Run, { kind: 'measured' }>> = {}): Run {
  return {
    kind: 'measured',
    stallSeconds,
    errors: 4,
    acknowledged: 100,
    lost: 0,
    lostAfterReplication: 0,
    late: 0,
    ...changes,
  }
}

const vigil = CONTESTANTS.find(({ id }) => id === 'vigil')!
const patroni = CONTESTANTS.find(({ id }) => id === 'patroni')!

test('the median is of the measured runs, and a failed run is counted as failed', () => {
  const runs = [measured(3), measured(1), measured(2), { kind: 'failed', reason: 'planted' }] as const
  const summary = summarise({ contestant: 'vigil', fault: 'host-lost', runs })
  assert.equal(summary.medianStallSeconds, 2)
  assert.equal(summary.failed, 1)
  assert.equal(summary.maxStallSeconds, 3)
})

test('lost rows and second primaries of all runs are summed', () => {
  const runs = [measured(1, { lost: 2 }), measured(1, { lost: 3, late: 7 })]
  const summary = summarise({ contestant: 'patroni', fault: 'agent-killed', runs })
  assert.deepEqual([summary.rowsLost, summary.lateAcknowledgements, summary.runsWithTwoPrimaries], [5, 7, 1])
})

test('the table names the ratio, and refuses one where there were two primaries', () => {
  const table = formatTable(
    [vigil, patroni],
    [
      summarise({
        contestant: 'vigil',
        fault: 'host-lost',
        runs: [measured(10), measured(11), measured(12)],
      }),
      summarise({
        contestant: 'patroni',
        fault: 'host-lost',
        runs: [measured(30), measured(33), measured(34)],
      }),
      summarise({ contestant: 'vigil', fault: 'agent-killed', runs: [measured(9)] }),
      summarise({
        contestant: 'patroni',
        fault: 'agent-killed',
        runs: [measured(0.1, { late: 900, lost: 900 })],
      }),
      summarise({ contestant: 'vigil', fault: 'switchover', runs: [{ kind: 'failed', reason: 'planted' }] }),
    ],
  )
  assert.match(
    table,
    /host lost +11\.00 s \(10\.00 to 12\.00\) +33\.00 s \(30\.00 to 34\.00\) +3\.0 times faster/,
  )
  assert.match(table, /stays dead +9\.00 s +0\.10 s +two primaries/)
  assert.match(table, /900 rows lost, two primaries in 1 of 1/)
  assert.match(table, /planned switchover +no run succeeded +- +-/)
})

test('the sentence about safety has the counts of every fault', () => {
  const runs = [measured(1, { lost: 5, lostAfterReplication: 2, late: 7 })]
  const summaries = [
    summarise({ contestant: 'patroni', fault: 'agent-killed', runs }),
    summarise({ contestant: 'patroni', fault: 'host-lost', runs }),
  ]
  assert.match(
    formatSafety([patroni], summaries),
    /14 acknowledgements by an old primary.*10 rows lost, 4 of them/,
  )
})
