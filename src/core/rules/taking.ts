// Rules of a member that does not lead and may take over.
import { comparePositions } from '../../kernel/lsn.ts'
import { exclusionOf, obstacle, rankOf, turnIn } from '../candidate.ts'
import { promisedMs } from '../failsafe.ts'
import { heldOff, type Situation } from '../situation.ts'
import { take } from '../transaction.ts'
import { leads, SELF_TAKES_MAX } from './leading.ts'
import { type Rule, wait } from './rule.ts'

export const TAKING: readonly Rule[] = [
  {
    id: 'credit-attempt',
    when: 'the record carries the nonce of an own attempt whose answer was lost',
    does: 'counts it from the moment that attempt was sent',
    plan: s => {
      const attempt = s.view.memory.attempts.find(known => known.nonce === s.record?.nonce)
      if (!attempt || !s.revision || s.frozen) return null
      return {
        because: { id: attempt.id },
        actions: [{ kind: 'credit', attempt, revision: s.revision }],
        wakeInMs: 1,
      }
    },
  },
]

export const TAKEOVER: readonly Rule[] = [
  {
    id: 'self-take-after-reboot',
    when: 'the record names this installation on this machine, its guard is new, and the copy is as far as was reported',
    does: 'takes the next term (T3) without waiting: nobody else can have served',
    plan: s =>
      mayRetake(s) && !heldOff(s)
        ? {
            actions: [take(s)],
            wakeInMs: 20,
            memory: {
              lastAttemptAt: s.now,
              starts: [],
              selfTakes: [s.now, ...s.view.memory.selfTakes].slice(0, SELF_TAKES_MAX),
            },
          }
        : null,
  },
  {
    id: 'take',
    when: "the old leader is excluded, this copy is complete, and it is this member's turn",
    does: 'takes the next term (T3)',
    plan: s => {
      const exclusion = ready(s)
      if (!exclusion || turnIn(s, exclusion) > 0) return null
      return {
        because: { exclusion, silenceMs: Math.round(s.silence ?? 0) },
        actions: [take(s)],
        wakeInMs: 20,
        memory: { lastAttemptAt: s.now, starts: [] },
      }
    },
  },
  {
    id: 'take-turn',
    when: 'the old leader is excluded and this copy is complete, but a better member or the successor comes first',
    does: 'waits for its turn',
    plan: s => {
      const exclusion = ready(s)
      if (!exclusion) return null
      const turnInMs = turnIn(s, exclusion)
      return wait({ exclusion, turnInMs, better: rankOf(s) }, Math.min(200, turnInMs))
    },
  },
]

export const BLOCKED: readonly Rule[] = [
  {
    id: 'take-blocked',
    when: 'the old leader is excluded, and something stands against this member',
    does: 'waits',
    plan: s => {
      const exclusion = leads(s) ? null : exclusionOf(s)
      if (!exclusion) return null
      return wait({ exclusion, obstacle: obstacle(s) }, 250)
    },
  },
]

function ready(s: Situation): ReturnType<typeof exclusionOf> {
  if (leads(s)) return null
  const exclusion = exclusionOf(s)
  return exclusion && obstacle(s) === null ? exclusion : null
}

/** The holder after a reboot (protocol A6): its guard was armed for this very term and died with its PostgreSQL. */
function mayRetake(s: Situation): boolean {
  const { record, end, view } = s
  if (
    !s.holding ||
    !record ||
    s.guardKnowsTerm ||
    (record.state === 'paused' && view.settings.pause) ||
    record.state === 'released' ||
    promisedMs(s) > 0
  )
    return false
  if (record.holder.machine !== view.me.machine || view.remembered.servedTerm !== record.term) return false
  if (record.holder.seat !== view.remembered.seat || view.remembered.seatState !== 'ready') return false
  if (s.guard?.mode !== 'standby' || s.running.kind !== 'standby' || !end) return false
  if (end.timeline > record.timelineMax) return false
  return !record.at || comparePositions(end, record.at) >= 0
}
