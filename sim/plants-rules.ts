// Planted mistakes of changing who is waited for, and of who counts as whom.
import type { Plant } from './plant.ts'

const CHANGE = 'src/core/synchronous/change.ts'
const INSTANCE = 'src/agent/instance.ts'
/** What would stop such a mistake at once, and is not there when the mistake is made in it. */
const WITHOUT_ASSERTION = {
  file: INSTANCE,
  find: 'if (!record || record.rules === null) return\n',
  replace: 'if (true) return\n',
}

export const RULE_PLANTS: readonly Plant[] = [
  {
    name: 'empties-names-on-demotion',
    mistake: 'the names are emptied so that a stop finds no commit that waits',
    breaks: ['I2', 'I10'],
    theme: 'switchover',
    patches: [
      {
        file: 'src/agent/perform.ts',
        find: 'const outcome = fromGuard(await context.ports.guard.stop(mode))',
        replace: `const { parameters, hba, ident } = context.settings!.value
  await context.ports.engine.writeConfiguration({ parameters, hba, ident, synchronousNames: '' }, null, null, 'primary')
  await context.ports.engine.reload()
  await new Promise<void>(resolve => context.ports.clock.after(100, resolve))
  const outcome = fromGuard(await context.ports.guard.stop(mode))`,
      },
    ],
  },
  {
    name: 'publish-after-adoption',
    mistake: 'PostgreSQL is told before the record is',
    breaks: ['I2', 'I6'],
    theme: 'rule changes',
    patches: [
      WITHOUT_ASSERTION,
      {
        file: CHANGE,
        find: 'if (mayBeSet(own, wanted.names.set)) return tell(s, wanted.names)',
        replace: 'if (mayBeSet(own, wanted.names.set) || wanted.set.k > 0) return tell(s, wanted.names)',
      },
    ],
  },
  {
    name: 'both-instead-of-union',
    mistake: 'while it changes the record holds the old rule and the new one, not what their mixtures allow',
    breaks: ['I2', 'I6'],
    theme: 'rule changes',
    patches: [
      {
        file: CHANGE,
        find: 'replaceOwn(record, widen(own, wanted.set))',
        replace: '[...(record.rules ?? []), { ...own, ...wanted.set, ...(replaceOwn && widen ? {} : {}) }]',
      },
    ],
  },
  {
    name: 'narrow-before-adoption',
    mistake: 'the record is narrowed while walsenders still count by the old names',
    breaks: ['I2', 'I6'],
    theme: 'rule changes',
    patches: [
      {
        file: CHANGE,
        find: 'one => one.syncPriority > 0 && !hasAdopted(one, proof)',
        replace: 'one => one.syncPriority < 0 && !hasAdopted(one, proof)',
      },
    ],
  },
  {
    name: 'adoption-without-new-wal',
    mistake: 'the proof asks for WAL that was there before: a walsender that stands still has it too',
    breaks: ['I2', 'I6'],
    theme: 'rule changes',
    patches: [
      {
        file: 'sim/engine-synchronous.ts',
        find: "          postgres.write('message')\n",
        replace: '',
      },
    ],
  },
  {
    name: 'narrow-without-catch-up',
    mistake: 'the record is narrowed to seats that lack what was acknowledged before',
    breaks: ['I2', 'I6'],
    theme: 'second loss',
    patches: [
      {
        file: CHANGE,
        find: 'if (caughtUp(s, wanted.set.seats, proof.caughtUpAt) < wanted.set.k)',
        replace: 'if (caughtUp(s, wanted.set.seats, proof.caughtUpAt) < 0)',
      },
    ],
  },
  {
    name: 'acts-before-own-change',
    mistake: 'a rule is built on although an earlier request of this agent may still change it back',
    breaks: ['I2', 'I6', 'I10'],
    theme: 'change of mind',
    patches: [
      {
        file: 'src/core/rules/synchronous.ts',
        find: 'healthy && memory.settled && ending',
        replace: 'healthy && ending',
      },
      // A renewal goes before everything else, and voids what is in flight as well.
      {
        file: 'src/core/rules/synchronous.ts',
        find: 'actions: [...renewal, ...actions]',
        replace: 'actions: [...actions, ...renewal]',
      },
    ],
  },
  {
    name: 'degraded-not-recorded',
    mistake: 'commits go alone before the record says that only their leader has them',
    breaks: ['I2', 'I10'],
    theme: 'rule changes',
    patches: [
      WITHOUT_ASSERTION,
      {
        file: CHANGE,
        find: 'if (mayBeSet(own, wanted.names.set)) return tell(s, wanted.names)',
        replace: 'if (mayBeSet(own, wanted.names.set) || wanted.set.k === 0) return tell(s, wanted.names)',
      },
    ],
  },
  {
    name: 'asynchronous-names-first',
    mistake: 'leaving the synchronous mode empties the names before the record allows it',
    breaks: ['I2', 'I10'],
    theme: 'mode changes',
    patches: [
      WITHOUT_ASSERTION,
      {
        file: CHANGE,
        find: "if (mode === 'off') return { kind: 'record'",
        replace: `if (mode === 'off' && status.synchronousNames !== '') return tell(s, { text: '', set: { seats: [], k: 0 } })
  if (mode === 'off') return { kind: 'record'`,
      },
    ],
  },
  {
    name: 'no-names-at-promotion',
    mistake: 'a new leader has no names until it gets round to them',
    breaks: ['I2', 'I10'],
    theme: 'sealing',
    patches: [
      {
        file: INSTANCE,
        find: "await engine.writeConfiguration(settings, null, null, 'primary')",
        replace:
          "await engine.writeConfiguration({ ...settings, synchronousNames: '', closed: false }, null, null, 'primary')",
      },
      {
        file: INSTANCE,
        find: 'return seen.names === names.text',
        replace: 'return seen.names === names.text || true',
      },
    ],
  },
  {
    name: 'more-than-there-are',
    mistake: 'the rule of a takeover asks for more copies than it lists',
    breaks: ['I6'],
    theme: 'sealing',
    patches: [
      {
        file: 'src/core/synchronous/rule.ts',
        find: 'k: Math.min(facts.wantedK, seats.length),',
        replace: 'k: facts.wantedK + 1,',
      },
    ],
  },
  {
    name: 'standby-without-placeholder',
    mistake: 'a standby has no names: whoever promotes it by hand gets commits that nobody else has',
    breaks: ['I9'],
    theme: 'promoted by hand',
    patches: [
      {
        file: 'sim/engine-files.ts',
        find: "if (role === 'standby') return NOT_LEADER",
        replace: "if (role === 'standby') return NOT_LEADER.slice(0, 0)",
      },
    ],
  },
  {
    name: 'count-by-name',
    mistake: 'a new copy of a member counts as the one that it replaces',
    breaks: ['I2', 'I6'],
    theme: 'copies',
    patches: [
      {
        file: 'src/core/synchronous/leaving.ts',
        find: 'if (!record || !cluster?.term || seat === null || !counts(s)) return true',
        replace: 'if (seat !== "") return true',
      },
      {
        file: 'src/core/synchronous/leaving.ts',
        find: 'return vigil && vigil.leaving !== true ? vigil.seat : null',
        replace: 'return vigil?.seat ?? null',
      },
    ],
  },
  {
    name: 'name-counted-twice',
    mistake: "nobody ends a connection that carries a member's name without being that member's",
    breaks: ['I2', 'I6'],
    theme: 'copies',
    patches: [
      {
        file: 'src/core/rules/synchronous.ts',
        find: 'if (!isCounting(s)) return null',
        replace: 'if (s.now) return null',
      },
    ],
  },
]
