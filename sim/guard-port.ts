// The agent's view of its guard: a connection that answers, or is lost.

import type { GuardMessage } from '../src/guard/model.ts'
import { elapsedAtMost, type Instant } from '../src/kernel/time.ts'
import type { Guard, GuardAnswer, GuardStatus } from '../src/ports/guard.ts'
import { startGuard } from './guard.ts'
import type { Process } from './process.ts'
import type { Connection, GuardProcess, Host, World } from './world.ts'

/** As the real client: a word is answered in this time, and silence for so long is a guard that can't be relied on. */
const ECHO_AGE_MAX_MS = 600
/** Starts, promotions and kills take longer than a word. */
const DEED_LIMIT_MS = 5000
const SPAWN_MS = 30

interface Heard {
  readonly status: GuardStatus
  readonly echoAt: Instant
}

interface Line {
  /** False: there is nobody, or it does not speak. */
  connect(): Promise<boolean>
  open(): boolean
  /** The last word of the guard while it is fresh. */
  heard(): Heard | null
  ask(message: GuardMessage, limitMs?: number): Promise<GuardAnswer>
  detach(): void
}

export function openGuardPort(world: World, host: Host, agent: Process): Guard {
  let changed: () => void = () => {}
  const line = openLine(world, host, agent, () => changed())
  return {
    status: line.heard,
    ensure: async () => {
      if (line.open()) return line.heard() !== null
      if (!host.guard?.process.alive()) {
        await pause(agent, world.random.between(0.5, 1.5) * SPAWN_MS)
        if (!host.guard?.process.alive()) host.guard = startGuard(world, host)
      }
      return line.connect()
    },
    arm: (term, deadline, ttl) => line.ask({ kind: 'arm', term, deadline, ttl }),
    lower: deadline => line.ask({ kind: 'lower', deadline }),
    drop: term => line.ask({ kind: 'drop', term }),
    unarm: term => line.ask({ kind: 'unarm', term }),
    start: command => line.ask({ kind: 'start', command }, DEED_LIMIT_MS),
    stop: mode => line.ask({ kind: 'stop', mode }),
    promote: term => line.ask({ kind: 'promote', term }, DEED_LIMIT_MS),
    kill: () => line.ask({ kind: 'kill' }, DEED_LIMIT_MS),
    killWithoutGuard: () => killWithoutGuard(world, host, { agent, line }),
    onChange: callback => {
      changed = callback
    },
    quit: async () => {
      await line.ask({ kind: 'quit' })
    },
    detach: line.detach,
  }
}

function openLine(world: World, host: Host, agent: Process, changed: () => void): Line {
  let guard: GuardProcess | null = null
  let last: Heard | null = null
  let nextId = 1
  const pending = new Map<number, (answer: GuardAnswer) => void>()

  const fresh = () =>
    guard !== null && last !== null && elapsedAtMost(last.echoAt, host.clock.now()) <= ECHO_AGE_MAX_MS
  const forsake = (reason: string) => {
    for (const resolve of pending.values()) resolve({ kind: 'lost', reason })
    pending.clear()
  }
  const note = (status: GuardStatus, at: Instant) => {
    const before = fresh() ? last?.status : null
    const heard = { status, echoAt: at }
    last = heard
    const { alive, postmaster, mode } = status
    if (before?.alive !== alive || before.postmaster !== postmaster || before.mode !== mode) changed()
    agent.later(ECHO_AGE_MAX_MS + 1, () => {
      if (last !== heard || fresh()) return
      forsake('the guard has not been heard of in time')
      changed()
    })
  }
  const connection: Connection = {
    agent,
    answered: (answer, status) => {
      const resolve = pending.get(answer.to)
      pending.delete(answer.to)
      note(status, host.clock.now())
      if (answer.kind === 'done') resolve?.({ kind: 'done', status })
      else resolve?.({ kind: 'refused', reason: answer.reason, status })
    },
    echoed: note,
    closed: () => {
      guard = null
      last = null
      forsake('the guard is gone')
      changed()
    },
  }
  return {
    open: () => guard !== null,
    heard: () => (fresh() ? last : null),
    connect: () =>
      new Promise(resolve => {
        const found = host.guard
        if (found?.process.alive() !== true) return resolve(false)
        found.process.later(1, () => {
          found.attach(connection)
          agent.later(1, () => {
            guard = found
            resolve(true)
          })
        })
        agent.later(ECHO_AGE_MAX_MS, () => resolve(false))
      }),
    ask: (message, limitMs = ECHO_AGE_MAX_MS) =>
      new Promise(resolve => {
        const to = guard
        if (!to || !fresh())
          return resolve({ kind: 'lost', reason: 'the guard has not been heard of in time' })
        const id = nextId++
        pending.set(id, resolve)
        to.process.later(world.random.between(0.1, 2), () => to.message(connection, id, message))
        agent.later(limitMs, () => {
          if (pending.delete(id)) resolve({ kind: 'lost', reason: 'no answer' })
        })
      }),
    detach: () => {
      guard?.detach(connection)
      guard = null
    },
  }
}

function pause(agent: Process, ms: number): Promise<void> {
  return new Promise(resolve => agent.later(ms, resolve))
}

/** The instance first: what the guard would have done. Then the guard, which is of no use any more. */
async function killWithoutGuard(
  world: World,
  host: Host,
  { agent, line }: { readonly agent: Process; readonly line: Line },
): Promise<boolean> {
  host.postgres.killEverything(host.killMs)
  if (!line.heard()) host.guard?.process.kill()
  for (let round = 0; round < KILL_ROUNDS; round++) {
    await pause(agent, 25)
    if (!host.postgres.alive()) return true
    if (round % 5 === 4) host.postgres.killEverything(host.killMs)
  }
  world.log.line(host.name, 'processes of PostgreSQL survive SIGKILL')
  return false
}

const KILL_ROUNDS = 40
