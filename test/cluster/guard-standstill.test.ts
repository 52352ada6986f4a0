// Rows 7 and 11 of the failure cases: a whole member stands still, and a disk stands still under PostgreSQL.
import assert from 'node:assert/strict'
import { after as afterAll, afterEach, before, test } from 'node:test'
import type { Guard } from '../../src/ports/guard.ts'
import { type DelegatedCgroup, delegateCgroup } from '../lab/cgroup.ts'
import { databaseUser } from '../lab/database-user.ts'
import { freezeHost, thawHost } from '../lab/freezer.ts'
import { isAlive, processState } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import { after, done, type GuardLab, MARGIN_MS, makePrimary, now, openGuardLab } from './guard-lab.ts'

const FROZEN_SECONDS_MAX = 30

let delegated: DelegatedCgroup
let lab: GuardLab
before(async () => {
  delegated = delegateCgroup(databaseUser())
  lab = await openGuardLab({ enter: delegated.enter, disk: true })
})
afterEach(async () => {
  lab.disk!.thaw()
  await lab.reset()
})
afterAll(() => {
  lab.close()
  delegated.close()
})

async function connected(): Promise<Guard> {
  const guard = lab.client()
  assert.equal(await guard.ensure(AbortSignal.timeout(10_000)), true)
  return guard
}

test('a whole member frozen beyond its deadline: thawed, it acknowledges nothing', async t => {
  const agent = lab.agent({ ttl: 2500, gate: true })
  await agent.until('connected')
  const clients = await lab.clients(4)
  const host = {
    name: 'standstill',
    processes: () => [agent.process.pid!, lab.guardPid(), ...lab.instance()].filter(isAlive),
  }
  const way = freezeHost(host)
  const deadline = agent.deadline().mono
  try {
    await waitFor('the deadline is long gone', 20_000, () => now().mono > deadline + 4000)
  } finally {
    thawHost(host)
  }
  await lab.ended(clients)
  // The gate had shut by itself meanwhile, so not even the moment of the thaw is left.
  assert.equal(after(clients, deadline + MARGIN_MS), 0)
  t.diagnostic(`by ${way}`)
})

test('a disk that stands still: dead is said while tasks hang in it, nothing is started, nothing is acknowledged later', async () => {
  const guard = await connected()
  const deadline = await makePrimary(lab, guard, 1, 5000)
  const clients = await lab.clients(4)
  lab.disk!.freeze(FROZEN_SECONDS_MAX)
  await waitFor('the guard says dead', 20_000, () => guard.status()?.status.alive === false)
  assert.ok(now().mono < deadline.mono + 5000, 'long before the disk goes on')
  assert.equal(guard.status()!.status.mode, 'fenced')
  const hanging = () => delegated.processes().filter(pid => processState(pid)?.state === 'D')
  assert.ok(hanging().length > 0, 'killed, and still held by the disk')
  const answer = await guard.start(lab.command)
  assert.equal(answer.kind, 'refused')
  lab.disk!.thaw()
  await lab.ended(clients)
  assert.equal(after(clients, deadline.mono + MARGIN_MS), 0)
  await waitFor('it starts again', 20_000, async () => (await guard.start(lab.command)).kind === 'done')
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
  done(await guard.kill())
})
