// One machine's disk under PostgreSQL. Full: the next record of WAL ends the instance. Standing still: whatever is to
// be written waits, as long as it takes. The agent's own files lie elsewhere.
import type { Answers } from './engine-answers.ts'
import type { Process } from './process.ts'
import type { Host } from './world.ts'

export type DiskState = 'fine' | 'full' | 'stalled'

const POLL_MS = 50

/** At once, or when the disk moves again; never if the process dies first. */
export function whenMoving(host: Host, process: Process, then: () => void): void {
  if (host.disk !== 'stalled') then()
  else process.later(POLL_MS, () => whenMoving(host, process, then))
}

/** Answers of what is on that disk: who gives up is answered, what was begun goes on. */
export function onDisk(host: Host, agent: Process, answers: Answers): Answers {
  return {
    ...answers,
    answer: (ms, work, signal) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
        const moved = () => {
          try {
            resolve(work())
          } catch (error) {
            reject(error)
          }
        }
        answers.answer(ms, () => whenMoving(host, agent, moved), signal).catch(reject)
      }),
  }
}
