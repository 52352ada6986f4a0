// The guard as a simulated process: the real state machine (src/guard/state.ts), and hands that take their time.

import {
  type Answer,
  type GuardEffect,
  type GuardEvent,
  INITIAL_STATE,
  statusOf,
  TICK_MS,
  TICKS_PER_LOOK,
} from '../src/guard/model.ts'
import { step } from '../src/guard/state.ts'
import type { Instant } from '../src/kernel/time.ts'
import { whenMoving } from './disk.ts'
import { createProcess, type Process } from './process.ts'
import type { Connection, GuardProcess, Host, World } from './world.ts'

export function startGuard(world: World, host: Host): GuardProcess {
  const { random } = world
  const process = createProcess(`guard of ${host.name}`, { scheduler: world.scheduler, frozen: host.frozen })
  let state = INITIAL_STATE
  let connection: Connection | null = null
  let timerFor: Instant | null = null
  let ticks = 0
  let parent = false

  const handle = (event: GuardEvent) => {
    const now = host.clock.now()
    const before = state
    const done = step(state, event, now)
    state = done.state
    world.observe.guardStepped(host, before, state, now)
    for (const effect of done.effects) perform(effect)
    for (const answer of done.answers) reply(answer)
    timeDeadline()
  }
  const reply = (answer: Answer) => {
    const [to, status] = [connection, statusOf(state)]
    if (to) to.agent.later(random.between(0.1, 2), () => to.answered(answer, status))
  }
  const echo = () => {
    const [to, status, at] = [connection, statusOf(state), host.clock.now()]
    if (to) to.agent.later(random.between(0.1, 1), () => to.echoed(status, at))
  }
  const timeDeadline = () => {
    const { deadline } = state
    if (deadline === null || deadline === timerFor) return
    timerFor = deadline
    process.later(Math.max(0, host.clock.reachedAt(deadline) - world.scheduler.now()) + 0.5, () => {
      if (timerFor === deadline) timerFor = null
      handle({ kind: 'tick' })
    })
  }
  const tick = () => {
    ticks++
    handle({ kind: 'tick' })
    if (ticks % TICKS_PER_LOOK === 0 && state.alive && host.postgres.directory)
      handle({ kind: 'signal-file', present: host.postgres.directory.standbySignal })
    echo()
    process.later(TICK_MS, tick)
  }
  const perform = (effect: GuardEffect) => {
    if (effect.kind === 'exec') parent = true
    act(world, host, { process, handle, effect })
    if (effect.kind === 'end') process.kill()
  }
  process.onDeath(() => {
    connection?.agent.later(random.between(0.2, 3), connection.closed)
    connection = null
    // PDEATHSIG: the kernel sends SIGQUIT to the postmaster whose parent is gone.
    if (parent) world.scheduler.after(0.1, () => host.postgres.immediateStop())
  })
  host.postgres.onExit((code, signal) =>
    process.later(random.between(0.1, 3), () =>
      handle({ kind: 'postmaster-exited', code, signal, output: '' }),
    ),
  )
  process.later(1, () => takeCharge(host, handle))
  process.later(random.between(1, TICK_MS), tick)
  return {
    process,
    state: () => state,
    message: (from, id, message) => {
      if (connection === from) handle({ kind: 'message', id, message })
    },
    attach: to => {
      connection?.agent.later(0.2, connection.closed)
      connection = to
      echo()
    },
    detach: from => {
      if (connection === from) connection = null
    },
  }
}

/** Of what was there before: another guard's postmaster, or only children of one. */
function takeCharge(host: Host, handle: (event: GuardEvent) => void): void {
  const { instance } = host.postgres
  if (instance?.postmaster.alive()) handle({ kind: 'found', pid: instance.pid, abandoned: true })
  else if (host.postgres.alive()) handle({ kind: 'processes', alive: true })
}

interface Deed {
  readonly process: Process
  readonly handle: (event: GuardEvent) => void
  readonly effect: GuardEffect
}

function act(world: World, host: Host, { process, handle, effect }: Deed): void {
  const { random } = world
  const { postgres } = host
  const onDisk = (then: () => void) =>
    process.later(random.between(0.5, 4) + host.diskDelayMs(), () => whenMoving(host, process, then))
  const look = () => handle({ kind: 'processes', alive: postgres.alive() })
  switch (effect.kind) {
    case 'kill-all':
      killAll(host)
      process.later(host.killMs + random.between(1, 10), look)
      break
    case 'list-processes':
      process.later(random.between(1, 8), look)
      break
    case 'ensure-standby-signal':
      onDisk(() => {
        const { directory } = postgres
        if (directory) directory.standbySignal = true
        handle({ kind: 'signal-ensured', failure: directory ? null : 'no data directory' })
      })
      break
    case 'exec':
      process.later(random.between(1, 6), () => {
        const pid = postgres.start()
        handle(pid === null ? { kind: 'start-failed', reason: 'it ended at once' } : { kind: 'started', pid })
      })
      break
    case 'write-promote-file':
      onDisk(() => {
        const { directory } = postgres
        if (directory) directory.promoteFile = true
        // Any SIGUSR1 of a child makes the postmaster look.
        if (random.chance(0.05)) postgres.promoteIfAsked()
        handle({ kind: 'promote-file-written', failure: directory ? null : 'no data directory' })
      })
      break
    case 'signal':
      if (effect.signal === 'SIGUSR1') postgres.promoteIfAsked()
      else if (effect.signal === 'SIGINT') postgres.fastStop()
      else postgres.immediateStop()
  }
}

/** SIGKILL to the postmaster and to all its children. */
function killAll(host: Host): void {
  host.postgres.killEverything(host.killMs)
}
