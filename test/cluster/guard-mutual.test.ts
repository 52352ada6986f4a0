// Rows 3, 4 and 5 of the failure cases: the guard dies or hangs, alone or together with the agent.
import assert from 'node:assert/strict'
import { after as afterAll, afterEach, before, test } from 'node:test'
import { isAlive, sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import { after, done, type GuardLab, MARGIN_MS, makePrimary, now, openGuardLab } from './guard-lab.ts'

let lab: GuardLab
before(async () => {
  lab = await openGuardLab()
})
afterEach(() => lab.reset())
afterAll(() => lab.close())

/** What PostgreSQL gives its children after SIGQUIT before it kills them, and our margin. */
const IMMEDIATE_STOP_MS = 5000 + MARGIN_MS

test('guard killed: the kernel stops PostgreSQL, and the agent knows that it lost the guard', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  await makePrimary(lab, guard, 1, 60_000)
  const clients = await lab.clients(4)
  let told = false
  guard.onChange(() => {
    told = told || guard.status() === null
  })
  const killedAt = now().mono
  sendSignal(lab.guardPid(), 'SIGKILL')
  await lab.ended(clients)
  assert.equal(after(clients, killedAt + IMMEDIATE_STOP_MS), 0)
  assert.equal(told, true)
  assert.equal((await guard.arm(1, now(), 1000)).kind, 'lost')
})

test('guard killed: the next guard starts with nothing alive and may start a standby', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  await makePrimary(lab, guard, 1, 60_000)
  sendSignal(lab.guardPid(), 'SIGKILL')
  await waitFor('the loss is seen', 10_000, () => guard.status() === null)
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  await waitFor('nothing is alive', 20_000, () => guard.status()?.status.alive === false)
  done(await waitForStart(guard.start.bind(guard)))
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
  await assert.rejects(lab.sql('insert into acks (client) values (0)'), /read-only/)
})

test('guard killed while the postmaster is stopped: the next guard kills what the kernel could not', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  await makePrimary(lab, guard, 1, 60_000)
  const clients = await lab.clients(4)
  sendSignal(guard.status()!.status.postmaster!, 'SIGSTOP')
  const killedAt = now().mono
  sendSignal(lab.guardPid(), 'SIGKILL')
  await waitFor('nobody stops the backends', 10_000, () => after(clients, killedAt + 200) > 0)
  await waitFor('the loss is seen', 10_000, () => guard.status() === null)
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  await lab.ended(clients)
  assert.equal(guard.status()?.status.mode, 'fenced')
})

test('guard and postmaster killed together: the next guard finds the orphans', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  await makePrimary(lab, guard, 1, 60_000)
  // A backend that is busy does not notice that its postmaster is gone.
  const busy = lab.sql('select count(*) from generate_series(1, 1000000000)').catch(() => 'cut off')
  await waitFor('the query runs', 20_000, () => lab.instance().length > 6)
  const postmaster = guard.status()!.status.postmaster!
  sendSignal(lab.guardPid(), 'SIGKILL')
  sendSignal(postmaster, 'SIGKILL')
  await waitFor('the loss is seen', 10_000, () => guard.status() === null)
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  await lab.ended()
  assert.equal(await busy, 'cut off')
})

test('guard stopped: the agent sees the echo age and kills the instance itself, long before the deadline', async () => {
  const agent = lab.agent({ ttl: 20_000, fence: true })
  await agent.until('connected')
  const clients = await lab.clients(4)
  const stopped = lab.guardPid()
  sendSignal(stopped, 'SIGSTOP')
  const fenced = await agent.until('fenced')
  assert.equal(fenced.reason, 'true', 'nothing can act any more')
  await lab.ended(clients)
  assert.equal(after(clients, fenced.at.mono), 0)
  assert.ok(fenced.at.mono < agent.deadline().mono)
  await waitFor('the stopped guard is gone too', 10_000, () => !isAlive(stopped))
})

test('a stopped guard is not connected to and not replaced', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  const pid = lab.guardPid()
  sendSignal(pid, 'SIGSTOP')
  await waitFor('its silence is noticed', 10_000, () => guard.status() === null)
  const newcomer = lab.client()
  assert.equal(await newcomer.ensure(AbortSignal.timeout(3000)), false)
  assert.equal(lab.guardPid(), pid)
  sendSignal(pid, 'SIGCONT')
  assert.equal(
    await waitFor('it speaks again', 10_000, () => newcomer.ensure(AbortSignal.timeout(1000))),
    true,
  )
})

test('agent and guard killed together: PostgreSQL stops by the kernel alone', async () => {
  const agent = lab.agent({ ttl: 30_000 })
  await agent.until('connected')
  const clients = await lab.clients(4)
  const guard = lab.guardPid()
  const killedAt = now().mono
  sendSignal(agent.process.pid!, 'SIGKILL')
  sendSignal(guard, 'SIGKILL')
  await lab.ended(clients)
  assert.equal(after(clients, killedAt + IMMEDIATE_STOP_MS), 0)
})

/** A dead postmaster's last traces may take a moment to go. */
function waitForStart(
  start: (command: GuardLab['command']) => ReturnType<ReturnType<GuardLab['client']>['start']>,
) {
  return waitFor('the start is granted', 20_000, async () => {
    const answer = await start(lab.command)
    return answer.kind === 'done' && answer
  })
}
