// Rules of a member that follows: clone, start, rewind, stream (design §7 "Rejoin").
import { elapsedAtMost } from '../../kernel/time.ts'
import type { Action } from '../action.ts'
import { CRASHES_MAX } from '../candidate.ts'
import { configureAs, ownSlot, upstreamFor } from '../configuration.ts'
import { diskSilent, placeFailure } from '../health.ts'
import type { Upstream } from '../instance.ts'
import type { JobOrder } from '../job.ts'
import type { Memory } from '../memory.ts'
import { upstreamOf } from '../network-address.ts'
import { isDead, type Situation } from '../situation.ts'
import { slotsFor } from '../slots.ts'
import { isSeatKnown, mayBeReplaced } from '../synchronous/leaving.ts'
import { emptyDirectory, unfinishedBootstrap } from './bootstrapping.ts'
import { exitOf, leads } from './leading.ts'
import { type Plan, type Rule, wait } from './rule.ts'

const RETRY_JOB_MS = 5000
const COUNTED_POLL_MS = 250
const COUNTED = { counted: 'commits may be on this copy still' }
/** Between starts of an instance that does not stay up. */
const START_BACKOFF_MS = 2000
/** The leader needs a tick or two to make a slot for a member that has just appeared. */
const SLOT_WAIT_MS = 3000
/**
 * An instance that lets nobody in for so long may be waiting for WAL that only the leader has. Not sooner: a crashed
 * one that still replays its own WAL must not be pointed at a leader before its end is known.
 */
const COMING_UP_MS = 30_000

