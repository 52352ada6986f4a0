// Physical streaming: a standby asks its upstream for WAL, gets what comes, and asks again when it breaks off.
import { adopt } from './data-directory.ts'
import { contains } from './wal.ts'
import type { Instance, Postgres, Receiver, World } from './world.ts'

const RETRY_MS = 1000
const STALLED_MS = 300
const TIMEOUT_MS = 10_000

/** Connects soon, and goes on trying as long as the standby is to follow somebody. */
export function follow(world: World, postgres: Postgres, instance: Instance): void {
  const wanted = instance.configuration.upstream
  const current = () =>
    wanted !== null &&
    instance.phase === 'standby' &&
    instance.receiver === null &&
    instance.configuration.upstream?.name === wanted.name
  const attempt = () => {
    if (!current()) return
    if (!connect(world, postgres, instance)) instance.children.later(RETRY_MS, attempt)
  }
  if (current()) instance.children.later(world.random.between(5, 60), attempt)
}

function connect(world: World, postgres: Postgres, instance: Instance): boolean {
  const upstream = instance.configuration.upstream!
  const source = world.postgresAt(upstream.host)
  const theirs = source?.instance
  const mine = postgres.directory
  const copy = source?.directory?.copy
  const serving = theirs?.phase === 'primary' || theirs?.phase === 'standby'
  if (!source || !theirs || !mine || !copy || !serving || source === postgres) return false
  if (!theirs.postmaster.running() || !theirs.children.running()) return false
  if (!world.network.connected(postgres.name, source.name)) return false
  // Another history, or it is ahead of what it asks: the walsender refuses.
  if (!contains(copy, mine.copy)) return false
  const receiver = { postgres, instance, source, sourceInstance: theirs, busy: false, open: true }
  instance.receiver = receiver
  instance.received = true
  theirs.senders.add(receiver)
  pump(world, receiver)
  return true
}

/** Sends to everybody who is connected what has come since. */
export function pumpSenders(world: World, source: Postgres): void {
  for (const receiver of source.instance?.senders ?? []) pump(world, receiver)
}

function pump(world: World, receiver: Receiver): void {
  const { postgres, source, instance } = receiver
  const sent = source.directory?.copy
  const mine = postgres.directory?.copy
  if (receiver.busy || !receiver.open || !sent || !mine) return
  if (sent.branch === mine.branch && sent.count === mine.count) return
  const again = (ms: number) => {
    receiver.busy = true
    world.scheduler.after(ms, () => {
      receiver.busy = false
      pump(world, receiver)
    })
  }
  const { children } = receiver.sourceInstance
  const stopped = children.alive() && !children.running()
  if (stopped || !world.network.connected(postgres.name, source.name)) {
    again(STALLED_MS)
    return
  }
  receiver.busy = true
  world.scheduler.after(world.random.between(0.5, 1.5) * postgres.pace.lagMs, () =>
    instance.children.deliver(() => {
      receiver.busy = false
      const directory = postgres.directory
      if (!receiver.open || instance.phase !== 'standby' || !directory) return
      if (contains(sent, directory.copy)) {
        adopt(directory, sent)
        pumpSenders(world, postgres)
      }
      pump(world, receiver)
    }),
  )
}

export function closeReceiver(instance: Instance): void {
  const { receiver } = instance
  if (!receiver) return
  receiver.open = false
  receiver.sourceInstance.senders.delete(receiver)
  instance.receiver = null
}

/** The source is gone: what it had sent still arrives, and the standby notices sooner or later. */
export function closeSenders(world: World, source: Instance): void {
  for (const receiver of source.senders) {
    const { postgres, instance } = receiver
    const noticed = world.network.connected(postgres.name, receiver.source.name)
      ? world.random.between(8, 30)
      : TIMEOUT_MS
    instance.children.later(noticed, () => {
      if (instance.receiver !== receiver) return
      closeReceiver(instance)
      follow(world, postgres, instance)
    })
  }
  source.senders.clear()
}

/** pg_terminate_backend on the walsenders of these applications. */
export function terminateSenders(world: World, source: Instance, matches: (name: string) => boolean): void {
  for (const receiver of [...source.senders]) {
    if (!matches(receiver.postgres.name)) continue
    source.senders.delete(receiver)
    receiver.open = false
    receiver.instance.children.later(TIMEOUT_MS / 20, () => {
      if (receiver.instance.receiver !== receiver) return
      receiver.instance.receiver = null
      follow(world, receiver.postgres, receiver.instance)
    })
  }
}
