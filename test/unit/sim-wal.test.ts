import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newDirectory, nextFreeTimeline, unusedReservations } from '../../sim/data-directory.ts'
import {
  append,
  type Branch,
  type Copy,
  commonPart,
  contains,
  firstBranch,
  forkBranch,
  historyLines,
  positionOf,
  recordsBeyond,
  tipOf,
} from '../../sim/wal.ts'

function branchWith(commits: number): Branch {
  const branch = firstBranch(1, '7000', 'amber')
  for (let index = 0; index < commits; index++) append(branch, 'commit')
  return branch
}

test('a copy contains what it was promoted from, and not what its parent wrote later', () => {
  const old = branchWith(3)
  const behind: Copy = { branch: old, count: 2 }
  const promoted = append(forkBranch(2, behind, 2, 'birch'), 'recovery-end')
  assert.equal(contains(promoted, behind), true)
  assert.equal(contains(promoted, tipOf(old)), false)
  assert.deepEqual(commonPart(promoted, tipOf(old)), behind)
  assert.equal(recordsBeyond(tipOf(old), behind).length, 1)
})

test('two promotions from one point have the same history file and are different histories', () => {
  const old = branchWith(2)
  const one = append(forkBranch(2, tipOf(old), 2, 'birch'), 'recovery-end')
  const other = append(forkBranch(3, tipOf(old), 2, 'cedar'), 'recovery-end')
  assert.deepEqual(historyLines(one.branch), historyLines(other.branch))
  assert.equal(contains(one, other), false)
})

test('a position carries the timeline of its last byte', () => {
  const old = branchWith(2)
  const empty = { branch: forkBranch(2, tipOf(old), 5, 'birch'), count: 0 }
  assert.equal(positionOf(empty).timeline, 1)
  assert.equal(positionOf(append(empty.branch, 'recovery-end')).timeline, 5)
})

test('a promotion takes the first number that has no history file, and an unused reservation stands out', () => {
  const directory = newDirectory(tipOf(branchWith(1)), null)
  directory.reserved.add(2)
  directory.reserved.add(3)
  assert.equal(nextFreeTimeline(directory), 4)
  assert.deepEqual(unusedReservations(directory), [2, 3])
  directory.historyFiles.add(4)
  assert.deepEqual(unusedReservations(directory), [])
})
