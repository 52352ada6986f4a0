// The guard as a process: who may speak to it, what it inherits and hands on, how it starts and ends.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { createGuardClient } from '../../src/guard/client.ts'
import { isVigilError } from '../../src/kernel/errors.ts'
import { isRoot } from '../lab/database-user.ts'
import { isAlive, processState, sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import { done, type GuardLab, makePrimary, now, openGuardLab } from './guard-lab.ts'

let lab: GuardLab
before(async () => {
  lab = await openGuardLab()
})
afterEach(() => lab.reset())
after(() => lab.close())

async function connected() {
  const guard = lab.client()
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  return guard
}

function spawnGuard() {
  const [program, ...rest] = lab.guardCommand
  const options = ['--state', lab.stateDirectory, '--data', lab.dataDirectory]
  return spawn(program, [...rest, ...options], { stdio: 'ignore', cwd: '/' })
}

/** Field `policy` of proc(5). */
const schedulingClass = (pid: number) =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[38])

const environmentOf = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')

test('only its user can open the socket', async () => {
  await connected()
  assert.equal(statSync(join(lab.stateDirectory, 'guard.sock')).mode & 0o777, 0o600)
})

test('a second guard leaves the first and its instance alone', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  const before = guard.status()!.status
  const pid = lab.guardPid()
  const second = spawnGuard()
  await waitFor('the second has ended', 20_000, () => second.exitCode !== null)
  assert.equal(second.exitCode, 0)
  assert.equal(lab.guardPid(), pid)
  assert.deepEqual(guard.status()!.status, before)
})

test('two agents that look for a guard at once find the same one', async () => {
  const [first, second] = [lab.client(), lab.client()]
  await Promise.all([first, second].map(client => client.ensure(AbortSignal.timeout(30_000))))
  await waitFor('one guard is left', 20_000, () => lab.guardPid())
})

test('words that it does not know close the connection and change nothing', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  const words = [
    'hello',
    '{"id":1}',
    '{"id":1,"message":{"kind":"arm","term":1,"deadline":{"mono":"x"},"ttl":1}}',
    '[]',
  ]
  for (const line of [...words, 'x'.repeat(300_000)]) {
    const socket = connect(join(lab.stateDirectory, 'guard.sock'))
    socket.on('error', () => {})
    socket.resume()
    socket.write(`${line}\n`)
    await new Promise(resolve => socket.once('close', resolve))
  }
  const again = await connected()
  assert.deepEqual([again.status()!.status.alive, again.status()!.status.mode], [true, 'armed'])
})

test('neither guard nor PostgreSQL inherits what could change them or leak', async () => {
  const secret = {
    ...process.env,
    PGPASSWORD: 'canary',
    NODE_OPTIONS: '--no-warnings',
    LD_PRELOAD: '/canary.so',
  }
  const { stateDirectory, dataDirectory, guardCommand } = lab
  const options = { stateDirectory, dataDirectory, command: guardCommand, environment: secret, now }
  const guard = createGuardClient(options)
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  done(await guard.start(lab.command))
  await waitFor('it answers', 60_000, () => lab.sql('select 1').then(() => true))
  const { postmaster } = guard.status()!.status
  for (const pid of [lab.guardPid(), postmaster!]) {
    const text = environmentOf(pid).join(' ')
    assert.doesNotMatch(text, /canary|NODE_OPTIONS|LD_PRELOAD/)
  }
  assert.ok(environmentOf(postmaster!).includes('LANG=C.UTF-8'), 'what the agent gave it is there')
  guard.detach()
})

test('guard and postmaster have sessions of their own, and the guard is the parent', async () => {
  const guard = await connected()
  done(await guard.start(lab.command))
  const { postmaster } = guard.status()!.status
  assert.equal(processState(postmaster!)?.parent, lab.guardPid())
  const session = (pid: number) =>
    Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3])
  assert.equal(session(postmaster!), postmaster)
  assert.equal(session(lab.guardPid()), lab.guardPid())
})

