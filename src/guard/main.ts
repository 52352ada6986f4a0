// The guard process: a clock, ticks and a door around the pure step (protocol A5). Parent of its member's postmaster.
import { join } from 'node:path'
import { VigilError } from '../kernel/errors.ts'
import { openBoundedLog } from './bounded-log.ts'
import { openMachineClock } from './clock.ts'
import { createHands } from './hands.ts'
import { watchInstance } from './instance.ts'
import { type Layers, openLayers } from './layers.ts'
import { createLookout, type Lookout } from './lookout.ts'
import { createLoop, type GuardLoop } from './loop.ts'
import { type GuardEvent, type GuardMessage, type Step, TICK_MS, TICKS_PER_LOOK } from './model.ts'
import { findSetpriv } from './postmaster.ts'
import { createReception, type Reception } from './reception.ts'
import { clearRunMark, hasRunMark } from './run-mark.ts'
import { type Door, openDoor } from './server.ts'
import type { WatchdogSettings } from './watchdog.ts'
import { socketPath } from './wire.ts'

const LOG_BYTES = 4 * 1024 * 1024

export interface GuardOptions {
  /** The member's own directory: socket, log, mark. */
  readonly stateDirectory: string
  readonly dataDirectory: string
  readonly watchdog: WatchdogSettings
  /** Called once, when the guard has nothing left to do. */
  readonly ended: () => void
}

export interface RunningGuard {
  /** Kills the instance, whatever the state: for a guard that is about to crash. */
  fence(): void
  /** Ends as soon as nothing runs; asks for a fast stop if no agent is there to do it. */
  terminate(): void
}

/** null: another guard is in charge of this member, and was not disturbed. */
export async function runGuard(options: GuardOptions): Promise<RunningGuard | null> {
  const { stateDirectory, dataDirectory } = options
  const setpriv = findSetpriv()
  if (!setpriv)
    throw new VigilError('GUARD_UNAVAILABLE', { reason: 'setpriv (package util-linux) is not installed' })

  const log = openBoundedLog(join(stateDirectory, 'guard.log'), LOG_BYTES)
  const now = openMachineClock()
  const layers = openLayers(dataDirectory, options.watchdog)
  const instance = watchInstance(layers.cgroup)
  const loop = createLoop({
    now,
    perform: effect => hands.perform(effect),
    answer: answer => reception.answer(answer),
    stepped(event, result) {
      layers.watchdog.follow(event, result.state, now())
      reception.pushChange()
      const line = describe(event, result)
      if (line) log.append(line)
    },
  })
  const end = () => {
    loop.close()
    layers.cgroup.close()
    const tidied = Promise.all([clearRunMark(stateDirectory), door?.close()])
    tidied.then(options.ended, options.ended)
  }
  const hands = createHands({
    stateDirectory,
    dataDirectory,
    setpriv,
    instance,
    layers,
    feed: loop.feed,
    end,
  })
  const lookout = createLookout({ dataDirectory, loop, hands, instance })

  let begin = () => {}
  // Requests wait until it is known what was there before us.
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  const door = await openDoor(socketPath(stateDirectory), (agent, request) => {
    void begun.then(() => reception.received(agent, request))
  })
  if (!door) return null
  const { protections } = layers
  const ask = (id: number, message: GuardMessage) => loop.feed({ kind: 'message', id, message })
  const state = () => loop.state
  const reception = createReception({ dataDirectory, now, state, protections, agent: door.agent, ask })

  await layers.begin()
  log.append(started(layers))
  const abandoned = await hasRunMark(stateDirectory)
  await lookout.takeCharge(abandoned)
  if (abandoned && !loop.state.alive) layers.watchdog.disarmLeftover()
  begin()
  const rounds = startRounds({ loop, lookout, reception, door, layers, end })
  return { fence: () => void instance.kill(), terminate: rounds.terminate }
}

function started({ protections }: Layers): string {
  const { obstacles } = protections()
  return `${JSON.stringify({ time: new Date().toISOString(), about: 'guard started', obstacles })}\n`
}

interface Rounds {
  readonly loop: GuardLoop
  readonly lookout: Lookout
  readonly reception: Reception
  readonly door: Door
  readonly layers: Layers
  readonly end: () => void
}

/** Everything that happens without being asked for. */
function startRounds({ loop, lookout, reception, door, layers, end }: Rounds): { terminate(): void } {
  let ending = false
  let looking = false
  let ticks = 0

  function idle(): boolean {
    const { alive, postmaster, pending } = loop.state
    return !alive && postmaster === null && pending === null
  }

  function tick(): void {
    lookout.tick()
    loop.feed({ kind: 'tick' })
    reception.push()
    if (ending && idle()) end()
    ticks += 1
    if (ticks % TICKS_PER_LOOK === 0) void look()
  }

  async function look(): Promise<void> {
    if (looking) return
    looking = true
    const [ours] = await Promise.all([door.ours(), lookout.look()])
    layers.look()
    // Somebody removed our directory, or another guard took our place: nobody can reach us any more.
    if (!ours && idle()) end()
    looking = false
  }

  setInterval(tick, TICK_MS)
  return {
    terminate() {
      ending = true
      const alone = door.agent() === null
      // An agent asks for a better stop than ours: with a checkpoint before it, and a successor.
      if (alone && loop.state.alive) reception.askOurselves({ kind: 'stop', mode: 'fast' })
      tick()
    },
  }
}

/** null: nothing worth a line. */
function describe(event: GuardEvent, { state, effects, answers }: Step): string | null {
  const refusals = answers.flatMap(given => (given.kind === 'refused' ? [given.reason] : []))
  if (effects.length === 0 && refusals.length === 0 && event.kind !== 'postmaster-exited') return null
  const about = event.kind === 'message' ? event.message.kind : event.kind
  const { mode, term, postmaster, alive } = state
  const done = effects.map(effect => effect.kind)
  // What it printed is in a log of its own.
  const exit = state.exit && { ...state.exit, output: undefined }
  const line = { time: new Date().toISOString(), about, done, refusals, mode, term, postmaster, alive, exit }
  return `${JSON.stringify(line)}\n`
}
