// The agent's view of its guard: a connection that answers, or is lost.

import type { GuardMessage } from '../src/guard/model.ts'
import { elapsedAtMost, type Instant } from '../src/kernel/time.ts'
import type { Guard, GuardAnswer, GuardStatus } from '../src/ports/guard.ts'
import { type Connection, type GuardProcess, startGuard } from './guard.ts'
import type { Host } from './host.ts'
import type { Process } from './process.ts'
import type { World } from './world.ts'

/** No answer for so long: lost. Starts and kills take longer than a word. */
const ANSWER_LIMIT_MS = 1000
const DEED_LIMIT_MS = 5000
const ECHO_LIMIT_MS = 600
const SPAWN_MS = 30

interface Pending {
  readonly resolve: (answer: GuardAnswer) => void
}

export function openGuardPort(world: World, host: Host, agent: Process): Guard {
  let guard: GuardProcess | null = null
  let last: { status: GuardStatus; echoAt: Instant } | null = null
  let changed: () => void = () => {}
  let nextId = 1
  const pending = new Map<number, Pending>()

  const connection: Connection = {
    agent,
    answered: (answer, status) => {
      const waiting = pending.get(answer.to)
      pending.delete(answer.to)
      note(status, host.clock.now())
      if (answer.kind === 'done') waiting?.resolve({ kind: 'done', status })
      else waiting?.resolve({ kind: 'refused', reason: answer.reason, status })
    },
    echoed: (status, at) => note(status, at),
    closed: () => {
      guard = null
      last = null
      for (const { resolve } of pending.values()) resolve({ kind: 'lost', reason: 'the guard is gone' })
      pending.clear()
      changed()
    },
  }
  const note = (status: GuardStatus, at: Instant) => {
    const before = last?.status
    last = { status, echoAt: at }
    if (
      before?.alive !== status.alive ||
      before.postmaster !== status.postmaster ||
      before.mode !== status.mode
    )
      changed()
  }
  const connect = (): Promise<boolean> =>
    new Promise(resolve =>
      agent.later(2, () => {
        const running = host.guard
        if (running?.process.alive() !== true) return resolve(false)
        guard = running
        running.attach(connection)
        resolve(true)
      }),
    )
  const ask = (message: GuardMessage, limitMs: number): Promise<GuardAnswer> =>
    new Promise(resolve => {
      const to = guard
      if (!to) return resolve({ kind: 'lost', reason: 'not connected' })
      const id = nextId++
      pending.set(id, { resolve })
      to.process.later(world.random.between(0.1, 2), () => to.message(connection, id, message))
      agent.later(limitMs, () => {
        if (pending.delete(id)) resolve({ kind: 'lost', reason: 'no answer' })
      })
    })
  const answering = () =>
    guard !== null && last !== null && elapsedAtMost(last.echoAt, host.clock.now()) < ECHO_LIMIT_MS
  return {
    status: () => (guard ? last : null),
    ensure: async () => {
      if (guard?.process.alive()) return true
      if (!host.guard?.process.alive()) {
        await new Promise<void>(resolve => agent.later(world.random.between(0.5, 1.5) * SPAWN_MS, resolve))
        if (!host.guard?.process.alive()) host.guard = startGuard(world, host)
      }
      return connect()
    },
    arm: (term, deadline, ttl) => ask({ kind: 'arm', term, deadline, ttl }, ANSWER_LIMIT_MS),
    lower: deadline => ask({ kind: 'lower', deadline }, ANSWER_LIMIT_MS),
    drop: term => ask({ kind: 'drop', term }, ANSWER_LIMIT_MS),
    unarm: term => ask({ kind: 'unarm', term }, ANSWER_LIMIT_MS),
    start: command => ask({ kind: 'start', command }, DEED_LIMIT_MS),
    stop: mode => ask({ kind: 'stop', mode }, ANSWER_LIMIT_MS),
    promote: term => ask({ kind: 'promote', term }, DEED_LIMIT_MS),
    kill: () => (answering() ? ask({ kind: 'kill' }, DEED_LIMIT_MS) : Promise.resolve(SILENT)),
    killWithoutGuard: () => killWithoutGuard(world, host, agent),
    onChange: callback => {
      changed = callback
    },
    quit: async () => {
      await ask({ kind: 'quit' }, ANSWER_LIMIT_MS)
    },
    detach: () => {
      guard?.detach(connection)
      guard = null
    },
  }
}

/** A guard that does not answer is stopped or hung: it is killed too, so that another can be started. */
async function killWithoutGuard(world: World, host: Host, agent: Process): Promise<boolean> {
  host.guard?.process.kill()
  host.postgres.killEverything(host.killMs)
  for (let round = 0; round < 100; round++) {
    await new Promise<void>(resolve => agent.later(20, resolve))
    if (!host.postgres.alive()) return true
    if (round % 10 === 9) host.postgres.killEverything(host.killMs)
  }
  world.log.line(host.name, 'processes of PostgreSQL survive SIGKILL')
  return false
}

const SILENT: GuardAnswer = { kind: 'lost', reason: 'no echo' }
