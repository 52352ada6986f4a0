// Row 6 of the failure cases: agent and guard are stopped while PostgreSQL runs. The kernel shuts the port by itself.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { after as afterAll, afterEach, before, test } from 'node:test'
import { isAlive, sendSignal } from '../lab/processes.ts'
import { query } from '../lab/sql.ts'
import { waitFor } from '../lab/wait.ts'
import { after, type GuardLab, lastAcknowledgement, MARGIN_MS, now, openGuardLab } from './guard-lab.ts'

let lab: GuardLab
before(async () => {
  lab = await openGuardLab()
})
afterEach(() => lab.reset())
afterAll(() => lab.close())

const table = () => `vigil_127_0_0_1_${lab.port}`
const nft = (...words: string[]) => execFileSync('nft', words, { encoding: 'utf8', stdio: 'pipe' })

/** Whether the server at the port takes a connection within a moment. */
function reachable(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    const end = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

const rows = async () => {
  const found = await query<{ n: string }>(
    { host: lab.directory, port: lab.port },
    { user: 'vigil', password: '' },
    'select count(*) as n from acks',
  )
  return Number(found[0]!.n)
}

test('agent and guard stopped while PostgreSQL runs: nothing is acknowledged after the deadline, then or later', async t => {
  const agent = lab.agent({ ttl: 3000, gate: true })
  await agent.until('connected')
  const clients = await lab.clients(4)
  const guardPid = lab.guardPid()
  sendSignal(agent.process.pid!, 'SIGSTOP')
  sendSignal(guardPid, 'SIGSTOP')
  const deadline = agent.deadline().mono
  await waitFor('the deadline is long gone', 20_000, () => now().mono > deadline + 3000)
  await clients.settle()
  assert.ok(lab.instance().length >= 5, 'nobody has stopped PostgreSQL')
  assert.equal(after(clients, deadline + MARGIN_MS), 0)
  assert.ok(after(clients, deadline - 1000) > 0, 'clients were served until shortly before')
  assert.equal(await reachable(lab.port), false, 'nobody can connect, from this machine either')
  const committed = await rows()
  assert.ok(committed >= clients.acknowledged.length)
  // Thawed, the instance first: what its sockets had still to say is not said.
  sendSignal(agent.process.pid!, 'SIGCONT')
  sendSignal(guardPid, 'SIGCONT')
  await lab.ended(clients)
  await waitFor('the port is open for a standby', 10_000, () =>
    nft('list', 'set', 'inet', table(), 'open').includes(`elements = { ${lab.port} }`),
  )
  await clients.settle()
  assert.equal(after(clients, deadline + MARGIN_MS), 0)
  t.diagnostic(
    `last acknowledgement ${Math.round(lastAcknowledgement(clients) - deadline)} ms after the deadline; ${committed - clients.acknowledged.length} commits that nobody was told of`,
  )
})

test('while the deadline is renewed the port stays open, and other ports are left alone when it is not', async () => {
  const agent = lab.agent({ ttl: 2000, gate: true })
  await agent.until('connected')
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => other.once('listening', resolve))
  const { port } = other.address() as { port: number }
  const clients = await lab.clients(2)
  const first = agent.deadline().mono
  await waitFor('two deadlines have passed', 20_000, () => now().mono > first + 4000)
  await clients.settle()
  assert.ok(after(clients, first + 2000) > 0)
  sendSignal(agent.process.pid!, 'SIGSTOP')
  sendSignal(lab.guardPid(), 'SIGSTOP')
  await waitFor('the port is shut', 20_000, async () => !(await reachable(lab.port)))
  assert.equal(await reachable(port), true)
  other.close()
})

test('the guard comes first where it is there: clients are told at once that their connections are gone', async () => {
  const agent = lab.agent({ ttl: 2000, gate: true })
  await agent.until('connected')
  const clients = await lab.clients(4)
  sendSignal(agent.process.pid!, 'SIGSTOP')
  await lab.ended(clients)
  const count = clients.acknowledged.length
  assert.ok(count > 0)
  // Nobody waits for a timeout of TCP: the clients try again, and find nobody there.
  await waitFor('no connection is left', 5000, () => {
    const left = execFileSync('ss', ['-tnH', 'state', 'established', `( dport = :${lab.port} )`], {
      encoding: 'utf8',
    })
    return left.trim() === ''
  })
})

test('rules flushed by somebody are back with the next renewal', async () => {
  const agent = lab.agent({ ttl: 3000, gate: true })
  await agent.until('connected')
  nft('delete', 'table', 'inet', table())
  await waitFor('they are back', 10_000, () => nft('list', 'table', 'inet', table()).includes('timeout'))
})

test('a shut port that a dead agent left behind is opened by the next one for its standby', async () => {
  const first = lab.agent({ ttl: 2000, gate: true })
  await first.until('connected')
  sendSignal(first.process.pid!, 'SIGKILL')
  await lab.ended()
  await waitFor(
    'it has left the set',
    10_000,
    () => !nft('list', 'set', 'inet', table(), 'open').includes('elements'),
  )
  await waitFor('the first agent is gone', 10_000, () => !isAlive(first.process.pid!))
  const second = lab.agent({ ttl: 5000, gate: true, term: 2 })
  await second.until('connected')
  assert.equal(await reachable(lab.port), true)
})

test('a new agent finds the gate of the old one and goes on with it: clients keep their connections', async () => {
  const first = lab.agent({ ttl: 6000, gate: true })
  await first.until('connected')
  const clients = await lab.clients(4)
  const [instance, before] = [lab.instance(), connections()]
  sendSignal(first.process.pid!, 'SIGKILL')
  await waitFor('the first agent is gone', 10_000, () => !isAlive(first.process.pid!))
  const deadline = first.deadline().mono
  const second = lab.agent({ ttl: 6000, gate: true })
  await second.until('connected')
  await waitFor(
    'the first deadline is gone, and the gate that it had',
    20_000,
    () => now().mono > deadline + 2000,
  )
  await clients.settle()
  assert.ok(after(clients, deadline + MARGIN_MS) > 0)
  assert.equal(lab.instance()[0], instance[0])
  assert.deepEqual(connections(), before)
  // The gate is the new one's: with its deadline it shuts.
  for (const pid of [second.process.pid!, lab.guardPid()]) sendSignal(pid, 'SIGSTOP')
  await waitFor('the port is shut', 20_000, async () => !(await reachable(lab.port)))
})

/** Established ones of the clients, by their own ports. */
function connections(): readonly string[] {
  const words = ['-tnH', 'state', 'established', `( dport = :${lab.port} )`]
  const lines = execFileSync('ss', words, { encoding: 'utf8' }).trim().split('\n')
  return lines.map(line => line.split(/\s+/)[2]!).toSorted()
}
