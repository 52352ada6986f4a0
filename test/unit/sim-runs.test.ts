import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PLANTS } from '../../sim/plants.ts'
import { simulate } from '../../sim/simulate.ts'

test('the same seed gives the same log, byte for byte, twice in one process', async () => {
  const [first, second] = [
    await simulate({ seed: 11, theme: null }),
    await simulate({ seed: 11, theme: null }),
  ]
  assert.deepEqual(first.log.lines(), second.log.lines())
  assert.equal(first.hash, second.hash)
  assert.notEqual((await simulate({ seed: 12, theme: null })).hash, first.hash)
})

test('runs acknowledge, fail over and end healthy', async () => {
  let total = 0
  for (const seed of [2, 3, 4]) {
    const { violations, acknowledged, promotions, healedAfterMs } = await simulate({ seed, theme: null })
    assert.deepEqual(violations, [])
    assert.notEqual(healedAfterMs, null)
    assert.ok(promotions >= 1)
    total += acknowledged
  }
  // One alone may wait for standbys nearly all the time.
  assert.ok(total > 60, `${total} acknowledged`)
})

test('every planted mistake names what it breaks, and no two have one name', () => {
  assert.ok(PLANTS.every(plant => plant.breaks.length > 0 && plant.patches.length > 0))
  assert.equal(new Set(PLANTS.map(plant => plant.name)).size, PLANTS.length)
})