export const REJOINING: readonly Rule[] = [
  {
    id: 'foreign-data',
    when: 'the data directory belongs to another cluster',
    does: 'ends the agent and touches nothing',
    plan: s => {
      const expected = s.cluster?.initialize?.value
      // A standby that was started while the store did not answer says it itself.
      const found =
        s.running.kind === 'standby' ? s.running.status.systemIdentifier : s.control?.systemIdentifier
      if (!expected || !found || found === expected || leads(s)) return null
      const reason = `The data directory belongs to another cluster: its system identifier is ${found}, this cluster has ${expected}. Nothing was changed.`
      return { because: { found, expected }, actions: [{ kind: 'exit', status: 1, reason }] }
    },
  },
  {
    id: 'unreadable-data',
    when: "the data directory is not empty and can't be read as one",
    does: 'ends the agent and touches nothing',
    plan: s => {
      const found = s.view.directory
      // A job changes the directory under the eyes of whoever looks at it.
      if (found.kind !== 'known' || found.value.kind !== 'unreadable' || !isDead(s) || s.view.job) return null
      return {
        actions: [
          {
            kind: 'exit',
            status: 1,
            reason: `The data directory can't be used: ${found.value.reason}. Nothing was changed.`,
          },
        ],
      }
    },
  },
  {
    id: 'job-running',
    when: 'a clone, rewind or initdb is running, or evidence is kept',
    does: 'waits for it',
    plan: s =>
      s.view.job?.state === 'running' && s.view.job.order.kind !== 'checkpoint'
        ? wait({ job: s.view.job.order.kind }, 500)
        : null,
  },
  {
    id: 'job-ended',
    when: 'a job has ended',
    does: 'clears it; after a failure only after 5 s, so that it is not repeated at once',
    plan: s => {
      const { job } = s.view
      if (!job || job.state === 'running') return null
      if (job.state === 'failed' && elapsedAtMost(job.endedAt, s.now) < RETRY_JOB_MS)
        return wait({ job: job.order.kind, failed: job.reason }, 500)
      return { because: { job: job.order.kind }, actions: [{ kind: 'clear-job' }], wakeInMs: 10 }
    },
  },
  {
    id: 'bootstrap-served',
    when: 'the directory carries a bootstrap marker, and the record says that this member has served with it',
    does: 'removes the marker: it holds data',
    plan: s =>
      isDead(s) && unfinishedBootstrap(s) && ownServedData(s)
        ? { actions: [{ kind: 'mark-served' }], wakeInMs: 20 }
        : null,
  },
  {
    id: 'unfinished-bootstrap',
    when: 'the directory is a bootstrap of this member that was never served, and somebody else leads',
    does: 'removes it',
    plan: s =>
      s.record && !leads(s) && isDead(s) && unfinishedBootstrap(s) && !ownServedData(s)
        ? { actions: [{ kind: 'remove-unfinished' }], wakeInMs: 50 }
        : null,
  },
  {
    id: 'clone',
    when: 'there is no usable copy here, and the leader serves',
    does: 'makes a copy in a new directory, which replaces the old one only when it is complete',
    plan: s => (s.record && !leads(s) && isDead(s) && needsClone(s) ? clone(s) : null),
  },
  {
    id: 'rewind',
    when: "the copy has diverged, and the leader's first checkpoint is done",
    does: 'runs pg_rewind',
    plan: s => (s.record && !leads(s) && isDead(s) && diverged(s) ? rewind(s) : null),
  },
  {
    id: 'drop-term',
    when: 'nothing runs, and the guard still counts a term that is over',
    does: 'gives the term up at the guard, so that a standby can start',
    plan: s => {
      const term = s.guard?.term ?? null
      const over = s.record !== null && term !== null && (!s.holding || s.record.term > term)
      if (!over || !isDead(s) || s.guard?.mode === 'standby') return null
      return { actions: [{ kind: 'drop', term }], wakeInMs: 1 }
    },
  },
  {
    id: 'start-standby',
    when: 'nothing runs, and there is a copy',
    does: 'starts it as a standby without an upstream: it follows when its end is known (after a rewind at once, since it lacks the WAL up to which it was rewound)',
    plan: s => {
      // While the guard counts a deadline this member may still lead, and a standby in its place would lead nothing.
      const free = s.guard?.mode === 'standby' || s.guard?.mode === 'fenced'
      if (leads(s) || !free || !isDead(s) || !s.control || paused(s)) return null
      // Without the store only a copy that was this member's before: of any other it is not known whose it is.
      if (!s.cluster && s.view.remembered.seat === null) return wait({ store: 'lost' })
      const trouble = notWritable(s)
      if (trouble) return wait({ trouble }, 250)
      const last = s.view.memory.starts[0]
      const sinceMs = last ? elapsedAtMost(last, s.now) : null
      if (sinceMs !== null && sinceMs < START_BACKOFF_MS) return wait({ sinceMs }, START_BACKOFF_MS - sinceMs)
      const upstream = s.view.memory.rewound && leaderServes(s) ? upstreamFor(s) : null
      return {
        because: exitOf(s),
        actions: [{ kind: 'start', upstream, slot: upstream ? ownSlot(s) : null }],
        memory: { starts: [s.now, ...s.view.memory.starts].slice(0, 3), ...crashOf(s) },
        wakeInMs: 50,
      }
    },
  },
  {
    id: 'follow-to-consistency',
    when: 'an instance in recovery has let nobody in for 30 s, its copy is usable, and the leader serves',
    does: 'has it stream from the leader: after a rewind it lacks the WAL up to which the source was copied',
    plan: s => {
      if (s.running.kind !== 'starting' || s.guard?.mode !== 'standby' || !leaderServes(s)) return null
      if (s.view.remembered.seatState !== 'ready' || s.view.memory.stopAskedAt) return null
      const last = s.view.memory.starts[0]
      const sinceMs = last ? elapsedAtMost(last, s.now) : COMING_UP_MS
      if (sinceMs < COMING_UP_MS) return wait({ sinceMs }, COMING_UP_MS - sinceMs)
      if (!isSeatKnown(s)) return wait({ key: 'not there yet' }, 50)
      const upstream = upstreamFor(s)
      const actions = upstream ? configureAs(s, 'standby', upstream) : []
      return actions.length > 0 ? { because: { upstream: upstream?.name ?? null }, actions } : null
    },
  },
  {
    id: 'keep-evidence',
    when: 'a standby runs whose copy is to be rewound or replaced, the leader serves, and what only this copy has is not kept yet',
    does: 'marks the copy and keeps its WAL, a list of its transactions and, while it runs, their rows',
    plan: s => {
      const marked = s.view.remembered.seatState
      const unusable = s.lineage === 'foreign' || marked === 'incomplete'
      if (s.running.kind !== 'standby' || s.view.memory.evidenceKept || s.holding || !leaderServes(s))
        return null
      if (!unusable && s.lineage !== 'diverged') return null
      const from = upstreamOf(s.leaderMember)
      const systemIdentifier = s.cluster?.initialize?.value
      if (!from || !systemIdentifier) return null
      const state = unusable ? 'incomplete' : 'diverged'
      return {
        because: { timeline: s.end?.timeline ?? null, lineage: s.lineage },
        actions: [
          ...(marked === state ? [] : [{ kind: 'mark-seat', state } as const]),
          { kind: 'run-job', order: { kind: 'keep-evidence', from, systemIdentifier } },
        ],
        wakeInMs: 100,
      }
    },
  },
  {
    id: 'unusable-copy',
    when: 'a standby runs on a timeline number that was not given to its history, or on a copy that is to be made anew',
    does: 'marks the copy, and stops it when the leader serves',
    plan: s => {
      const marked = s.view.remembered.seatState === 'incomplete'
      if (s.running.kind !== 'standby' || (s.lineage !== 'foreign' && !marked)) return null
      const stop = !s.holding && leaderServes(s)
      if (marked && !stop) return null
      const actions: Action[] = [
        ...(marked ? [] : [{ kind: 'mark-seat', state: 'incomplete' } as const]),
        ...(stop ? [{ kind: 'stop', mode: 'fast' } as const] : []),
      ]
      return { because: { timeline: s.end?.timeline ?? null, lineage: s.lineage }, actions, wakeInMs: 50 }
    },
  },
  {
    id: 'rewind-stop',
    when: 'a standby runs whose copy has diverged from the accepted history, and the leader serves',
    does: 'marks the copy and stops it',
    plan: s =>
      s.running.kind === 'standby' && s.lineage === 'diverged' && !s.holding && leaderServes(s)
        ? {
            because: { timeline: s.end?.timeline ?? null },
            actions: [
              { kind: 'mark-seat', state: 'diverged' },
              { kind: 'stop', mode: 'fast' },
            ],
            wakeInMs: 50,
          }
        : null,
  },
  {
    id: 'follow',
    when: 'a standby runs, its copy is a beginning of the accepted history, and the leader serves',
    does: 'streams from the leader, by reload; drops slots of its own',
    plan: s => {
      if (s.running.kind !== 'standby' || s.lineage !== 'consistent' || s.holding || !leaderServes(s))
        return null
      if (!isSeatKnown(s)) return wait({ key: 'not there yet' }, 50)
      const upstream = upstreamFor(s)
      if (!upstream) return null
      const actions: Action[] = [...configureAs(s, 'standby', upstream), ...slotsFor(s), ...discard(s)]
      return actions.length > 0 ? { because: { upstream: upstream.name }, actions } : null
    },
  },
]

