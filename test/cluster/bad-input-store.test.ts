// No store at the start: the agent goes on trying and says so; what it has it serves for reading, and leads nothing.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { waitFor } from '../lab/wait.ts'
import { type BadInputLab, LIMIT_MS, openLab, passed, type Seat, waitForWarning } from './bad-input-lab.ts'

const COMPLAINT = /the store does not answer; nobody is promoted meanwhile/g

let lab: BadInputLab
let seat: Seat
let failed = false

before(() => {
  lab = openLab(['amber'])
  seat = lab.seat('amber')
})
afterEach(context => {
  failed ||= !passed(context)
})
after(() => lab.close(failed))

function complaints(): number {
  return seat.printed().match(COMPLAINT)?.length ?? 0
}

test('without a store a new member makes nothing, stays, and says so again and again', async () => {
  const agent = seat.start()
  console.log(`message: ${await waitForWarning(seat, /^store-lost: /)}`)
  await waitFor('the log says it three times', LIMIT_MS, () => complaints() >= 3)
  console.log(
    `message: ${seat
      .printed()
      .split('\n')
      .findLast(line => line.includes('does not answer'))}`,
  )
  assert.equal(agent.alive(), true)
  assert.equal(existsSync(join(seat.dataDirectory, 'PG_VERSION')), false)
  assert.equal((await seat.member.rest('/primary')).status, 503)
})

test('it goes on by itself when the store answers', async () => {
  lab.etcd.startAll()
  // Not only writable: until the first term serves, the directory counts as unfinished.
  await waitFor('amber leads', LIMIT_MS, async () => (await seat.member.rest('/primary')).status === 200)
  await seat.member.query('CREATE TABLE kept AS SELECT 42 AS answer')
  assert.match(seat.printed(), /no longer/)
})

test('with a healthy copy and no store it serves reads, and leads only when the store is back', async () => {
  await seat.crash()
  await lab.etcd.nodes[0]!.kill()
  const again = seat.start()
  await waitFor('amber answers reads', LIMIT_MS, async () => {
    const [row] = await seat.member.query<{ answer: number; recovering: boolean }>(
      'SELECT answer, pg_is_in_recovery() AS recovering FROM kept',
    )
    return row?.answer === 42 && row.recovering
  })
  await waitForWarning(seat, /^store-lost: /)
  assert.equal(await seat.member.writable(), false)
  assert.equal((await seat.member.rest('/primary')).status, 503)
  assert.equal(again.alive(), true)
  lab.etcd.startAll()
  await waitFor('amber leads again', LIMIT_MS, () => seat.member.writable())
})
