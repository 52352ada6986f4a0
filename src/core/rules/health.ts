// Rules of a leader that is unwell: PostgreSQL hangs, its disks can't be written, its port is about to be shut. It hands
// over if somebody else is fit to lead; alone it stays and says so, and starts nothing that would only fail again.
import { elapsedAtMost } from '../../kernel/time.ts'
import { lagBehind } from '../candidate.ts'
import { cannotWrite, leadingTrouble } from '../health.ts'
import { isDead, renewalDue, type Situation } from '../situation.ts'
import { plainRenewal, release } from '../transaction.ts'
import { cleanEnd } from './handover.ts'
import { exitOf, giveUp, hasOtherMember, leads } from './leading.ts'
import { type Plan, type Rule, wait } from './rule.ts'

/** An instance that does not answer for so long is hung: it is killed, not waited for. */
const HUNG_MS = 3000
/** Without another member a restart in place is all there is; a hang that comes back is not cured by more of them. */
const HUNG_AGAIN_MS = 60_000
const HOLD_OFF_MS = 10_000
/** A stop in order loses nothing, but the disk that it needs is the one that fails. */
const STOP_LIMIT_MS = 10_000
/** The others have been asked by then, and a new agent still comes before the port is shut. */
const GATE_STUCK_MS = 1500
const GATE_STUCK =
  'The gate at the database port can not be renewed: the helpers that had the right to have ended or do not answer. ' +
  'PostgreSQL goes on; a new agent makes the gate anew.'

export const HEALTH: readonly Rule[] = [
  {
    id: 'memory-not-kept',
    when: 'not leading, and what a member must remember could not be written to its state directory',
    does: 'nothing: it must not act on what it would forget',
    plan: s => (s.view.notKept !== null && !s.holding ? wait({ reason: s.view.notKept }, 1000) : null),
  },
  {
    id: 'release-after-hang',
    when: 'leading, the instance was ended since it hung or could not write, and another member may take over',
    does: 'releases the leadership (T5)',
    plan: s =>
      leads(s) && s.record?.state === 'serving' && isDead(s) && s.view.memory.hung && hasOtherMember(s)
        ? handOver(s)
        : null,
  },
  {
    id: 'disk-asked',
    when: 'leading, PostgreSQL has just ended by itself, and the disks have not said yet whether they can be written',
    does: 'waits for that, a few milliseconds as a rule',
    plan: s =>
      deadLeader(s) && gaveUp(s) && s.view.health.diskAskedAt && !troubleOf(s) ? holding(s, 'asked') : null,
  },
  {
    id: 'release-unfit',
    when: 'leading, the instance is dead, its disks can not be written, and a member is fit to take over',
    does: 'releases the leadership (T5): a promotion here would only fail',
    plan: s => {
      const trouble = deadLeader(s) ? troubleOf(s) : null
      return trouble && fitPeer(s) ? { ...handOver(s), because: { ...exitOf(s), trouble } } : null
    },
  },
  {
    id: 'unfit-alone',
    when: 'leading, the instance is dead, its disks can not be written, and nobody else is fit to lead',
    does: 'keeps the leadership and starts nothing until they can',
    plan: s => {
      const trouble = deadLeader(s) ? troubleOf(s) : null
      return trouble ? holding(s, trouble) : null
    },
  },
  {
    id: 'hung',
    when: 'leading, and the instance has not answered a new connection or a query for 3 s',
    does: 'kills it: waiting for the ttl is only for when the guard cannot confirm; alone at most once a minute',
    plan: s => {
      const { silentSince, hungKilledAt } = s.view.memory
      if (!leads(s) || s.record?.state !== 'serving' || !silentSince) return null
      const silentMs = elapsedAtMost(silentSince, s.now)
      const again = hungKilledAt !== null && elapsedAtMost(hungKilledAt, s.now) < HUNG_AGAIN_MS
      if (silentMs < HUNG_MS || (again && !hasOtherMember(s))) return null
      return {
        because: { silentMs },
        actions: [{ kind: 'kill', reason: 'PostgreSQL does not answer' }],
        memory: { hung: true, hungKilledAt: s.now },
        wakeInMs: 20,
      }
    },
  },
  {
    id: 'unfit',
    when: 'leading and serving, PostgreSQL answers and has not been able to write for a while, or the kernel is about to shut its port, and a member is fit to take over',
    does: 'kills it, or stops it in order while its WAL can still be written; then the leadership is released',
    plan: s => (leads(s) && s.record?.state === 'serving' ? endUnfit(s) : null),
  },
  {
    id: 'gate-stuck',
    when: 'the kernel is about to shut the database port or has shut it, this agent can not change that any more, and nobody fit to lead has been found for 1.5 s',
    does: 'ends the agent and leaves PostgreSQL running: the next agent makes the gate anew',
    plan: s => (gateStuck(s) ? { actions: [{ kind: 'exit', status: 1, reason: GATE_STUCK }] } : null),
  },
]