/** A start would fail, or wait for the disk and hold everything up; a test that is under way says it in a moment. */
function notWritable(s: Situation): string | null {
  const { health } = s.view
  if (health.diskAskedAt && !diskSilent(health, s.now)) return 'the disks are asked'
  return diskSilent(health, s.now) ?? placeFailure(health, ['data', 'wal'])
}

/** What runs here, when it does not lead, is in recovery. */
function crashOf(s: Situation): Partial<Memory> {
  const { exit } = s.guard ?? {}
  const crashed = exit?.cause === 'self' && exit.code !== 0
  return crashed ? { crashes: [s.now, ...s.view.memory.crashes].slice(0, CRASHES_MAX) } : {}
}

/** Its promotion was recorded (T4 writes the system identifier), and only the marker outlived it. */
function ownServedData(s: Situation): boolean {
  return s.holding && !['', undefined].includes(s.cluster?.initialize?.value)
}

function needsClone(s: Situation): boolean {
  if (emptyDirectory(s)) return true
  const found = s.view.directory
  const cut = found.kind === 'known' && found.value.kind === 'unfinished' && found.value.what === 'rewind'
  const cannotRewind = diverged(s) && !canRewind(s)
  const unusable = s.control !== null && s.view.remembered.seatState === 'incomplete' && !s.holding
  return cut || cannotRewind || (unusable && leaderServes(s))
}

