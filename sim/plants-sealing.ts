// Planted mistakes of sealing and of takeovers with seals.
import type { Plant } from './plant.ts'

const RULE = 'src/core/synchronous/rule.ts'
const TAKEOVER = 'src/core/synchronous/takeover.ts'
const SEALED = 'src/core/synchronous/sealed.ts'
const SEALING = 'src/core/rules/sealing.ts'
const HOST = 'sim/host.ts'
/** Where a new agent begins with what the disk has. */
const STARTS = "if (state === 'off' || host.agent?.process.alive()) return\n"

export const SEALING_PLANTS: readonly Plant[] = [
  {
    name: 'seal-off-by-one',
    mistake: 'one seal fewer than would meet every set that may have acknowledged',
    breaks: ['I2', 'I6'],
    theme: 'sealing',
    patches: [{ file: RULE, find: 'seats.length - k + 1', replace: 'seats.length - k' }],
  },
  {
    name: 'count-anybody',
    mistake: 'a seal counts although no commit ever waited for its seat',
    breaks: ['I2', 'I6'],
    theme: 'sealing',
    patches: [
      {
        file: RULE,
        find: 'const inside = rule.seats.filter(seat => counting.some(known => known.seat === seat)).length',
        replace: 'const inside = counting.length',
      },
    ],
  },
  {
    name: 'any-sealed-may-lead',
    mistake: 'with enough seals anybody of them leads, whatever the others have',
    breaks: ['I2', 'I6'],
    theme: 'one is behind',
    patches: [
      {
        file: TAKEOVER,
        find: 'seals.filter(seal => comparePositions(seal.position, end) <= 0),',
        replace: 'seals,',
      },
    ],
  },
  {
    name: 'compare-length-only',
    mistake: 'positions are compared by their length, whichever timeline they are on',
    breaks: ['I2', 'I6'],
    theme: 'longer and older',
    patches: [
      {
        file: 'src/kernel/lsn.ts',
        find: 'if (a.timeline !== b.timeline) return a.timeline - b.timeline',
        replace: '',
      },
      // The chain of promotions says the same once more.
      {
        file: 'src/core/lineage.ts',
        find: "return end !== null && lsn > end ? 'diverged' : 'consistent'",
        replace: "return 'consistent'",
      },
    ],
  },
  {
    name: 'unseal-too-early',
    mistake: 'a sealed member is free again after a while, although the record has not moved on',
    breaks: ['I1', 'I2', 'I6'],
    theme: 'late takeover',
    patches: [
      {
        file: SEALING,
        find: 'if (!promise || !s.record || !isOvertaken(s, promise)) return null',
        replace: `if (!promise || !s.record) return null
      if (!isOvertaken(s, promise) && (s.silence ?? 0) < 4000) return null`,
      },
    ],
  },
  {
    name: 'unseal-by-equal-revision',
    mistake: 'a restarted agent that reads the very revision that the seal was made for ends it',
    breaks: ['I1', 'I2', 'I6', 'I12'],
    theme: 'late takeover',
    patches: [
      {
        file: SEALED,
        find: 's.revision > promise.base',
        replace:
          's.revision > promise.base || (s.revision === promise.base && s.view.memory.cutFor === null)',
      },
    ],
  },
  {
    name: 'promise-not-persisted',
    mistake: 'a restarted agent does not know that it is sealed',
    breaks: ['I1', 'I2', 'I6', 'I12'],
    theme: 'late takeover',
    patches: [
      {
        file: HOST,
        find: STARTS,
        replace: `${STARTS}      host.memory = { ...host.memory, promise: null }\n`,
      },
    ],
  },
  {
    name: 'floor-not-persisted',
    mistake: 'a restarted agent does not know which terms are over',
    breaks: ['I1', 'I2', 'I12'],
    theme: 'forgotten terms',
    patches: [
      {
        file: HOST,
        find: STARTS,
        replace: `${STARTS}      host.memory = { ...host.memory, floor: 0, termMax: 0, revisionMax: 0n, rulesVersionMax: 0 }\n`,
      },
    ],
  },
  {
    name: 'takeover-drops-old-rules',
    mistake:
      'a new leader forgets the rules of the leaders before it before its standbys have what those promised',
    breaks: ['I2', 'I6'],
    theme: 'sealing',
    patches: [{ file: TAKEOVER, find: 'rules: [...rules, own]', replace: 'rules: [own]' }],
  },
  {
    name: 'degraded-is-promotable',
    mistake: 'commits that only the leader has do not keep anybody from replacing it',
    breaks: ['I2', 'I6'],
    theme: 'sealing',
    patches: [
      {
        file: RULE,
        find: 'if (rule.k === 0) return `',
        replace: 'if (rule.k === 0) return null\n  if (rule.k < 0) return `',
      },
      { file: TAKEOVER, find: 'record.rules?.at(-1)?.k === 0', replace: 'record.rules?.at(-1)?.k === -1' },
    ],
  },
  {
    name: 'clone-drops-promise',
    mistake: 'the promise is kept in the data directory, and goes with it',
    breaks: ['I1', 'I2', 'I6', 'I12'],
    theme: 'late takeover',
    patches: [
      {
        file: 'sim/faults-streaming.ts',
        find: '    postgres.directory = null\n',
        replace:
          '    postgres.directory = null\n    host.memory = { ...host.memory, promise: null, floor: 0 }\n',
      },
      // A new copy would wait for the leader's word all the same.
      {
        file: 'src/core/synchronous/leaving.ts',
        find: 'if (!record || !cluster?.term || seat === null || !counts(s)) return true',
        replace: 'return true',
      },
    ],
  },
  {
    name: 'silence-alone-promotes',
    mistake: 'the old leader is out by its ttl, and nobody asks what the others have',
    breaks: ['I2', 'I6'],
    theme: 'one is behind',
    patches: [
      {
        file: 'src/core/candidate.ts',
        find: 'if (!isSynchronous(s)) return lagObstacle(',
        replace: 'if (!isSynchronous(s) || s.waitedOut) return lagObstacle(',
      },
    ],
  },
  {
    name: 'answers-before-the-receiver-is-gone',
    mistake: 'a member says that it is sealed as soon as its promise is on disk',
    breaks: ['I2', 'I6', 'I12'],
    theme: 'false suspicion',
    patches: [
      {
        file: 'src/agent/seal-watch.ts',
        find: 'await engine.stopReceiving(limit)',
        replace: 'void engine.stopReceiving(limit).catch(() => {})',
      },
      {
        file: SEALED,
        find: 'if (memory.cutFor !== postmasterStartedAt || (receiving && memory.fetching === null)) return null',
        replace: 'if (memory.cutFor !== postmasterStartedAt) return null',
      },
    ],
  },
  {
    name: 'receiver-only-cut-by-reload',
    mistake: 'nobody ends the walreceiver: it is expected to go when the files name no upstream',
    breaks: ['I2', 'I12'],
    theme: 'stuck replay',
    patches: [
      {
        file: 'sim/engine-synchronous.ts',
        find: 'instance?.children.later(SIGTERM_MS, () => closeReceiver(world, instance))',
        replace: 'void (instance && closeReceiver && world)',
      },
      {
        file: 'sim/engine-synchronous.ts',
        find: "throw new Error('a walreceiver is there still')",
        replace: 'return',
      },
      {
        file: SEALED,
        find: '(receiving && memory.fetching === null)',
        replace: 'false',
      },
    ],
  },
  {
    name: 'old-seals-count',
    mistake: 'seals of an earlier revision of the record are taken for seals of this one',
    breaks: ['I2', 'I6'],
    theme: 'false suspicion',
    patches: [
      { file: TAKEOVER, find: '.filter(answer => answer.base === s.revision)', replace: '' },
      {
        file: 'src/agent/seal-watch.ts',
        find: 'if (!seals || !cluster?.term || cluster.term.modRevision !== seals.base) return {}',
        replace: 'if (!seals || !cluster?.term) return {}',
      },
      {
        file: 'src/agent/seal-watch.ts',
        find: 'if (context.seals?.base !== request.base)',
        replace: 'if (!context.seals)',
      },
    ],
  },
  {
    name: 'counts-a-copy-that-was-set-back',
    mistake: 'a copy that has less than was seen of it counts as the one that acknowledged',
    breaks: ['I2', 'I6'],
    theme: 'set back',
    patches: [
      {
        file: RULE,
        find: 'const counting = sealed.filter(seat => seat.ready && reachesSeen(rule, seat))',
        replace: 'void reachesSeen\n  const counting = sealed.filter(seat => seat.ready)',
      },
      {
        file: SEALED,
        find: 'if (remembered.reported && comparePositions(s.end, remembered.reported) < 0) return null',
        replace: 'void comparePositions',
      },
      {
        file: 'src/core/candidate.ts',
        find: 'return reported !== null && comparePositions(end, reported) < 0',
        replace: 'return reported !== null && end.timeline < 0',
      },
    ],
  },
  {
    name: 'position-before-replay-has-ended',
    mistake: 'a standby that was started again reports a position before it knows what lies on its disk',
    breaks: ['I2', 'I6'],
    theme: 'one is behind',
    patches: [
      {
        file: 'src/core/situation.ts',
        find: 'if (!running.status.localWalReplayed && running.status.received === null) return null',
        replace: '',
      },
      {
        file: SEALED,
        find: 'if (remembered.reported && comparePositions(s.end, remembered.reported) < 0) return null',
        replace: 'void comparePositions',
      },
      {
        file: RULE,
        find: 'seat.ready && reachesSeen(rule, seat)',
        replace: 'seat.ready && (reachesSeen(rule, seat) || true)',
      },
    ],
  },
]
