// Mistakes in going on without the store that the simulation has to catch.
import type { Plant } from './plant.ts'

export const FAILSAFE_PLANTS: readonly Plant[] = [
  {
    name: 'old-store-is-believed',
    mistake: 'a term record that went back in time is taken for the present one',
    breaks: ['I11', 'I5'],
    theme: 'store rolled back',
    patches: [
      {
        file: 'src/core/situation.ts',
        find: 'function frozenReason(view: View, cluster: ClusterState): string | null {',
        replace:
          'function frozenReason(view: View, cluster: ClusterState): string | null {\n  if (cluster.term) return null',
      },
    ],
  },
  {
    name: 'no-promise',
    mistake: 'a member accepts and promises nothing',
    breaks: ['I3'],
    patches: [
      {
        file: 'src/core/failsafe.ts',
        find: 'return over ? 0 : Math.max(0, promise.waitMs - elapsedAtLeast(promise.at, s.now))',
        replace: 'return over ? 0 : 0',
      },
    ],
  },
  {
    name: 'old-record-ends-promise',
    mistake: 'the record that the leader was last seen with, before the promise, ends the promise',
    breaks: ['I3'],
    patches: [
      {
        file: 'src/core/failsafe.ts',
        find: ' && elapsedAtLeast(promise.at, seen.at) > 0',
        replace: '',
      },
    ],
  },
  {
    name: 'failsafe-deadline-from-answer',
    mistake: 'the deadline counts from when the last answer came, not from before the first question',
    breaks: ['I3'],
    patches: [
      {
        file: 'src/agent/failsafe.ts',
        find: 'guard.arm(term, deadlineOf(sentAt, ttl), ttl)',
        replace: 'guard.arm(term, deadlineOf(clock.now(), ttl), ttl)',
      },
    ],
  },
  {
    name: 'failsafe-by-majority',
    mistake: 'half of those who may lead are enough',
    breaks: ['I3'],
    patches: [
      {
        file: 'src/agent/failsafe.ts',
        find: 'for (const answer of answers) void answer.then(refusal => refusal && resolve(refusal))',
        replace: 'for (const answer of answers) void answer.then(refusal => !refusal && resolve(null))',
      },
    ],
  },
  {
    name: 'stranger-may-lead',
    mistake: 'a member that the record does not list takes over',
    breaks: ['I3'],
    patches: [
      {
        file: 'src/core/candidate.ts',
        find: "if (!record.members.includes(view.me.install)) return 'not a listed member'",
        replace: '',
      },
    ],
  },
]
