// Rows 1, 2, 7, 9 and 15 of the failure cases: whatever happens to the agent, nothing is acknowledged after the deadline.
import assert from 'node:assert/strict'
import { after as afterAll, afterEach, before, test } from 'node:test'
import { elapsedAtMost } from '../../src/kernel/time.ts'
import { sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import {
  after,
  type Clients,
  done,
  type GuardLab,
  lastAcknowledgement,
  MARGIN_MS,
  makePrimary,
  now,
  openGuardLab,
} from './guard-lab.ts'

let lab: GuardLab
before(async () => {
  lab = await openGuardLab()
})
afterEach(() => lab.reset())
afterAll(() => lab.close())

function assertSilentAfter(clients: Clients, deadline: number): void {
  const last = lastAcknowledgement(clients)
  assert.equal(
    after(clients, deadline + MARGIN_MS),
    0,
    `last acknowledgement ${last - deadline} ms after the deadline`,
  )
}

test('agent killed: the instance serves on until the deadline and not after it', async t => {
  const agent = lab.agent({ ttl: 4000 })
  await agent.until('connected')
  const clients = await lab.clients(4)
  sendSignal(agent.process.pid!, 'SIGKILL')
  const killedAt = now().mono
  await waitFor('clients write on without the agent', 2000, () => after(clients, killedAt) > 0)
  const deadline = agent.deadline().mono
  await lab.ended(clients)
  assertSilentAfter(clients, deadline)
  // Not before: a restart of the agent within the deadline must cost nothing.
  assert.ok(after(clients, deadline - 1000) > 0, 'clients were served until shortly before the deadline')
  const status = await statusOf(lab)
  assert.equal(status.mode, 'fenced')
  assert.equal(status.exit?.cause, 'deadline')
  t.diagnostic(
    `last acknowledgement ${Math.round(lastAcknowledgement(clients) - deadline)} ms after the deadline`,
  )
})

test('agent killed and replaced in time: the instance goes on under the same postmaster', async () => {
  const first = lab.agent({ ttl: 6000 })
  await first.until('connected')
  const clients = await lab.clients(2)
  sendSignal(first.process.pid!, 'SIGKILL')
  const second = lab.agent({ ttl: 6000 })
  await second.until('renewed')
  const { postmaster } = second.reports.find(report => report.kind === 'renewed')!
  await waitFor('the first deadline has passed', 20_000, () => now().mono > first.deadline().mono + 500)
  await clients.settle()
  assert.equal(second.reports.findLast(report => report.kind === 'renewed')!.postmaster, postmaster)
  assert.ok(after(clients, first.deadline().mono + 100) > 0, 'clients are served after the first deadline')
  assert.equal(
    second.reports.filter(report => report.kind !== 'renewed' && report.kind !== 'connected').length,
    0,
  )
})

test('agent stopped: nothing after the deadline, and its late renewal brings nothing back', async () => {
  const agent = lab.agent({ ttl: 2000 })
  await agent.until('connected')
  const clients = await lab.clients(4)
  sendSignal(agent.process.pid!, 'SIGSTOP')
  await lab.ended(clients)
  const deadline = agent.deadline().mono
  sendSignal(agent.process.pid!, 'SIGCONT')
  await waitFor('the agent is back', 10_000, () => agent.reports.some(report => report.at.mono > deadline))
  await lab.ended(clients)
  assertSilentAfter(clients, deadline)
  assert.deepEqual(lab.instance(), [])
})

test('agent stopped: its connection does not keep a new agent out', async () => {
  const stopped = lab.agent({ ttl: 4000 })
  await stopped.until('connected')
  sendSignal(stopped.process.pid!, 'SIGSTOP')
  const guard = lab.client()
  assert.equal(await guard.ensure(AbortSignal.timeout(10_000)), true)
  const deadline = { mono: now().mono + 3000, boot: now().boot + 3000 }
  const status = done(await guard.arm(1, deadline, 4000))
  assert.equal(status.alive, true)
  sendSignal(stopped.process.pid!, 'SIGCONT')
  // The old one acts on nothing any more.
  await waitFor('the old agent notices', 10_000, () => stopped.reports.some(report => report.kind === 'lost'))
})

test('store out of reach while clients are attached: they are served until the deadline only', async () => {
  const agent = lab.agent({ ttl: 2500 })
  await agent.until('connected')
  const clients = await lab.clients(4)
  sendSignal(agent.process.pid!, 'SIGUSR2')
  await lab.ended(clients)
  assertSilentAfter(clients, agent.deadline().mono)
})

test('everything frozen beyond the deadline: the guard fires as soon as it runs again', async t => {
  const agent = lab.agent({ ttl: 2000 })
  await agent.until('connected')
  const clients = await lab.clients(4)
  const frozen = [agent.process.pid!, lab.guardPid(), ...lab.instance()]
  for (const pid of frozen) sendSignal(pid, 'SIGSTOP')
  const deadline = agent.deadline()
  await waitFor('the deadline is long gone', 20_000, () => elapsedAtMost(deadline, now()) > 2000)
  const resumedAt = now().mono
  // The instance first: the guard gets no head start.
  for (const pid of frozen.toReversed()) sendSignal(pid, 'SIGCONT')
  await lab.ended(clients)
  assert.equal(after(clients, resumedAt + MARGIN_MS), 0)
  t.diagnostic(`acknowledged between resuming and the kill: ${after(clients, deadline.mono)}`)
})

test('a deadline that is lowered into the past ends the instance at once', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  await makePrimary(lab, guard, 1, 20_000)
  const clients = await lab.clients(2)
  const lowered = now()
  done(await guard.lower(lowered))
  await lab.ended(clients)
  assertSilentAfter(clients, lowered.mono)
})

test('a promotion is refused without a deadline, and in another term', async () => {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  done(await guard.start(lab.command))
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
  assert.equal((await guard.promote(1)).kind, 'refused')
  done(await guard.arm(1, { mono: now().mono + 5000, boot: now().boot + 5000 }, 6000))
  assert.equal((await guard.promote(2)).kind, 'refused')
  await assert.rejects(lab.sql('create table never (id int)'), /read-only/)
})

async function statusOf(lab: GuardLab) {
  const guard = lab.client()
  await guard.ensure(AbortSignal.timeout(10_000))
  return guard.status()!.status
}
