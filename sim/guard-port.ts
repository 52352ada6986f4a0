// The agent's view of its guard: a connection that answers, or is lost.

import type { GuardMessage } from '../src/guard/model.ts'
import { elapsedAtMost, type Instant } from '../src/kernel/time.ts'
import type { Guard, GuardAnswer, GuardStatus } from '../src/ports/guard.ts'
import { startGuard } from './guard.ts'
import type { Process } from './process.ts'
import type { Connection, GuardProcess, Host, World } from './world.ts'

/** No answer for so long: lost. Starts and kills take longer than a word. */
const ANSWER_LIMIT_MS = 1000
const DEED_LIMIT_MS = 5000
const ECHO_LIMIT_MS = 600
const SPAWN_MS = 30

interface Line {
  readonly connection: Connection
  connect(): Promise<boolean>
  connected(): boolean
  /** The last word of the guard, and when it said it. */
  last(): { readonly status: GuardStatus; readonly echoAt: Instant } | null
  ask(message: GuardMessage, limitMs: number): Promise<GuardAnswer>
  detach(): void
}

export function openGuardPort(world: World, host: Host, agent: Process): Guard {
  let changed: () => void = () => {}
  const line = openLine(world, host, agent, () => changed())
  const answering = () => {
    const last = line.connected() ? line.last() : null
    return last !== null && elapsedAtMost(last.echoAt, host.clock.now()) < ECHO_LIMIT_MS
  }
  return {
    status: () => (line.connected() ? line.last() : null),
    ensure: async () => {
      if (line.connected()) return true
      if (!host.guard?.process.alive()) {
        await pause(agent, world.random.between(0.5, 1.5) * SPAWN_MS)
        if (!host.guard?.process.alive()) host.guard = startGuard(world, host)
      }
      return line.connect()
    },
    arm: (term, deadline, ttl) => line.ask({ kind: 'arm', term, deadline, ttl }, ANSWER_LIMIT_MS),
    lower: deadline => line.ask({ kind: 'lower', deadline }, ANSWER_LIMIT_MS),
    drop: term => line.ask({ kind: 'drop', term }, ANSWER_LIMIT_MS),
    unarm: term => line.ask({ kind: 'unarm', term }, ANSWER_LIMIT_MS),
    start: command => line.ask({ kind: 'start', command }, DEED_LIMIT_MS),
    stop: mode => line.ask({ kind: 'stop', mode }, ANSWER_LIMIT_MS),
    promote: term => line.ask({ kind: 'promote', term }, DEED_LIMIT_MS),
    kill: () => (answering() ? line.ask({ kind: 'kill' }, DEED_LIMIT_MS) : Promise.resolve(SILENT)),
    killWithoutGuard: () => killWithoutGuard(world, host, agent),
    onChange: callback => {
      changed = callback
    },
    quit: async () => {
      await line.ask({ kind: 'quit' }, ANSWER_LIMIT_MS)
    },
    detach: line.detach,
  }
}

function openLine(world: World, host: Host, agent: Process, changed: () => void): Line {
  let guard: GuardProcess | null = null
  let last: { status: GuardStatus; echoAt: Instant } | null = null
  let nextId = 1
  const pending = new Map<number, (answer: GuardAnswer) => void>()

  const note = (status: GuardStatus, at: Instant) => {
    const before = last?.status
    last = { status, echoAt: at }
    const same =
      before?.alive === status.alive && before.postmaster === status.postmaster && before.mode === status.mode
    if (!same) changed()
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
      for (const resolve of pending.values()) resolve({ kind: 'lost', reason: 'the guard is gone' })
      pending.clear()
      changed()
    },
  }
  return {
    connection,
    connected: () => guard?.process.alive() === true,
    last: () => last,
    connect: async () => {
      await pause(agent, 2)
      if (host.guard?.process.alive() !== true) return false
      guard = host.guard
      guard.attach(connection)
      return true
    },
    ask: (message, limitMs) =>
      new Promise(resolve => {
        const to = guard
        if (!to) return resolve({ kind: 'lost', reason: 'not connected' })
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

/** A guard that does not answer is stopped or hung: it is killed too, so that another can be started. */
async function killWithoutGuard(world: World, host: Host, agent: Process): Promise<boolean> {
  host.guard?.process.kill()
  host.postgres.killEverything(host.killMs)
  for (let round = 0; round < 100; round++) {
    await pause(agent, 20)
    if (!host.postgres.alive()) return true
    if (round % 10 === 9) host.postgres.killEverything(host.killMs)
  }
  world.log.line(host.name, 'processes of PostgreSQL survive SIGKILL')
  return false
}

const SILENT: GuardAnswer = { kind: 'lost', reason: 'no echo' }
