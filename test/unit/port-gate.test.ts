// When the gate at the database port is renewed, tried again, and said to be in trouble. The kernel is played.
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { createPortGate, type NftShell, type PortGate } from '../../src/guard/port-gate.ts'
import { type Instant, later, type Ms } from '../../src/kernel/time.ts'

let clock: Instant
let told: string[]
/** What the next transactions come to, and how long each takes. */
let complaint: string | null
let slowMs: Ms
let gone: boolean
let gate: PortGate

const shell: NftShell = {
  async run(transaction) {
    told.push(transaction)
    clock = later(clock, slowMs)
    return complaint
  },
  cutConnections: async () => {},
  lost: () => gone,
  close: () => {},
}

beforeEach(() => {
  clock = { mono: 1000, boot: 1000 }
  told = []
  complaint = null
  slowMs = 0
  gone = false
  gate = createPortGate({ shell, place: { port: 5432, addresses: [] }, now: () => clock })
})

const timeouts = () => told.map(text => Number(/timeout (\d+)ms/.exec(text)?.[1]))
const pass = (ms: Ms) => {
  clock = later(clock, ms)
}
async function openFor(ms: Ms): Promise<void> {
  gate.openUntil(later(clock, ms))
  await gate.settled(1000)
}
async function open(): Promise<void> {
  gate.open()
  await gate.settled(1000)
}

test('the port shuts half a second after the deadline; a slow way to the kernel does not add to it', async () => {
  await openFor(5000)
  assert.deepEqual(timeouts(), [5500])
  slowMs = 300
  await openFor(5000)
  assert.deepEqual(timeouts(), [5500, 5500, 5200])
})

test('what can not be renewed is trouble when the port is about to shut, not before', async () => {
  await openFor(5000)
  complaint = 'nft does not answer'
  pass(1000)
  await openFor(5000)
  assert.equal(gate.trouble(), null)
  pass(2500)
  assert.equal(gate.trouble()?.reason, complaint)
  complaint = null
  await openFor(5000)
  assert.equal(gate.trouble(), null)
})

test('it is trouble at once when nobody is left who could, and stays so until somebody could', async () => {
  await openFor(5000)
  complaint = 'nft has ended'
  gone = true
  await openFor(6000)
  assert.deepEqual(gate.trouble(), { reason: 'nft has ended', since: clock })
  pass(60_000)
  await open()
  assert.notEqual(gate.trouble(), null)
})

test('a gate that was never made is no trouble, and is not asked for each second by a standby', async () => {
  complaint = 'no such kernel'
  gone = true
  await open()
  assert.equal(gate.trouble(), null)
  assert.equal(gate.obstacle(), complaint)
  pass(2000)
  await open()
  assert.equal(told.length, 1)
  pass(30_000)
  await open()
  assert.equal(told.length, 2)
})

test('a primary asks for it each second: the agent before may have left one that shuts', async () => {
  complaint = 'nft does not answer'
  await openFor(5000)
  pass(1000)
  complaint = null
  await openFor(5000)
  assert.deepEqual([told.length, gate.obstacle()], [2, null])
})
