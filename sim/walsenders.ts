// The primary's end of streaming: each walsender takes over changed settings at a time of its own, may be stopped
// alone, and may outlive the standby that it sends to.

import { releaseBy } from './commits.ts'
import { parseStandbyNames, priorityOf } from './standby-names.ts'
import { type Copy, contains, endOf } from './wal.ts'
import type { Instance, Postgres, Receiver, WalSender, World } from './world.ts'

const STALLED_MS = 300
/** TCP and wal_sender_timeout, shortened: until a walsender notices that nobody is there any more. */
export const GONE_UNNOTICED_MS = 10_000
const ADOPTED_WITHIN_MS = 20

/** Forked by the postmaster, so it begins with the postmaster's settings. */
export function openSender(
  world: World,
  source: Postgres,
  standby: { readonly name: string; readonly slot: string | null; readonly receiver: Receiver | null },
): WalSender {
  const instance = source.instance!
  const names = parseStandbyNames(instance.configuration.names)
  const sender: WalSender = {
    ...standby,
    seat: standby.receiver?.postgres.directory?.seat ?? null,
    pid: instance.nextChild++,
    source,
    instance,
    names,
    priority: priorityOf(names, standby.name),
    flushed: 0,
    signalled: false,
    held: null,
    busy: false,
    open: true,
  }
  instance.senders.add(sender)
  world.observe.namesInForce(source, instance)
  return sender
}

/** When neither it nor the whole instance stands still. */
export function deliverTo(sender: WalSender, callback: () => void): void {
  if (!sender.open) return
  if (sender.held) sender.held.push(callback)
  else sender.instance.children.deliver(callback)
}

/** SIGSTOP to this one process. */
export function holdSender(sender: WalSender): void {
  sender.held ??= []
}

export function continueSender(sender: WalSender): void {
  const overdue = sender.held ?? []
  sender.held = null
  for (const callback of overdue) deliverTo(sender, callback)
}

/** The postmaster has told its children: each reads the file when it next comes to it. */
export function signalSenders(world: World, instance: Instance): void {
  for (const sender of instance.senders) {
    sender.signalled = true
    world.scheduler.after(world.random.next() * ADOPTED_WITHIN_MS, () =>
      deliverTo(sender, () => adoptNames(world, sender)),
    )
  }
}

function adoptNames(world: World, sender: WalSender): void {
  if (!sender.signalled || !sender.open) return
  sender.signalled = false
  // It reads the file, which may be newer than what the postmaster has.
  sender.names = parseStandbyNames(sender.source.directory?.configuration.names ?? '')
  sender.priority = priorityOf(sender.names, sender.name)
  world.observe.namesInForce(sender.source, sender.instance)
}

/** Sends to everybody who is connected what has come since. */
export function pumpSenders(world: World, source: Postgres): void {
  for (const sender of source.instance?.senders ?? []) pump(world, sender)
}

export function pump(world: World, sender: WalSender): void {
  const { source, instance, receiver } = sender
  if (sender.busy || !sender.open || !receiver?.open) return
  const sent = source.directory?.copy
  const theirs = receiver.postgres.directory?.copy
  if (!sent || !theirs || (sent.branch === theirs.branch && sent.count === theirs.count)) return
  sender.busy = true
  const again = () => {
    sender.busy = false
    pump(world, sender)
  }
  if (sender.held) {
    sender.held.push(again)
    return
  }
  const stopped = instance.children.alive() && !instance.children.running()
  if (stopped || !world.network.connected(sender.name, source.name)) {
    world.scheduler.after(STALLED_MS, again)
    return
  }
  // What was signalled before is in force before anything new is sent: replies to it count by the new names.
  adoptNames(world, sender)
  send(world, sender, receiver, sent, again)
}

function send(world: World, sender: WalSender, receiver: Receiver, sent: Copy, again: () => void): void {
  const { scheduler, random } = world
  const standby = receiver.postgres
  const lagMs = random.between(0.5, 1.5) * standby.pace.lagMs
  scheduler.after(lagMs * 0.7, () =>
    receiver.instance.children.deliver(() => {
      const received = receiver.open && receiver.take(sent)
      // Something else may be sent while the reply is on its way.
      again()
      if (received) scheduler.after(lagMs * 0.3, () => reply(world, sender, sent))
    }),
  )
}

/** "Flushed up to here", from the standby. A cut that came meanwhile makes it late: TCP sends it again. */
export function reply(world: World, sender: WalSender, flushed: Copy): void {
  if (!sender.open) return
  if (!world.network.connected(sender.name, sender.source.name)) {
    world.scheduler.after(STALLED_MS, () => reply(world, sender, flushed))
    return
  }
  deliverTo(sender, () => hear(world, sender, flushed))
}

function hear(world: World, sender: WalSender, flushed: Copy): void {
  const end = endOf(flushed)
  if (end <= sender.flushed) return
  const first = sender.flushed === 0
  sender.flushed = end
  if (first) world.observe.namesInForce(sender.source, sender.instance)
  if (sender.instance.phase === 'primary' || sender.instance.phase === 'stopping') releaseBy(sender)
}

/** Whether it has sent everything, for a stop in order. */
export function behind(sender: WalSender, target: Copy): boolean {
  const copy = sender.receiver?.postgres.directory?.copy
  if (!sender.receiver) return false
  return !copy || !contains(copy, target)
}

export function endSender(sender: WalSender): void {
  sender.open = false
  sender.held = null
  sender.instance.senders.delete(sender)
}

/** The standby's end has gone: noticed soon if anybody could say so, else after a while. */
export function senderLosesStandby(world: World, sender: WalSender, silently: boolean): void {
  const told = !silently && world.network.connected(sender.name, sender.source.name)
  const ms = told ? world.random.between(1, 15) : world.random.between(0.3, 1) * GONE_UNNOTICED_MS
  world.scheduler.after(ms, () => deliverTo(sender, () => endSender(sender)))
}

/** SIGTERM: a stopped process does not die of it before it is continued. */
export function terminateSender(world: World, sender: WalSender): void {
  world.scheduler.after(world.random.between(1, 10), () =>
    deliverTo(sender, () => {
      endSender(sender)
      const { receiver, name, source } = sender
      const told = world.network.connected(name, source.name)
      if (receiver?.open) receiver.sourceEnded(told ? world.random.between(5, 40) : GONE_UNNOTICED_MS)
    }),
  )
}
