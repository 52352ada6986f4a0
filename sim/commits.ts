// Commits that wait for standbys: who is released when, and by whom (syncrep.c).
import { parseStandbyNames, releasableBy } from './standby-names.ts'
import type { WalRecord } from './wal.ts'
import type { Instance, WalSender, World } from './world.ts'

export interface WaitingCommit {
  readonly record: WalRecord
  readonly release: (by: 'standbys' | 'nobody') => void
}

/** What the instance's backends and checkpointer share. */
export interface CommitQueue {
  waiting: WaitingCommit[]
  /** The checkpointer has seen names: commits wait. */
  defined: boolean
  /** Everything up to here has been released before. */
  releasedTo: number
}

export function newCommitQueue(names: string): CommitQueue {
  return { waiting: [], defined: parseStandbyNames(names) !== null, releasedTo: 0 }
}

/** Of a session that waits: returns at once when nobody is to be waited for. */
export function waitForStandbys(instance: Instance, commit: WaitingCommit): void {
  const { commits } = instance
  if (!commits.defined) commit.release('nobody')
  else if (commit.record.end <= commits.releasedTo) commit.release('standbys')
  else commits.waiting.push(commit)
}

/** The client cancels its query, or its backend is terminated: committed here, and of unknown result to the client. */
export function cancelWait(instance: Instance, record: WalRecord): void {
  const { commits } = instance
  commits.waiting = commits.waiting.filter(commit => commit.record !== record)
}

/** Each reply of a standby has its walsender look whom it can let go. */
export function releaseBy(sender: WalSender): void {
  const { commits, senders } = sender.instance
  const end = releasableBy(sender, sender.names, senders)
  if (end === null || end <= commits.releasedTo) return
  commits.releasedTo = end
  releaseUpTo(sender.instance, end, 'standbys')
}

/** The checkpointer reads the file anew: without names everybody who waits is let go (H3). */
export function checkpointerReloads(instance: Instance, names: string): void {
  const { commits } = instance
  commits.defined = parseStandbyNames(names) !== null
  if (!commits.defined) releaseUpTo(instance, Number.POSITIVE_INFINITY, 'nobody')
}

function releaseUpTo({ commits }: Instance, end: number, by: 'standbys' | 'nobody'): void {
  const free = commits.waiting.filter(({ record }) => record.end <= end)
  if (free.length === 0) return
  commits.waiting = commits.waiting.filter(({ record }) => record.end > end)
  for (const commit of free) commit.release(by)
}

/** Whether one more commit could be acknowledged to a session that waits: live receivers under some mixture of names. */
export function couldAcknowledge(world: World, instance: Instance): boolean {
  const { commits, senders } = instance
  if (!instance.sessions || !instance.children.running()) return false
  if (!commits.defined) return true
  const live = [...senders].filter(
    sender =>
      sender.priority > 0 &&
      sender.receiver?.open === true &&
      world.network.connected(sender.name, sender.source.name),
  )
  const k = Math.min(...live.map(sender => sender.names?.k ?? Number.POSITIVE_INFINITY))
  return live.length >= k
}
