import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHostClock } from '../../sim/host-clock.ts'
import { createProcess } from '../../sim/process.ts'
import { seededRandom } from '../../sim/random.ts'
import { createScheduler } from '../../sim/scheduler.ts'
import { reached } from '../../src/kernel/time.ts'

const fail = (error: unknown) => {
  throw error
}

test('events run in order of time, and those of one instant in the order they were made', async () => {
  const scheduler = createScheduler(fail)
  const seen: string[] = []
  for (const [ms, name] of [
    [5, 'c'],
    [1, 'a'],
    [1, 'b'],
    [9, 'd'],
  ] as const)
    scheduler.after(ms, () => seen.push(`${name}@${scheduler.now()}`))
  await scheduler.run(() => false)
  assert.deepEqual(seen, ['a@1', 'b@1', 'c@5', 'd@9'])
})

test('a chain of promises goes on to its end before the next event', async () => {
  const scheduler = createScheduler(fail)
  const seen: string[] = []
  scheduler.after(1, () => {
    void (async () => {
      for (let step = 0; step < 50; step++) await null
      seen.push('promises')
    })()
  })
  scheduler.after(1, () => seen.push('event'))
  await scheduler.run(() => false)
  assert.deepEqual(seen, ['promises', 'event'])
})

test('a seed gives the same numbers again, and its neighbour others', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed)
    return [random.next(), random.integer(1, 1000), random.hex(), random.fork().next()]
  }
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
})

test('a stopped process gets what came meanwhile when it goes on, a dead one never', async () => {
  const scheduler = createScheduler(fail)
  const seen: string[] = []
  const process = createProcess('p', { scheduler, frozen: () => false })
  scheduler.after(1, () => process.stop())
  scheduler.after(2, () => process.deliver(() => seen.push(`late@${scheduler.now()}`)))
  scheduler.after(10, () => process.continue())
  scheduler.after(20, () => process.kill())
  scheduler.after(21, () => process.deliver(() => seen.push('never')))
  await scheduler.run(() => false)
  assert.deepEqual(seen, ['late@10'])
})

test('a frozen machine loses no deadline of its own clocks; a suspended one reaches it by the boot clock', async () => {
  const scheduler = createScheduler(fail)
  const options = { rate: 1, bootOffset: 0, wallOffset: 0 }
  const [frozen, suspended] = [
    createHostClock(scheduler.now, options),
    createHostClock(scheduler.now, options),
  ]
  const deadline = { mono: 100, boot: 100 }
  frozen.stop('freeze')
  suspended.stop('suspend')
  scheduler.after(150, () => undefined)
  await scheduler.run(() => false)
  assert.equal(reached(deadline, frozen.now()), false)
  assert.equal(reached(deadline, suspended.now()), true)
  assert.equal(suspended.now().mono, 0)
})

test('a clock that runs slow reaches its deadline later in true time', () => {
  const clock = createHostClock(() => 0, { rate: 0.99, bootOffset: 500, wallOffset: 0 })
  assert.equal(Math.round(clock.reachedAt({ mono: 990, boot: 1490 })), 1000)
})
