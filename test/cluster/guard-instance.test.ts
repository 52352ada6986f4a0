// Rows 13 and 14 of the failure cases, and what the guard does about instances that others started or promoted.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after as afterAll, afterEach, before, test } from 'node:test'
import type { Guard } from '../../src/ports/guard.ts'
import { databaseUser, giveTo, switchUser } from '../lab/database-user.ts'
import { isAlive, sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import {
  after,
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

async function connected(): Promise<Guard> {
  const guard = lab.client()
  assert.equal(await guard.ensure(AbortSignal.timeout(30_000)), true)
  return guard
}

const status = (guard: Guard) => {
  const heard = guard.status()
  if (!heard) throw new Error('the guard is lost')
  return heard.status
}
const standbyAnswers = () => waitFor('it answers', 60_000, () => lab.sql('select 1').then(() => true))
const signalFile = () => existsSync(join(lab.dataDirectory, 'standby.signal'))

/** As somebody would by hand, or another manager before us. */
function startByHand(): void {
  const [program, ...rest] = [...switchUser(databaseUser()), lab.command.program, ...lab.command.arguments]
  spawn(program!, rest, { stdio: 'ignore', cwd: '/', detached: true }).unref()
}

test('postmaster killed: its orphans are killed, and the next start is a standby', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  const clients = await lab.clients(4)
  const killedAt = now().mono
  sendSignal(status(guard).postmaster!, 'SIGKILL')
  await lab.ended(clients)
  assert.equal(after(clients, killedAt + MARGIN_MS), 0)
  await waitFor('the guard knows', 10_000, () => !status(guard).alive && status(guard).postmaster === null)
  assert.equal(status(guard).exit?.cause, 'self')
  assert.equal(status(guard).mode, 'armed', 'the holder may take the next term at once')
  done(await guard.start(lab.command))
  await standbyAnswers()
  await assert.rejects(lab.sql('insert into acks (client) values (0)'), /read-only/)
  assert.equal((await guard.promote(1)).kind, 'refused', 'a term promotes once')
})

test('postmaster stopped: a kill reaches it and everything below it', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  const clients = await lab.clients(4)
  for (const pid of lab.instance()) sendSignal(pid, 'SIGSTOP')
  const answer = done(await guard.kill())
  assert.equal(answer.alive, false)
  await lab.ended(clients)
  await waitFor('its end is seen', 10_000, () => status(guard).exit !== null)
  assert.equal(status(guard).exit?.cause, 'request')
})

test('postmaster stopped: the deadline holds for it too', async () => {
  const guard = await connected()
  const deadline = await makePrimary(lab, guard, 1, 10_000)
  const clients = await lab.clients(4)
  sendSignal(status(guard).postmaster!, 'SIGSTOP')
  await lab.ended(clients)
  assert.equal(after(clients, deadline.mono + MARGIN_MS), 0)
})

test('200 busy backends: nothing is acknowledged after the deadline', async t => {
  const guard = await connected()
  const limit = await makePrimary(lab, guard, 1, 60_000)
  const clients = await lab.clients(200)
  await waitFor('all are connected', 60_000, () => lab.instance().length > 200)
  const deadline = { mono: now().mono + 1000, boot: now().boot + 1000 }
  assert.ok(deadline.mono < limit.mono)
  done(await guard.lower(deadline))
  await waitFor('the guard says dead', 30_000, () => !status(guard).alive)
  const deadAt = guard.status()!.echoAt.mono
  await lab.ended(clients)
  assert.equal(after(clients, deadline.mono + MARGIN_MS), 0)
  const last = Math.round(lastAcknowledgement(clients) - deadline.mono)
  t.diagnostic(`last acknowledgement at D ${last} ms, dead by D + ${Math.round(deadAt - deadline.mono)} ms`)
})

test('a fast stop asked for by the agent ends cleanly', async () => {
  const guard = await connected()
  await makePrimary(lab, guard, 1, 60_000)
  done(await guard.stop('fast'))
  await waitFor('it has stopped', 30_000, () => !status(guard).alive)
  assert.deepEqual([status(guard).exit?.code, status(guard).exit?.cause], [0, 'request'])
  assert.equal(done(await guard.drop(1)).mode, 'standby')
  assert.equal((await guard.arm(1, { mono: now().mono + 500, boot: now().boot + 500 }, 1000)).kind, 'refused')
})

test('a standby that somebody promotes by hand is killed', async () => {
  const guard = await connected()
  done(await guard.start(lab.command))
  await standbyAnswers()
  assert.equal(signalFile(), true)
  writeFileSync(join(lab.dataDirectory, 'promote'), '')
  giveTo(databaseUser(), join(lab.dataDirectory, 'promote'))
  sendSignal(status(guard).postmaster!, 'SIGUSR1')
  await lab.ended()
  await waitFor('the guard says so', 10_000, () => status(guard).exit?.cause === 'promoted')
  assert.equal(status(guard).mode, 'fenced')
})

test('an instance that was there before is adopted, armed and killed at its deadline', async () => {
  startByHand()
  await standbyAnswers()
  const guard = await connected()
  assert.deepEqual([status(guard).adopted, status(guard).alive], [true, true])
  // It runs as a primary without standby.signal, and goes on doing so until somebody decides.
  await lab.sql('create table if not exists acks (id bigserial primary key, client int)')
  const clients = await lab.clients(4)
  const deadline = { mono: now().mono + 2500, boot: now().boot + 2500 }
  done(await guard.arm(1, deadline, 3000))
  await lab.ended(clients)
  assert.equal(after(clients, deadline.mono + MARGIN_MS), 0)
  assert.ok(after(clients, deadline.mono - 1000) > 0, 'it was not killed before')
  await waitFor('its end is seen', 10_000, () => status(guard).exit?.cause === 'deadline')
})

test('an instance that somebody starts by hand beside an idle guard is adopted', async () => {
  const guard = await connected()
  startByHand()
  await waitFor('it is seen', 20_000, () => status(guard).adopted)
  assert.equal((await guard.start(lab.command)).kind, 'refused')
  assert.equal(done(await guard.kill()).alive, false)
  await lab.ended()
})

test('a program that cannot be executed is reported with its words', async () => {
  const guard = await connected()
  await guard.start({ ...lab.command, arguments: ['-D', '/nonexistent'] })
  const { exit } = await waitFor('its end is seen', 20_000, () => status(guard).exit && status(guard))
  assert.match(exit!.output, /nonexistent/)
  assert.equal(status(guard).alive, false)
})

test('a shell in the data directory is nobody', async () => {
  const shell = spawn('sleep', ['1000'], { cwd: lab.dataDirectory, stdio: 'ignore' })
  const guard = await connected()
  assert.equal(done(await guard.kill()).alive, false)
  assert.equal(isAlive(shell.pid!), true)
  shell.kill('SIGKILL')
})
