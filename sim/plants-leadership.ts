// Planted mistakes of leadership, deadlines and the guard.
import type { Plant } from './plant.ts'

const LEADERSHIP = 'src/agent/leadership.ts'
const TRANSACTION = 'src/core/transaction.ts'

export const LEADERSHIP_PLANTS: readonly Plant[] = [
  {
    name: 'unhealthy-waits-for-ttl',
    mistake: 'a primary that can not write is left to its deadline instead of being killed and released',
    breaks: ['I18'],
    theme: 'sick disk',
    patches: [
      {
        file: 'src/core/rules/health.ts',
        find: "actions: [health.writesFailing ? { kind: 'kill', reason } : { kind: 'stop', mode: 'fast' }],",
        replace: 'actions: [],',
      },
    ],
  },
  {
    name: 'deadline-from-answer',
    mistake: 'the deadline counts from when the answer is read, not from before the request was sent',
    breaks: ['I3'],
    theme: 'unknown results',
    patches: [
      {
        file: LEADERSHIP,
        find: 'guard.arm(attempt.term, deadlineOf(attempt.sentAt, attempt.ttl), attempt.ttl)',
        replace: 'guard.arm(attempt.term, deadlineOf(clock.now(), attempt.ttl), attempt.ttl)',
      },
    ],
  },
  {
    name: 'wall-clock',
    mistake: 'the wait for the old leader is measured by the wall clock',
    breaks: ['I3'],
    theme: 'wall clocks',
    patches: [
      {
        file: 'src/core/remember.ts',
        find: 'at: view.store.at }',
        replace: 'at: { mono: Date.parse(view.wallTime), boot: Date.parse(view.wallTime) } }',
      },
      {
        file: LEADERSHIP,
        find: 'seen: { revision, at: clock.now(),',
        replace:
          'seen: { revision, at: { mono: clock.wallTime().getTime(), boot: clock.wallTime().getTime() },',
      },
      {
        file: 'src/core/situation.ts',
        find: 'elapsedAtLeast(view.memory.seen.at, now)',
        replace: '(Date.parse(view.wallTime) - view.memory.seen.at.mono)',
      },
    ],
  },
  {
    name: 'value-only-compare',
    mistake: 'a transaction compares who leads, not the revision that it was decided on',
    breaks: ['I3', 'I5'],
    theme: 'unknown results',
    patches: [
      {
        file: 'src/stores/cluster-store.ts',
        find: ': { key: keys.term, modRevision: expectedRevision },',
        replace: ': leaderCompare(keys, change.leader),',
      },
    ],
  },
  {
    name: 'trust-keepalive',
    mistake: 'a lease that could be kept alive moves the deadline',
    breaks: ['I3'],
    theme: 'stuck store',
    patches: [
      {
        file: 'src/agent/lease.ts',
        find: "import { ATTEMPT_LIMIT_MS } from '../core/timers.ts'",
        replace: "import { ATTEMPT_LIMIT_MS, deadlineOf } from '../core/timers.ts'",
      },
      {
        file: 'src/agent/lease.ts',
        find: "if (result.kind === 'held') tendedAt = clock.now()",
        replace: `if (result.kind === 'held') {
          tendedAt = clock.now()
          const status = context.ports.guard.status()?.status
          if (status?.mode === 'armed' && status.term !== null)
            await context.ports.guard.arm(status.term, deadlineOf(now, ttlMs), ttlMs)
        }`,
      },
    ],
  },
  {
    name: 'absent-key-at-once',
    mistake: 'a missing leader key is taken for the end of a leadership',
    breaks: ['I3'],
    theme: 'leader key',
    patches: [
      {
        file: 'src/core/candidate.ts',
        find: "if (s.waitedOut) return 'waited-out'",
        replace: "if (s.waitedOut || s.cluster?.leader === null) return 'waited-out'",
      },
    ],
  },
  {
    name: 'restart-counts-old-silence',
    mistake: 'an agent that has just started counts time in which it did not watch the record',
    breaks: ['I3'],
    theme: 'processes',
    patches: [
      {
        file: 'src/core/remember.ts',
        find: 'at: view.store.at }',
        replace: 'at: seen ? view.store.at : { mono: view.now.mono - 3e7, boot: view.now.boot - 3e7 } }',
      },
    ],
  },
  {
    name: 'wait-without-margin',
    mistake: 'an observer waits the ttl and nothing for wrong clocks',
    breaks: ['I3'],
    theme: 'clocks',
    patches: [{ file: 'src/core/timers.ts', find: 'return ttl * (1 + RHO)', replace: 'return ttl' }],
  },
  {
    name: 'release-keeps-deadline',
    mistake: 'the leadership is released while the guard still holds its deadline',
    breaks: ['I3'],
    theme: 'switchover',
    patches: [{ file: TRANSACTION, find: "before: 'drop',", replace: "before: 'nothing'," }],
  },
  {
    name: 'shrink-ttl-late',
    mistake: 'a shorter ttl is shown to everybody before the guard has it',
    breaks: ['I3'],
    theme: 'ttl',
    patches: [
      {
        file: TRANSACTION,
        find: "before: record.ttl < current.ttl && !paused ? 'lower' : 'nothing',",
        replace: "before: 'nothing',",
      },
    ],
  },
  {
    name: 'disarm-before-pause-is-recorded',
    mistake: 'the deadline is lifted before anybody can know of the maintenance pause',
    breaks: ['I3'],
    theme: 'maintenance',
    patches: [
      {
        file: LEADERSHIP,
        find: "case 'nothing':\n      return done()",
        replace:
          "case 'nothing':\n      return change.after === 'unarm' ? fromGuard(await guard.unarm(record.term)) : done()",
      },
    ],
  },
  {
    name: 'resume-before-arming',
    mistake: 'the end of a maintenance pause is recorded before a deadline counts again',
    breaks: ['I3'],
    theme: 'maintenance',
    patches: [
      {
        file: TRANSACTION,
        find: "=== 'armed' ? 'nothing' : 'arm'",
        replace: "=== 'armed' ? 'nothing' : 'nothing'",
      },
    ],
  },
  {
    name: 'takeover-in-pause',
    mistake: 'a holder that is silent in a maintenance pause is replaced after the ttl, and nobody was asked',
    breaks: ['I15'],
    theme: 'maintenance',
    patches: [
      {
        file: 'src/core/candidate.ts',
        find: "s.waitedOut && isLossAccepted(s) ? 'waited-out'",
        replace: "s.waitedOut ? 'waited-out'",
      },
    ],
  },
  {
    name: 'retake-in-pause',
    mistake: 'a holder that has rebooted takes the next term although its operators asked for quiet',
    breaks: ['I15'],
    theme: 'maintenance',
    patches: [
      {
        file: 'src/core/rules/taking.ts',
        find: "(record.state === 'paused' && view.settings.pause) ||",
        replace: '',
      },
    ],
  },
  {
    name: 'guard-message-before-clock',
    mistake: 'the guard looks at a message before it looks at its clock',
    breaks: ['I13'],
    theme: 'late word',
    patches: [
      {
        file: 'src/guard/state.ts',
        find: 'const before = enforceDeadline(state, now)',
        replace: 'const before = unchanged(state)',
      },
    ],
  },
  {
    name: 'kill-postmaster-only',
    mistake: 'at the deadline only the postmaster gets SIGKILL; its children go on for a while',
    breaks: ['I4'],
    theme: 'isolation',
    patches: [
      {
        file: 'sim/guard.ts',
        find: 'host.postgres.killEverything(host.killMs)',
        replace: 'host.postgres.killPostmaster()',
      },
    ],
  },
  {
    name: 'promote-incomplete',
    mistake: 'a copy whose rewind broke off is taken for a complete one',
    breaks: ['I8'],
    theme: 'torn copy',
    patches: [
      {
        file: 'sim/data-directory.ts',
        find: 'if (directory.marker !== null)',
        replace: "if (directory.marker === 'bootstrap')",
      },
      {
        file: 'src/agent/jobs.ts',
        find: 'await engine.rewind(order.from, order.systemIdentifier, signal)',
        replace: 'await engine.rewind(order.from, order.systemIdentifier, signal).catch(() => {})',
      },
    ],
  },
]
