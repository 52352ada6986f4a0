import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openMachineClock } from '../../src/guard/clock.ts'
import { openConnection } from '../../src/guard/connection.ts'
import { INITIAL_STATE, statusOf } from '../../src/guard/model.ts'
import { encode, PROTOCOL_VERSION } from '../../src/guard/wire.ts'
import { later } from '../../src/kernel/time.ts'
import { waitFor } from '../lab/wait.ts'

const now = openMachineClock()
const status = statusOf(INITIAL_STATE)

/** A guard that says hello and then only what the test makes it say. */
async function connected(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'vigil-echo-'))
  const path = join(directory, 'guard.sock')
  const hello = {
    kind: 'hello',
    version: PROTOCOL_VERSION,
    dataDirectory: '/data',
    pid: 1,
    now: now(),
    status,
  } as const
  let guard: Socket | null = null
  const server = createServer(socket => {
    guard = socket
    socket.once('data', () => socket.write(encode({ ...hello, now: now() })))
  }).listen(path)
  await new Promise(resolve => server.once('listening', resolve))
  const connection = await openConnection({ path, now, changed: () => {} })
  t.after(() => {
    connection.close()
    server.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return {
    connection,
    say: (ago: number) => guard!.write(encode({ kind: 'status', now: later(now(), -ago), status })),
  }
}

test('a guard that falls silent is not relied on any more', async t => {
  const { connection } = await connected(t)
  assert.notEqual(connection.heard(), null)
  await waitFor('it has been silent for too long', 10_000, () => connection.heard() === null)
  assert.equal((await connection.request({ kind: 'kill' }, 1000)).kind, 'lost')
})

test('an echo is as old as the guard said it, however late it is read', async t => {
  const { connection, say } = await connected(t)
  await waitFor('it has been silent for too long', 10_000, () => connection.heard() === null)
  const first = connection.last().echoAt.mono
  // What lies in the buffers of an agent that was stopped: later than the last one, and still long ago.
  say(600.5)
  await waitFor('it is read', 10_000, () => connection.last().echoAt.mono !== first)
  assert.equal(connection.heard(), null)
})

test('a request that is under way is lost when the guard falls silent, long before its own limit', async t => {
  const { connection } = await connected(t)
  const answer = await connection.request({ kind: 'kill' }, 60_000)
  assert.equal(answer.kind, 'lost')
})
