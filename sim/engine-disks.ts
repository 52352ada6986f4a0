// The engine port: whether this machine can write.
import type { DiskPlace } from '../src/core/health.ts'
import type { WriteAnswer } from '../src/ports/engine.ts'
import { type Answers, NEVER } from './engine-answers.ts'
import type { Host } from './world.ts'

const PLACE: DiskPlace = {
  holds: ['data', 'wal'],
  freeBytes: 1e12,
  totalBytes: 2e12,
  failure: null,
}

const FULL = 'No space left on device'

export function engineDisks(host: Host, { answer, quick, disk, session }: Answers) {
  const { postgres } = host
  return {
    /** A record over a new connection, flushed here and waited for nowhere. */
    writes: (signal: AbortSignal): Promise<WriteAnswer> => {
      const hangs = postgres.instance?.postmaster.alive() && !postgres.instance.postmaster.running()
      const asked = answer<WriteAnswer>(
        hangs ? NEVER : session() + disk(),
        () => {
          const { instance } = postgres
          if (instance?.phase !== 'primary' || !instance.children.alive())
            return { kind: 'kept-out', reason: 'the database system is shutting down' }
          if (host.disk === 'full') {
            postgres.panic()
            return { kind: 'failed', reason: FULL }
          }
          postgres.write('message')
          return { kind: 'written' }
        },
        signal,
      )
      return asked.catch(() => ({ kind: 'failed', reason: 'given up' }))
    },
    disks: (signal: AbortSignal): Promise<readonly DiskPlace[]> =>
      answer(
        quick() + disk(),
        () => [host.disk === 'full' ? { ...PLACE, freeBytes: 0, failure: FULL } : PLACE],
        signal,
      ),
  }
}
