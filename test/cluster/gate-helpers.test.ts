// The helpers that renew the gate at the database port for an agent that was root: killed, stopped, all gone.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, test } from 'node:test'
import { openMachineClock } from '../../src/guard/clock.ts'
import { createPortGate, type PortGate, removeGate } from '../../src/guard/port-gate.ts'
import { type NftShell, openNftShell } from '../../src/host/nft-shell.ts'
import { later, type Ms } from '../../src/kernel/time.ts'
import { databaseUser } from '../lab/database-user.ts'
import { freePorts } from '../lab/free-ports.ts'
import { allProcesses, commandLine, isAlive, processState, sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'

const now = openMachineClock()
let shell: NftShell
let gate: PortGate
let place: { readonly port: number; readonly addresses: readonly string[] }

beforeEach(() => {
  const opened = openNftShell(databaseUser())
  if (typeof opened === 'string') throw new Error(`this test needs root and nft: ${opened}`)
  shell = opened
  place = { port: freePorts(1)[0]!, addresses: ['127.0.0.1'] }
  gate = createPortGate({ shell, place, now })
})
afterEach(async () => {
  shell.close()
  await waitFor('the helpers have ended with their agent', 10_000, () => helpers().length === 0)
  for (const verb of ['add', 'delete']) nft(verb, 'table', 'inet', table())
})

const table = () => `vigil_127_0_0_1_${place.port}`
const nft = (...words: string[]) => execFileSync('nft', words, { encoding: 'utf8', stdio: 'pipe' })

/** Milliseconds until the port leaves the set by itself; null: it is not in it, or stays. */
function opensFor(): Ms | null {
  const left = nft('list', 'set', 'inet', table(), 'open').match(
    /expires (?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?/,
  )
  return left && Number(left[1] ?? 0) * 60_000 + Number(left[2] ?? 0) * 1000 + Number(left[3] ?? 0)
}

async function renew(ms: Ms): Promise<void> {
  gate.openUntil(later(now(), ms))
  await gate.settled(10_000)
}

const isHelper = (pid: number) =>
  processState(pid)?.parent === process.pid && commandLine(pid).at(-1)?.endsWith('/nft') === true
const helpers = () => allProcesses().filter(isHelper).filter(isAlive)
/** The one that has an nft running. */
const busy = () => helpers().find(pid => allProcesses().some(child => processState(child)?.parent === pid))!

/** With its nft, which could still do one transaction before the agent hears of the end. */
async function kill(pid: number): Promise<void> {
  sendSignal(-pid, 'SIGKILL')
  await waitFor('it is gone', 10_000, () => !helpers().includes(pid))
}

test('the helpers belong to the database user and hold one right; of two that are there one does nothing', async () => {
  await renew(10_000)
  assert.equal(helpers().length, 2)
  const status = execFileSync('cat', [`/proc/${busy()}/status`], { encoding: 'utf8' })
  assert.match(status, new RegExp(`^Uid:\\s+${databaseUser().uid}\\s`, 'm'))
  assert.match(status, /^CapEff:\s+0*1000$/m)
})

test('one that is killed is replaced by the other, and the gate is renewed as before', async () => {
  await renew(4000)
  await kill(busy())
  await renew(60_000)
  assert.equal(gate.obstacle(), null)
  assert.equal(gate.trouble(), null)
  assert.ok(opensFor()! > 30_000)
})

test('one that was stopped is replaced, and what it was told last is not done later', async () => {
  await renew(60_000)
  const first = busy()
  const group = allProcesses().filter(pid => pid === first || processState(pid)?.parent === first)
  for (const pid of group) sendSignal(pid, 'SIGSTOP')
  await renew(600_000)
  assert.equal(gate.obstacle(), 'nft does not answer')
  await renew(30_000)
  assert.equal(gate.obstacle(), null)
  for (const pid of group) sendSignal(pid, 'SIGCONT')
  await waitFor('the stopped ones are gone', 10_000, () => !group.some(isAlive))
  assert.ok(opensFor()! < 40_000)
})

test('when all are gone that is said as long as the port would shut, and what is in force is left alone', async () => {
  await renew(60_000)
  for (const pid of helpers()) await kill(pid)
  await renew(600_000)
  assert.match(gate.trouble()?.reason ?? '', /ended/)
  assert.ok(opensFor()! < 70_000)
  gate.open()
  await gate.settled(10_000)
  assert.notEqual(gate.trouble(), null)
})

test('a port that stays open for good is no trouble, whoever is gone', async () => {
  gate.open()
  await gate.settled(10_000)
  for (const pid of helpers()) await kill(pid)
  await renew(5000)
  assert.notEqual(gate.obstacle(), null)
  assert.equal(gate.trouble(), null)
})

test('an agent that is told to do without removes what another left, or nothing', async () => {
  const tables = () => nft('list', 'tables').includes(table())
  await renew(60_000)
  assert.equal(tables(), true)
  await removeGate(shell, place)
  assert.equal(tables(), false)
  await removeGate(shell, place)
  assert.equal(tables(), false)
})
