// How long the engine's answers take, and when there is none.
import type { Process } from './process.ts'
import type { Host, World } from './world.ts'

export interface Answers {
  /** The answer of something that needs this long, unless the caller gives up before. */
  answer<T>(ms: number, work: () => T, signal?: AbortSignal): Promise<T>
  quick(): number
  disk(): number
  /** Until a session answers. */
  session(): number
}

/** While processes stand still there is no answer. */
export const NEVER = Number.POSITIVE_INFINITY

export function createAnswers(world: World, host: Host, agent: Process): Answers {
  const quick = () => world.random.between(0.3, 2)
  return {
    answer: (ms, work, signal) =>
      new Promise((resolve, reject) => {
        const gaveUp = () => reject(new Error('aborted'))
        if (signal?.aborted) return gaveUp()
        signal?.addEventListener('abort', gaveUp, { once: true })
        if (ms === NEVER) return
        agent.later(ms, () => {
          signal?.removeEventListener('abort', gaveUp)
          try {
            resolve(work())
          } catch (error) {
            reject(error)
          }
        })
      }),
    quick,
    disk: () => quick() + host.diskDelayMs(),
    session: () => {
      const { instance } = host.postgres
      return instance?.children.alive() && !instance.children.running() ? NEVER : quick()
    },
  }
}