test('it ends when it is asked to and nothing runs, and not before', async () => {
  const guard = await connected()
  done(await guard.start(lab.command))
  const pid = lab.guardPid()
  await guard.quit()
  assert.equal(isAlive(pid), true)
  assert.equal(done(await guard.kill()).alive, false)
  await waitFor('the postmaster is gone', 10_000, () => guard.status()?.status.postmaster === null)
  await guard.quit()
  await waitFor('it has ended', 10_000, () => !isAlive(pid))
})

test('SIGTERM: with an agent it waits for it, without one it stops PostgreSQL and ends', async () => {
  const guard = await connected()
  done(await guard.start(lab.command))
  await waitFor('it answers', 60_000, () => lab.sql('select 1').then(() => true))
  const pid = lab.guardPid()
  sendSignal(pid, 'SIGTERM')
  const asked = now()
  await waitFor('it goes on speaking', 10_000, () => (guard.status()?.echoAt.mono ?? 0) > asked.mono + 500)
  assert.equal(guard.status()!.status.alive, true)
  guard.detach()
  await waitFor('it has ended', 60_000, () => {
    sendSignal(pid, 'SIGTERM')
    return !isAlive(pid)
  })
  await lab.ended()
})

test('as root: PostgreSQL runs as the owner of its data, and only the guard is served first', {
  skip: !isRoot(),
}, async t => {
  const { stateDirectory, dataDirectory } = lab
  const command = lab.guardCommand.slice(-3) as [string, ...string[]]
  const guard = createGuardClient({ stateDirectory, dataDirectory, command, environment: {}, now })
  t.after(() => guard.detach())
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  await makePrimary(lab, guard, 1, 60_000)
  const { postmaster } = guard.status()!.status
  assert.equal(statSync(`/proc/${lab.guardPid()}`).uid, 0)
  assert.equal(statSync(`/proc/${postmaster}`).uid, statSync(dataDirectory).uid)
  const [ORDINARY, FIRST_IN_FIRST_OUT] = [0, 1]
  const allowed = spawnSync('chrt', ['--fifo', '1', 'true']).status === 0
  const guardClass = () => schedulingClass(lab.guardPid())
  if (allowed) await waitFor('it is served first', 10_000, () => guardClass() === FIRST_IN_FIRST_OUT)
  assert.equal(schedulingClass(postmaster!), ORDINARY)
  const [pid, stopped] = [lab.guardPid(), lab.instance()]
  sendSignal(pid, 'SIGKILL')
  await lab.ended()
  assert.ok(stopped.length > 0, 'the death signal reaches a postmaster of another user too')
})

test('a directory that is too deep for a socket is named', async () => {
  const stateDirectory = join(lab.directory, 'd'.repeat(100))
  const { dataDirectory, guardCommand } = lab
  const guard = createGuardClient({
    stateDirectory,
    dataDirectory,
    command: guardCommand,
    environment: {},
    now,
  })
  await assert.rejects(guard.ensure(AbortSignal.timeout(10_000)), error =>
    isVigilError(error, 'GUARD_UNAVAILABLE'),
  )
})

test('a state directory that cannot be made is named', async () => {
  const { dataDirectory, guardCommand } = lab
  const stateDirectory = join(lab.dataDirectory, 'PG_VERSION', 'state')
  const guard = createGuardClient({
    stateDirectory,
    dataDirectory,
    command: guardCommand,
    environment: {},
    now,
  })
  await assert.rejects(guard.ensure(AbortSignal.timeout(10_000)), /PG_VERSION/)
})

test('a guard that cannot start says why', async () => {
  const { stateDirectory, dataDirectory } = lab
  const command = [process.execPath, '-e', 'console.error("no legs"); process.exit(3)', '--'] as const
  const guard = createGuardClient({ stateDirectory, dataDirectory, command, environment: {}, now })
  await assert.rejects(guard.ensure(AbortSignal.timeout(20_000)), /no legs/)
})

test('clocks that count from another zero are refused', async () => {
  await connected()
  const { stateDirectory, dataDirectory, guardCommand } = lab
  const elsewhere = () => ({ mono: now().mono + 3_600_000, boot: now().boot })
  const options = { stateDirectory, dataDirectory, command: guardCommand, environment: {}, now: elsewhere }
  await assert.rejects(createGuardClient(options).ensure(AbortSignal.timeout(10_000)), /clocks/)
})
