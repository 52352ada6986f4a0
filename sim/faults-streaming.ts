// Faults of replication: what stands between a commit and the copies that it waits for.
import { parseLsn } from '../src/kernel/lsn.ts'
import { decodeTerm } from '../src/stores/term-codec.ts'
import type { Directory } from './data-directory.ts'
import type { Fault, Undo } from './faults.ts'
import { KEYS } from './keys.ts'
import { freeReplay, stickReplay } from './streaming.ts'
import { describeCopy, endOf } from './wal.ts'
import { continueSender, endSender, holdSender, openSender, reply } from './walsenders.ts'
import type { World } from './world.ts'

const nothing: Undo = () => {}

/** A query on a standby keeps replay from going on (E4). */
export const replayStuck: Fault = {
  name: 'replay is stuck',
  begin: (world, host) => {
    const { instance } = host.postgres
    if (instance?.phase !== 'standby') return null
    stickReplay(host.postgres, instance)
    return () => freeReplay(world, host.postgres, instance)
  },
}

/** SIGSTOP to one walsender: it takes over no settings, hears no standby, and its last word stays in shared memory. */
export const walSenderStopped: Fault = {
  name: 'a walsender is stopped',
  begin: (_world, host, random) => {
    const senders = [...(host.postgres.instance?.senders ?? [])].filter(sender => sender.held === null)
    if (senders.length === 0) return null
    const sender = random.pick(senders)
    holdSender(sender)
    return () => continueSender(sender)
  },
}

/** Until it says for the first time what it has flushed, and between two words. */
const STRANGER_SILENT_MS = 2500
const STRANGER_WORD_MS = 300

/** Somebody streams under a member's name, without that member's slot (E11). */
export const stranger: Fault = {
  name: "a stranger streams under a member's name",
  begin: (world, host, random) => {
    const { instance, directory } = host.postgres
    const others = world.hosts.filter(other => other !== host)
    if (instance?.phase !== 'primary' || !directory) return null
    const sender = openSender(world, host.postgres, {
      name: random.pick(others).name,
      slot: null,
      receiver: null,
    })
    const word = () => {
      if (!sender.open || !host.postgres.directory) return
      // Nobody is there who could end it, or who knows that there is a rule: a hole that stays open.
      const view = host.agent?.process.running() ? host.agent.handle.latest()?.view : null
      if (view?.store.kind !== 'known' || !view.memory.settled) return endSender(sender)
      if (endOf(host.postgres.directory.copy) > sender.flushed)
        reply(world, sender, host.postgres.directory.copy)
      world.scheduler.after(STRANGER_WORD_MS, word)
    }
    world.scheduler.after(STRANGER_SILENT_MS * random.between(1, 2), word)
    return () => endSender(sender)
  },
}

/** A standby comes back with an empty disk: once in a run, for that is what every rule can bear. */
export const diskReplaced: Fault = {
  name: 'comes back with an empty disk',
  begin: (world, host) => {
    const { postgres } = host
    const led = world.hosts.some(other => other !== host && other.postgres.instance?.sessions)
    const before = world.hosts.some(other => other.disksLost > 0)
    if (!host.up() || !led || before || postgres.instance?.phase !== 'standby' || !host.memory.seat)
      return null
    host.powerOff()
    host.disksLost++
    const lost = postgres.directory
    postgres.directory = null
    if (lost) world.log.line(host.name, 'has lost its data directory')
    return () => host.powerOn()
  },
}

/** A standby comes back with an older state of its disk, further back than the record has seen it. */
export const copyRestored: Fault = {
  name: 'comes back with an old copy',
  begin: (world, host) => {
    const { postgres } = host
    const { directory } = postgres
    const led = world.hosts.some(other => other !== host && other.postgres.instance?.sessions)
    const before = world.hosts.some(other => other.disksLost > 0)
    if (!host.up() || !led || before || postgres.instance?.phase !== 'standby' || !directory) return null
    host.powerOff()
    return () => {
      const { branch, count } = directory.copy
      const least = Math.min(count, 3)
      if (
        postgres.directory === directory &&
        seenOf(world, directory) >= endOf(directory.copy) &&
        count > least
      ) {
        host.disksLost++
        directory.copy = { branch, count: least + Math.floor((count - least) / 4) }
        world.log.line(host.name, `has an older copy at ${describeCopy(directory.copy)}`)
      }
      host.powerOn()
    }
  },
}

/** What the record says that this copy has at least. */
function seenOf(world: World, { seat }: Directory): number {
  const text = world.store.state.entry(KEYS.term)?.value
  const parsed = text === undefined ? null : decodeTerm(text)
  const seen = parsed?.ok ? parsed.value.rules?.at(-1)?.seen[seat ?? ''] : undefined
  return Number(seen === undefined ? 0 : (parseLsn(seen) ?? 0))
}

/** Whoever is waited for is not there any more: somebody has pulled every connection. */
export const connectionsPulled: Fault = {
  name: 'the walsenders are ended',
  begin: (_world, host) => {
    const { instance } = host.postgres
    if (!instance || instance.senders.size === 0) return null
    for (const sender of [...instance.senders]) {
      endSender(sender)
      sender.receiver?.sourceEnded(20)
    }
    return nothing
  },
}
