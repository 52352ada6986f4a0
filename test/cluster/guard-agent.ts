// Stands in for the agent in the guard's tests: gets a primary and renews its deadline. Started as a process of its own.
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { createGuardClient } from '../../src/guard/client.ts'
import { openMachineClock } from '../../src/guard/clock.ts'
import { gatedGuard } from '../../src/guard/gated.ts'
import { createPortGate } from '../../src/guard/port-gate.ts'
import { openNftShell } from '../../src/host/nft-shell.ts'
import { type Instant, later } from '../../src/kernel/time.ts'
import type { Guard, StartCommand } from '../../src/ports/guard.ts'

export interface AgentOptions {
  readonly stateDirectory: string
  readonly dataDirectory: string
  readonly guardCommand: readonly [string, ...string[]]
  readonly command: StartCommand
  readonly port: number
  readonly term: number
  readonly ttl: number
  readonly renewMs: number
  /** Kills by itself when the guard is silent. */
  readonly fence: boolean
  /** With the kernel's gate at the port, for which this process must be root. */
  readonly gate?: boolean
}

export interface AgentReport {
  readonly kind: 'connected' | 'renewed' | 'refused' | 'lost' | 'fenced'
  readonly at: Instant
  readonly deadline?: Instant
  readonly postmaster?: number | null
  readonly reason?: string
}

const options = JSON.parse(process.argv[2]!) as AgentOptions
const { term } = options
/** A slow machine may take its time to get a primary; the deadline that is tested begins then. */
const SETUP_TTL_MS = 60_000
const now = openMachineClock()
const client = createGuardClient({ ...options, environment: process.env, command: options.guardCommand, now })
const guard = options.gate ? withGate(client) : client
let storeReachable = true
process.on('SIGUSR2', () => {
  storeReachable = false
})

function withGate(guard: Guard): Guard {
  const shell = openNftShell(null)
  if (typeof shell === 'string') throw new Error(`this test needs root and nft: ${shell}`)
  const place = { port: options.port, addresses: ['127.0.0.1'] }
  const gate = createPortGate({ shell, place, now })
  return gatedGuard({ guard, gate, obstacle: null, required: true })
}

function report(kind: AgentReport['kind'], more: Partial<AgentReport> = {}): void {
  process.stdout.write(`${JSON.stringify({ kind, at: now(), ...more })}\n`)
}

async function answers(sql: string): Promise<boolean> {
  const client = new pg.Client({ host: '127.0.0.1', port: options.port, user: 'vigil', database: 'postgres' })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(sql)
    return true
  } catch {
    return false
  } finally {
    client.connection.stream.destroy()
  }
}

async function until(sql: string): Promise<void> {
  while (!(await answers(sql))) {
    await renew(SETUP_TTL_MS)
    await delay(20)
  }
}

async function renew(ttl: number): Promise<void> {
  if (!storeReachable) return
  const deadline = later(now(), ttl - 50)
  const answer = await guard.arm(term, deadline, ttl)
  if (answer.kind === 'done')
    report('renewed', { deadline: answer.status.deadline!, postmaster: answer.status.postmaster })
  else report(answer.kind, { reason: answer.reason })
}

async function watch(): Promise<void> {
  for (;;) {
    await delay(options.renewMs)
    if (guard.status() === null && options.fence) {
      const dead = await guard.killWithoutGuard()
      report('fenced', { reason: String(dead) })
      return
    }
    await renew(options.ttl)
  }
}

await guard.ensure(AbortSignal.timeout(30_000))
if (!guard.status()?.status.alive) {
  await guard.start(options.command)
  await until('select 1')
  await renew(SETUP_TTL_MS)
  await guard.promote(term)
  await until('create table if not exists acks (id bigserial primary key, client int)')
  await guard.lower(later(now(), options.ttl))
}
await renew(options.ttl)
report('connected')
await watch()
