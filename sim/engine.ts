// The engine port over a simulated PostgreSQL: what SQL, pg_controldata and the files would say.
import type { Engine } from '../src/ports/engine.ts'
import { onDisk } from './disk.ts'
import { type Answers, createAnswers, NEVER } from './engine-answers.ts'
import { engineDisks } from './engine-disks.ts'
import { engineFiles, engineLongWork } from './engine-files.ts'
import { statusOf } from './engine-status.ts'
import { engineSynchronous } from './engine-synchronous.ts'
import type { Process } from './process.ts'
import { ancestorOf, historyLines, positionOf } from './wal.ts'
import { terminateSender } from './walsenders.ts'
import type { Host, Postgres, World } from './world.ts'

export function openEngine(world: World, host: Host, agent: Process): Engine {
  const answers = createAnswers(world, host, agent)
  const disk = onDisk(host, agent, answers)
  return {
    ...engineFiles(host, disk),
    ...engineLongWork(world, host, agent, disk),
    ...engineSessions(world, host.postgres, answers),
    ...engineSynchronous(world, host.postgres, answers),
    ...engineDisks(host, disk),
    historyOf: (source, timeline, signal) => {
      const other = world.postgresAt(source.host)
      const up = other?.instance?.postmaster.running() && world.network.connected(host.name, other.name)
      return answers.answer(up ? answers.quick() * 3 : NEVER, () => historyOfOther(other, timeline), signal)
    },
    close: () => {},
  }
}

type Sessions = Omit<
  Engine,
  | keyof ReturnType<typeof engineFiles>
  | keyof ReturnType<typeof engineLongWork>
  | keyof ReturnType<typeof engineSynchronous>
  | keyof ReturnType<typeof engineDisks>
  | 'historyOf'
  | 'close'
>

/** What a running instance is asked. */
function engineSessions(world: World, postgres: Postgres, { answer, quick, session }: Answers): Sessions {
  return {
    status: signal => answer(session(), () => statusOf(postgres, world.scheduler.now()), signal),
    accepts: signal => {
      const { instance } = postgres
      const hangs = instance?.postmaster.alive() && !instance.postmaster.running()
      return answer(hangs ? NEVER : quick(), () => postgres.instance?.postmaster.alive() === true, signal)
    },
    reload: () => answer(quick(), () => postgres.reload()),
    prepareCluster: signal => answer(session() * 5, () => requirePrimary(postgres), signal),
    checkpoint: signal =>
      answer(
        session() === NEVER ? NEVER : world.random.between(20, 400),
        () => {
          requirePrimary(postgres)
          postgres.write('checkpoint')
          postgres.directory!.checkpoint = positionOf(postgres.directory!.copy)
        },
        signal,
      ),
    ensureSlots: (_wanted, _drop, signal) => answer(session(), () => {}, signal),
    terminateWalSenders: (applications, signal) =>
      answer(
        session(),
        () => {
          for (const sender of postgres.instance?.senders ?? [])
            if (applications.includes(sender.name)) terminateSender(world, sender)
        },
        signal,
      ),
    endsWithShutdownCheckpoint: signal =>
      answer(
        session(),
        () => {
          const copy = postgres.directory?.copy
          return copy !== undefined && copy.branch.records[copy.count - 1]?.kind === 'shutdown'
        },
        signal,
      ),
  }
}

function requirePrimary(postgres: Postgres): void {
  const { instance } = postgres
  if (instance?.phase !== 'primary' || !instance.children.alive()) throw new Error('not a running primary')
}

function historyOfOther(other: Postgres | undefined, timeline: number) {
  const branch = other?.directory && ancestorOf(other.directory.copy, timeline)
  return branch ? historyLines(branch) : null
}
