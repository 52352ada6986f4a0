// A watchdog device, played by a named pipe: written to while the deadline is far enough away, switched off only when dead.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after as afterAll, afterEach, before, beforeEach, test } from 'node:test'
import { later } from '../../src/kernel/time.ts'
import type { Guard } from '../../src/ports/guard.ts'
import { databaseUser } from '../lab/database-user.ts'
import { openPipeDevice, type PipeDevice } from '../lab/pipe-device.ts'
import { sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import { done, type GuardLab, makePrimary, now, openGuardLab } from './guard-lab.ts'

const TTL_MS = 8000
/** ttl less the safety margin. */
const TIMEOUT_MS = 4000
const MARGIN_F_MS = 1000

let lab: GuardLab
let device: PipeDevice
let heardBefore = 0
before(async () => {
  lab = await openGuardLab({
    watchdog: directory => ({
      mode: 'required',
      device: join(directory, 'watchdog'),
      safetyMarginMs: TTL_MS - TIMEOUT_MS,
    }),
  })
  device = openPipeDevice(join(lab.directory, 'watchdog'), databaseUser())
})
beforeEach(() => {
  heardBefore = device.heard.length
})
afterEach(() => lab.reset())
afterAll(() => {
  device.close()
  lab.close()
})

const heard = () => device.heard.slice(heardBefore)
const pings = () => heard().filter(({ byte }) => byte === '1')
const offs = () => heard().filter(({ byte }) => byte === 'V')

async function connected(): Promise<Guard> {
  const guard = lab.client()
  assert.equal(await guard.ensure(AbortSignal.timeout(10_000)), true)
  return guard
}

test('a standby leaves the watchdog alone', async () => {
  const guard = await connected()
  done(await guard.start(lab.command))
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
  assert.equal(guard.status()!.status.obstacles?.watchdog, null)
  assert.deepEqual(heard(), [])
})

test('a leader writes to it, and for so long only that a reset would come before anybody else may lead', async () => {
  const guard = await connected()
  const deadline = await makePrimary(lab, guard, 1, TTL_MS)
  await waitFor('it is written to', 10_000, () => pings().length > 3)
  // No renewal any more: the guard fires, and only then is the watchdog switched off.
  await lab.ended()
  await waitFor('it is switched off', 10_000, () => offs().length === 1)
  const last = pings().at(-1)!.at
  assert.ok(last + TIMEOUT_MS <= deadline.mono + MARGIN_F_MS + 50, 'the last write')
  assert.ok(last + TIMEOUT_MS >= deadline.mono, 'the guard comes first')
  assert.ok(offs()[0]!.at >= deadline.mono)
})

test('the guard stopped: nothing is written, nothing switches it off', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 2, TTL_MS)
  await waitFor('it is written to', 10_000, () => pings().length > 3)
  sendSignal(lab.guardPid(), 'SIGSTOP')
  const stoppedAt = now().mono
  await waitFor('the timeout is over', 20_000, () => now().mono > stoppedAt + TIMEOUT_MS)
  assert.equal(heard().filter(({ at }) => at > stoppedAt + 300).length, 0)
  assert.deepEqual(offs(), [])
})

test('a guard killed while it leads: the next one switches it off when nothing is alive', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 3, 60_000)
  await waitFor('it is written to', 10_000, () => pings().length > 3)
  sendSignal(lab.guardPid(), 'SIGKILL')
  await lab.ended()
  assert.deepEqual(offs(), [])
  await waitFor('the loss is seen', 10_000, () => guard.status() === null)
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  await waitFor('it is switched off', 10_000, () => offs().length === 1)
})

test('a stop that was asked for ends with the watchdog off, and a maintenance pause too', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 4, 60_000)
  await waitFor('it is written to', 10_000, () => pings().length > 0)
  done(await guard.unarm(4))
  await waitFor('it is switched off', 10_000, () => offs().length === 1)
  done(await guard.arm(4, later(now(), 59_900), 60_000))
  const before = pings().length
  await waitFor('it is written to again', 10_000, () => pings().length > before)
  done(await guard.stop('fast'))
  await lab.ended()
  await waitFor('the guard says dead', 10_000, () => guard.status()?.status.alive === false)
  done(await guard.drop(4))
  await waitFor('it is switched off', 10_000, () => offs().length === 2)
})

test('required and absent: the member says that it may not lead, and a promotion is refused', async () => {
  const bare = await openGuardLab({
    watchdog: directory => ({ mode: 'required', device: join(directory, 'none'), safetyMarginMs: null }),
  })
  try {
    const guard = bare.client()
    assert.equal(await guard.ensure(AbortSignal.timeout(10_000)), true)
    assert.match(guard.status()!.status.forbids ?? '', /watchdog is required: there is no/)
    done(await guard.start(bare.command))
    await waitFor('the standby answers', 60_000, () => bare.sql('select 1').then(() => true))
    done(await guard.arm(1, later(now(), 9000), 10_000))
    const answer = await guard.promote(1)
    assert.equal(answer.kind, 'refused')
    await assert.rejects(bare.sql('create table never (id int)'), /read-only/)
  } finally {
    bare.close()
  }
})