function gateStuck(s: Situation): boolean {
  const { memory, ending } = s.view
  const trouble = s.guard?.gateTrouble
  const ends = memory.hung || memory.stopAskedAt !== null || ending !== 'no'
  return trouble != null && !ends && elapsedAtMost(trouble.since, s.now) >= GATE_STUCK_MS
}

function endUnfit(s: Situation): Plan | null {
  const { health, memory } = s.view
  const { stopAskedAt } = memory
  if (stopAskedAt) {
    const over = memory.hung && elapsedAtMost(stopAskedAt, s.now) >= STOP_LIMIT_MS
    return over
      ? { actions: [{ kind: 'kill', reason: 'the stop of an unfit primary did not end' }], wakeInMs: 20 }
      : null
  }
  const gate = s.guard?.gateTrouble ? `the port is about to be shut: ${s.guard.gateTrouble.reason}` : null
  const reason =
    s.running.kind === 'primary' ? (cannotWrite(health, s.now, s.view.settings.ttlMs) ?? gate) : null
  const successor = reason ? fitPeer(s) : null
  if (!reason || !successor) return null
  return {
    because: { reason, successor },
    actions: [health.writesFailing ? { kind: 'kill', reason } : { kind: 'stop', mode: 'fast' }],
    memory: { hung: true },
    wakeInMs: 20,
  }
}

/** A member that could take over by its own word, and would. */
function fitPeer(s: Situation): string | null {
  const { record, view } = s
  const last = s.end ?? view.memory.ownEnd
  const fit = Object.values(view.peers).find(
    reading =>
      reading.kind === 'known' &&
      reading.value.promotable &&
      !reading.value.noFailover &&
      record?.members.includes(reading.value.install ?? '') === true &&
      reading.value.position !== null &&
      lagBehind(reading.value.position, last) <= view.settings.maximumLagOnFailover,
  )
  return fit?.kind === 'known' ? fit.value.name : null
}

function deadLeader(s: Situation): boolean {
  const state = s.record?.state
  // A directory that could not even be looked at in time is on such a disk.
  const hasData = s.control !== null || s.view.directory.kind === 'lost'
  return leads(s) && isDead(s) && (state === 'serving' || state === 'electing') && hasData
}

/** By an error of its own: whoever was killed has no quarrel with the disk. */
function gaveUp({ guard }: Situation): boolean {
  return guard?.exit?.cause === 'self' && guard.exit.signal === null
}

function troubleOf(s: Situation): string | null {
  return leadingTrouble(s.view.health, s.now)
}

function holding(s: Situation, trouble: string): Plan {
  const due = renewalDue(s)
  return {
    because: { trouble },
    actions: due ? [plainRenewal(s, null)] : [],
    wakeInMs: trouble === 'asked' ? 10 : 250,
    ...(due ? { memory: { lastAttemptAt: s.now } } : {}),
  }
}

/** With the final position if it came to a clean end: then nobody with less takes over. */
function handOver(s: Situation): Plan {
  const plan = giveUp(s, HOLD_OFF_MS)
  const end = cleanEnd(s)
  return end ? { ...plan, actions: [release(s, end, null)] } : plan
}
