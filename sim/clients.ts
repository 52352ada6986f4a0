// Clients that write to whatever takes writes, on every member, old primaries and cut-off ones included.
import { blocksCommits } from './postgres.ts'
import { tipOf } from './wal.ts'
import type { Instance, Postgres, World } from './world.ts'

const CONNECT_MS = 150

/** Keeps writing to this instance for as long as it lives and serves. */
export function startClients(world: World, postgres: Postgres, instance: Instance, everyMs: number): void {
  const { random } = world
  const connect = () => {
    if (instance.phase !== 'primary') return
    // Before the roles are made nobody can log in.
    const open = instance.postmaster.running() && postgres.directory?.marker === null
    if (!open) {
      instance.children.later(random.between(0.5, 1) * CONNECT_MS, connect)
      return
    }
    instance.sessions = true
    write()
  }
  const write = () => {
    if (!instance.sessions || instance.phase !== 'primary') return
    const record = postgres.write('commit')!
    const copy = tipOf(postgres.directory!.copy.branch)
    // Flushed. The acknowledgement leaves a moment later, or never.
    instance.children.later(random.between(0.2, 12), () => {
      if (!instance.sessions || blocksCommits(instance)) return
      record.acknowledgedAt = world.scheduler.now()
      world.observe.acknowledged(postgres, instance, record, copy)
    })
    instance.children.later(random.between(0.5, 1.5) * everyMs, write)
  }
  instance.children.later(random.between(5, CONNECT_MS), connect)
}
