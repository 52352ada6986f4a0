// Makes one episode after the other happen, and writes down what really happened when.
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicNs } from '../test/lab/wait.ts'
import type { Episode } from './draw.ts'
import type { DrawnFault, FaultKind, Running } from './faults/fault.ts'
import type { World } from './world.ts'

/** A fault as it happened. */
export interface Happened {
  readonly episode: number
  readonly fault: DrawnFault
  readonly fromNs: number
  readonly untilNs: number
  readonly victims: readonly string[]
  readonly detail: string
  /** null: it was begun. Else why it could not be. */
  readonly notBegun: string | null
}

/** A fault that takes longer to begin or end is given up on; healing comes anyway. */
const STEP_LIMIT_MS = 45_000

/** All faults of an episode, each in its own time; returns when the last has ended. Never throws. */
export async function endure(
  world: World,
  episode: Episode,
  kinds: readonly FaultKind[],
  stop: AbortSignal,
): Promise<readonly Happened[]> {
  return Promise.all(episode.faults.map(fault => happen(world, episode, fault, kinds, stop)))
}

async function happen(
  world: World,
  episode: Episode,
  fault: DrawnFault,
  kinds: readonly FaultKind[],
  stop: AbortSignal,
): Promise<Happened> {
  const kind = kinds.find(({ name }) => name === fault.name)!
  const pause = (seconds: number) => sleep(seconds * 1000, null, { signal: stop }).catch(() => {})
  await pause(fault.startSeconds)
  const fromNs = monotonicNs()
  const about = { episode: episode.number, fault, fromNs }
  let running: Running
  try {
    running = await limited(kind.begin(world, fault))
  } catch (error) {
    return { ...about, untilNs: monotonicNs(), victims: [], detail: '', notBegun: reason(error) }
  }
  await pause(fault.seconds)
  const outcome = await limited(running.end()).catch(reason)
  const said = typeof outcome === 'string' ? [outcome] : []
  return {
    ...about,
    untilNs: monotonicNs(),
    victims: running.victims,
    detail: [running.detail, ...said].filter(Boolean).join('; '),
    notBegun: null,
  }
}

async function limited<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const tooLong = sleep(STEP_LIMIT_MS, null, { signal: timer.signal }).then(() => {
    throw new Error(`not within ${STEP_LIMIT_MS / 1000} s`)
  })
  tooLong.catch(() => {})
  try {
    return await Promise.race([work, tooLong])
  } finally {
    timer.abort()
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