function diverged(s: Situation): boolean {
  return s.control !== null && s.view.remembered.seatState === 'diverged' && !s.holding
}

function canRewind(s: Situation): boolean {
  return s.view.settings.useRewind && (s.control?.dataChecksums || s.control?.walLogHints) === true
}

function clone(s: Situation): Plan | null {
  const from = source(s)
  const systemIdentifier = s.cluster?.initialize?.value
  if (!from || !systemIdentifier) return wait({ leader: s.record?.holder.name ?? null })
  if (!mayBeReplaced(s)) return wait(COUNTED, COUNTED_POLL_MS)
  const slot = ownSlot(s)
  const order = {
    kind: 'clone',
    from,
    systemIdentifier,
    seat: s.view.chance.seat,
    suspect: s.view.remembered.seatState !== 'ready',
  } as const
  if (slot === null || from.name !== s.record?.holder.name) return job(order)
  const { publishedAt } = s.view.memory
  const justPublished = !publishedAt || elapsedAtMost(publishedAt, s.now) < SLOT_WAIT_MS
  const there = leaderHasSlot(s, slot)
  if (!there && justPublished) return wait({ slot: 'not there yet' }, 200)
  return job({ ...order, ...(there ? { slot } : {}) })
}

/** The leader makes a slot for each member key that it sees, and lists its slots in `/status`. */
function leaderHasSlot(s: Situation, slot: string): boolean {
  return s.cluster?.status?.value.includes(`"${slot}":`) ?? false
}

function rewind(s: Situation): Plan | null {
  const from = leaderServes(s) ? upstreamOf(s.leaderMember) : null
  const systemIdentifier = s.cluster?.initialize?.value
  if (!from || !systemIdentifier) return wait({ leader: s.record?.holder.name ?? null })
  // Before it, the source's control file still names the old timeline, and pg_rewind would believe it.
  if (s.leaderMember?.checkpointAfterPromote === false) return wait({ checkpoint: 'not yet' }, 200)
  if (!mayBeReplaced(s)) return wait(COUNTED, COUNTED_POLL_MS)
  return job({ kind: 'rewind', from, systemIdentifier })
}

function job(order: JobOrder): Plan {
  return { because: { job: order.kind }, actions: [{ kind: 'run-job', order }], wakeInMs: 200 }
}

/** A running member tagged `clonefrom`, else the leader. */
function source(s: Situation): Upstream | null {
  if (!leaderServes(s)) return null
  const tagged = (s.cluster?.members ?? [])
    .map(m => m.value)
    .find(m => m.tags['clonefrom'] === true && m.state === 'running' && m.name !== s.view.me.name)
  return upstreamOf(tagged ?? s.leaderMember)
}

export function leaderServes(s: Situation): boolean {
  const state = s.record?.state
  const { promise, floor } = s.view.remembered
  // Sealed: from nobody, until the record has moved on; and never from a term that a seal has ended (invariant I12).
  if (promise !== null || (s.record?.term ?? 0) < floor) return false
  // By its own word too: a holder that has just rebooted is a standby, and good copies must not be replaced from it.
  return !s.holding && (state === 'serving' || state === 'paused') && s.leaderMember?.role === 'primary'
}

function paused(s: Situation): boolean {
  return s.record?.state === 'paused' && s.view.settings.pause
}

/** The replaced directory is needed until the new copy streams. */
function discard(s: Situation): readonly Action[] {
  const streams = s.running.kind === 'standby' && s.running.status.replicationState === 'streaming'
  const cloned = s.view.remembered.seatState === 'ready' && s.view.memory.discardDue
  return streams && cloned ? [{ kind: 'run-job', order: { kind: 'discard-replaced' } }] : []
}
