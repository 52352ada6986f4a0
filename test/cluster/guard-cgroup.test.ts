// The instance in a cgroup of its own: killed as one, forks and daemons included; where there is no right to it, said.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after as afterAll, afterEach, before, test } from 'node:test'
import type { Guard } from '../../src/ports/guard.ts'
import { type DelegatedCgroup, delegateCgroup } from '../lab/cgroup.ts'
import { databaseUser } from '../lab/database-user.ts'
import { isAlive, processState, sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import { after, done, type GuardLab, MARGIN_MS, makePrimary, now, openGuardLab } from './guard-lab.ts'

let delegated: DelegatedCgroup
let lab: GuardLab
before(async () => {
  delegated = delegateCgroup(databaseUser())
  lab = await openGuardLab({ enter: delegated.enter })
})
afterEach(async () => {
  await lab.reset()
  await waitFor('everything has left', 10_000, () => delegated.processes().length === 0)
})
afterAll(() => {
  lab.close()
  delegated.close()
})

const cgroupOf = (pid: number) => readFileSync(`/proc/${pid}/cgroup`, 'utf8').match(/^0::(.*)$/m)![1]!
const own = () => join(delegated.path, `vigil-${encodeURIComponent(lab.dataDirectory)}`)

async function connected(): Promise<Guard> {
  const guard = lab.client()
  assert.equal(await guard.ensure(AbortSignal.timeout(10_000)), true)
  return guard
}

/** A process that left PostgreSQL's family: no parent, no session, no working directory tells that it belongs to it. */
async function daemonOf(sleeper: string): Promise<number> {
  const script = `(cd / && setsid sleep ${sleeper} > /dev/null 2>&1 &)`
  await lab.sql(`copy (select 1 where false) to program '${script}'`)
  const found = () => delegated.processes().filter(pid => processState(pid)?.command === 'sleep')
  return waitFor('the daemon runs', 10_000, () => found()[0])
}

test('PostgreSQL and all its children are in a cgroup that the guard is not in', async () => {
  const guard = await connected()
  done(await guard.start(lab.command))
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
  const cgroups = new Set(lab.instance().map(cgroupOf))
  assert.equal(cgroups.size, 1)
  assert.ok([...cgroups][0]!.endsWith(encodeURIComponent(lab.dataDirectory)))
  assert.notEqual(cgroupOf(lab.guardPid()), [...cgroups][0])
  assert.equal(guard.status()!.status.obstacles?.['cgroup.kill'], null)
})

test('at the deadline it is killed with daemons that nothing but the cgroup finds', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 20_000)
  const daemon = await daemonOf('4711')
  const clients = await lab.clients(4)
  const deadline = { mono: now().mono + 300, boot: now().boot + 300 }
  done(await guard.lower(deadline))
  await lab.ended(clients)
  assert.equal(after(clients, deadline.mono + MARGIN_MS), 0)
  await waitFor('the daemon is gone too', 10_000, () => !isAlive(daemon))
  await waitFor('the guard says dead', 10_000, () => guard.status()?.status.alive === false)
  assert.match(readFileSync(join(own(), 'cgroup.events'), 'latin1'), /populated 0/)
})

test('forks that go on during the kill do not escape it', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  const forks = 'cd /; while :; do setsid sh -c "sleep 1000; :" & sleep 0.01; done'
  await lab.sql(`copy (select 1 where false) to program '(${forks}) > /dev/null 2>&1 &'`)
  await waitFor('it forks', 10_000, () => delegated.processes().length > 40)
  assert.equal(done(await guard.kill()).alive, false)
  // Each has got its signal; some need a moment to leave. One that had escaped would go on forking for ever.
  const guardPid = lab.guardPid()
  await waitFor('only the guard is left', 10_000, () => delegated.processes().every(pid => pid === guardPid))
})

test('while anything is left in the cgroup nothing is started', async () => {
  const guard = await connected()
  const sleeper = spawn('sleep', ['1000'])
  const ended = new Promise(resolve => sleeper.once('exit', resolve))
  await waitFor('the cgroup is there', 10_000, () => existsSync(own()))
  writeFileSync(join(own(), 'cgroup.procs'), `${sleeper.pid}`)
  const answer = await guard.start(lab.command)
  assert.equal(answer.kind === 'refused' && answer.reason.includes('have not left yet'), true)
  assert.equal(done(await guard.kill()).alive, false)
  await ended
  done(await guard.start(lab.command))
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
})

test('what a dead guard left behind is killed by the next one, and so are its daemons', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  const daemon = await daemonOf('4712')
  sendSignal(guard.status()!.status.postmaster!, 'SIGSTOP')
  sendSignal(lab.guardPid(), 'SIGKILL')
  await waitFor('the loss is seen', 10_000, () => guard.status() === null)
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  await lab.ended()
  await waitFor('the daemon is gone too', 10_000, () => !isAlive(daemon))
})

test('the guard removes the cgroup when it ends', async () => {
  const guard = await connected()
  assert.equal(existsSync(own()), true)
  const pid = lab.guardPid()
  await guard.quit()
  await waitFor('the guard has ended', 10_000, () => !isAlive(pid))
  assert.deepEqual(
    readdirSync(delegated.path).filter(name => name.startsWith('vigil-')),
    [],
  )
})

test('without the right to a cgroup the guard says so and fences as well', async () => {
  const plain = await openGuardLab()
  try {
    const guard = plain.client()
    assert.equal(await guard.ensure(AbortSignal.timeout(10_000)), true)
    assert.match(
      guard.status()!.status.obstacles?.['cgroup.kill'] ?? '',
      /no right|not mounted|no cgroup.kill/,
    )
    const deadline = await makePrimary(plain, guard, 1, 3000)
    await plain.ended()
    assert.ok(now().mono - deadline.mono < 30_000)
    await waitFor('the guard says fenced', 10_000, () => guard.status()?.status.mode === 'fenced')
  } finally {
    plain.close()
  }
})
