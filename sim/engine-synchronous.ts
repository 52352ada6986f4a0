// The engine port: what synchronous replication and sealing need of a running instance.
import type { Lsn } from '../src/kernel/lsn.ts'
import { type Answers, NEVER } from './engine-answers.ts'
import { closeReceiver } from './streaming.ts'
import { endOf, lsnOf } from './wal.ts'
import { terminateSender } from './walsenders.ts'
import type { Instance, Postgres, World } from './world.ts'

interface Synchronous {
  adoption(signal: AbortSignal): Promise<{ readonly names: string; readonly lsn: Lsn | null }>
  terminateBackends(pids: readonly number[], signal: AbortSignal): Promise<void>
  stopReceiving(signal: AbortSignal): Promise<void>
}

const LOOK_AGAIN_MS = 20
const BETWEEN_LOOKS_MS = 100
const SIGTERM_MS = 8

export function engineSynchronous(world: World, postgres: Postgres, answers: Answers): Synchronous {
  const { answer, quick, disk, session } = answers
  /** A new connection: only the postmaster makes one. */
  const newConnection = () => (postgres.instance?.postmaster.running() ? session() : NEVER)
  return {
    adoption: async signal => {
      const names = await answer(newConnection(), () => requireRunning(postgres).configuration.names, signal)
      return answer(
        session(),
        () => {
          if (requireRunning(postgres).phase !== 'primary') return { names, lsn: null }
          postgres.write('message')
          return { names, lsn: lsnOf(endOf(postgres.directory!.copy)) }
        },
        signal,
      )
    },
    terminateBackends: (pids, signal) =>
      answer(
        session(),
        () => {
          const { senders } = requireRunning(postgres)
          for (const sender of senders) if (pids.includes(sender.pid)) terminateSender(world, sender)
        },
        signal,
      ),
    stopReceiving: async signal => {
      await answer(
        disk(),
        () => {
          const { directory } = postgres
          if (directory) directory.configuration = { ...directory.configuration, upstream: null, slot: null }
          postgres.reload()
        },
        signal,
      )
      const shown = () => requireRunning(postgres).configuration.upstream
      while ((await answer(newConnection(), shown, signal)) !== null)
        await answer(LOOK_AGAIN_MS, () => {}, signal)
      await answer(quick(), () => endReceiver(world, postgres), signal)
      const receives = () => requireRunning(postgres).receiver !== null
      for (let looks = 0; looks < 2; looks++)
        if (await answer(BETWEEN_LOOKS_MS, receives, signal)) throw new Error('a walreceiver is there still')
    },
  }
}

/** SIGTERM from the same user. */
function endReceiver(world: World, { instance }: Postgres): void {
  instance?.children.later(SIGTERM_MS, () => closeReceiver(world, instance))
}

function requireRunning({ instance }: Postgres): Instance {
  if (!instance?.children.alive() || !instance.postmaster.alive()) throw new Error('no instance runs')
  return instance
}
