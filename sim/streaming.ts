// The standby's end of streaming: a walreceiver asks its upstream for WAL, takes what comes, and asks again when it
// breaks off. It lives until the startup process has read other settings, or until somebody ends it.
import { adopt } from './data-directory.ts'
import { type Copy, contains } from './wal.ts'
import {
  endSender,
  GONE_UNNOTICED_MS,
  openSender,
  pump,
  pumpSenders,
  reply,
  senderLosesStandby,
} from './walsenders.ts'
import type { Instance, Postgres, Receiver, World } from './world.ts'

const RETRY_MS = 1000

/** Connects soon, and goes on trying as long as the standby is to follow somebody. */
export function follow(world: World, postgres: Postgres, instance: Instance): void {
  const wanted = instance.configuration.upstream
  const current = () =>
    wanted !== null &&
    instance.phase === 'standby' &&
    instance.receiver === null &&
    !instance.replayStuck &&
    instance.configuration.upstream?.name === wanted.name
  const attempt = () => {
    if (!current()) return
    if (!connect(world, postgres, instance)) instance.children.later(RETRY_MS, attempt)
  }
  if (current()) instance.children.later(world.random.between(5, 60), attempt)
}

function connect(world: World, postgres: Postgres, instance: Instance): boolean {
  const { upstream, slot } = instance.configuration
  const source = world.postgresAt(upstream!.host)
  const theirs = source?.instance
  const mine = postgres.directory
  const copy = source?.directory?.copy
  const serving = theirs?.phase === 'primary' || theirs?.phase === 'standby'
  if (!source || !theirs || !mine || !copy || !serving || source === postgres) return false
  if (!theirs.postmaster.running() || !theirs.children.running()) return false
  if (!world.network.connected(postgres.name, source.name)) return false
  // Another history, or it is ahead of what it asks: the walsender refuses.
  if (!contains(copy, mine.copy)) return false
  // Its slot is still in use by the walsender of a connection that nobody has missed yet.
  if (slot !== null && [...theirs.senders].some(sender => sender.slot === slot)) return false
  const receiver = newReceiver(world, postgres, instance, source)
  instance.receiver = receiver
  instance.received = true
  const sender = openSender(world, source, { name: postgres.name, slot, receiver })
  receiver.sender = sender
  world.observe.streams(postgres, source)
  reply(world, sender, mine.copy)
  pump(world, sender)
  return true
}

function newReceiver(world: World, postgres: Postgres, instance: Instance, source: Postgres): Receiver {
  const receiver: Receiver = {
    postgres,
    instance,
    source,
    sender: null,
    heardAt: world.scheduler.now(),
    open: true,
    take: (sent: Copy) => {
      const { directory } = postgres
      if (!receiver.open || instance.phase !== 'standby' || !directory) return false
      receiver.heardAt = world.scheduler.now()
      if (!contains(sent, directory.copy)) return false
      const disk = world.host(postgres.name)?.disk
      // What waits for the disk is neither flushed nor reported; the connection breaks over it.
      if (disk === 'full') postgres.panic()
      if (disk !== 'fine') return false
      adopt(directory, sent)
      pumpSenders(world, postgres)
      return true
    },
    sourceEnded: ms =>
      instance.children.later(ms, () => {
        if (instance.receiver !== receiver) return
        closeReceiver(world, instance)
        follow(world, postgres, instance)
      }),
  }
  return receiver
}

/** `silently`: the machine is off, and nobody tells the other end. */
export function closeReceiver(world: World, instance: Instance, silently = false): void {
  const { receiver } = instance
  if (!receiver) return
  receiver.open = false
  instance.receiver = null
  if (receiver.sender) senderLosesStandby(world, receiver.sender, silently)
}

/** The source is gone: what it had sent still arrives, and the standby notices sooner or later. */
export function closeSenders(world: World, source: Instance): void {
  for (const sender of source.senders) {
    const { receiver } = sender
    endSender(sender)
    if (!receiver?.open) continue
    const told = world.network.connected(receiver.postgres.name, receiver.source.name)
    receiver.sourceEnded(told ? world.random.between(8, 30) : GONE_UNNOTICED_MS)
  }
}

/** The startup process has read the file: a receiver of another upstream is ended, unless replay is stuck (E4). */
export function startupReloads(world: World, postgres: Postgres, instance: Instance): void {
  if (instance.replayStuck || instance.phase !== 'standby') return
  const wanted = instance.configuration.upstream?.name
  if (instance.receiver && instance.receiver.source.name !== wanted) closeReceiver(world, instance)
  follow(world, postgres, instance)
}

/** Replay waits for a query: the walreceiver goes on, whatever the settings say by now. */
export function stickReplay(postgres: Postgres, instance: Instance): void {
  if (instance.replayStuck || !postgres.directory) return
  instance.replayStuck = true
  instance.replayBehind ??= postgres.directory.copy
}

export function freeReplay(world: World, postgres: Postgres, instance: Instance): void {
  if (!instance.replayStuck) return
  instance.replayStuck = false
  instance.replayBehind = null
  instance.children.deliver(() => startupReloads(world, postgres, instance))
}
