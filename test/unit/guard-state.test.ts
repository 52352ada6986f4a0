import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type GuardEvent,
  type GuardMessage,
  type GuardState,
  INITIAL_STATE,
  type Step,
} from '../../src/guard/model.ts'
import { step } from '../../src/guard/state.ts'
import type { Instant } from '../../src/kernel/time.ts'

const COMMAND = { program: '/bin/postgres', arguments: ['-D', '/data'], environment: {} }
const TTL = 10_000

function at(ms: number): Instant {
  return { mono: ms, boot: ms + 5_000_000 }
}

/** One guard, fed event by event; remembers everything it did and answered. */
function guard() {
  let state: GuardState = INITIAL_STATE
  let requests = 0
  const feed = (event: GuardEvent, now: number): Step => {
    const result = step(state, event, at(now))
    state = result.state
    return result
  }
  return {
    get state() {
      return state
    },
    feed,
    ask: (message: GuardMessage, now: number) => feed({ kind: 'message', id: ++requests, message }, now),
    /** A standby that runs. */
    running(now = 0) {
      this.ask({ kind: 'start', command: COMMAND }, now)
      feed({ kind: 'signal-ensured', failure: null }, now)
      feed({ kind: 'started', pid: 100 }, now)
      return this
    },
    armed(term: number, deadline: number, now = 0) {
      this.ask({ kind: 'arm', term, deadline: at(deadline), ttl: TTL }, now)
      return this
    },
    primary(term: number, deadline: number, now = 0) {
      this.running(now).armed(term, deadline, now).ask({ kind: 'promote', term }, now)
      feed({ kind: 'promote-file-written', failure: null }, now)
      return this
    },
    dead(now: number) {
      feed({ kind: 'postmaster-exited', code: null, signal: 'SIGKILL', output: '' }, now)
      feed({ kind: 'processes', alive: false }, now)
      return this
    },
  }
}

const kinds = (result: Step) => result.effects.map(effect => effect.kind)
const reply = (result: Step) => result.answers.at(-1)?.kind

test('a start makes sure of standby.signal before it executes anything', () => {
  const it = guard()
  assert.deepEqual(kinds(it.ask({ kind: 'start', command: COMMAND }, 0)), ['ensure-standby-signal'])
  assert.deepEqual(kinds(it.feed({ kind: 'signal-ensured', failure: null }, 1)), ['exec'])
  const started = it.feed({ kind: 'started', pid: 7 }, 2)
  assert.equal(reply(started), 'done')
  assert.equal(it.state.postmaster, 7)
})

test('without standby.signal on disk nothing is executed', () => {
  const it = guard()
  it.ask({ kind: 'start', command: COMMAND }, 0)
  const failed = it.feed({ kind: 'signal-ensured', failure: 'No space left' }, 1)
  assert.deepEqual(kinds(failed), [])
  assert.equal(reply(failed), 'refused')
  assert.equal(it.state.alive, false)
})

test('a second start is refused while one is under way or anything is alive', () => {
  const it = guard()
  it.ask({ kind: 'start', command: COMMAND }, 0)
  assert.equal(reply(it.ask({ kind: 'start', command: COMMAND }, 0)), 'refused')
  assert.equal(reply(guard().running().ask({ kind: 'start', command: COMMAND }, 0)), 'refused')
})

test('at the deadline everything is killed before the message is looked at', () => {
  const it = guard().primary(1, 1000)
  const late = it.ask({ kind: 'arm', term: 1, deadline: at(5000), ttl: TTL }, 1000)
  assert.deepEqual(kinds(late), ['kill-all'])
  assert.equal(reply(late), 'refused')
  assert.equal(it.state.mode, 'fenced')
})

test('one millisecond before the deadline a renewal still counts', () => {
  const it = guard().primary(1, 1000)
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(5000), ttl: TTL }, 999)), 'done')
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 4999)), [])
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 5000)), ['kill-all'])
})

test('the deadline is reached when either clock reaches it', () => {
  const it = guard().primary(1, 1000)
  const result = step(it.state, { kind: 'tick' }, { mono: 10, boot: at(1000).boot })
  assert.deepEqual(kinds(result), ['kill-all'])
})

test('an older answer never moves the deadline back', () => {
  const it = guard().armed(1, 5000)
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(4000), ttl: TTL }, 10)), 'done')
  assert.deepEqual(it.state.deadline, at(5000))
})

test('a lowered deadline holds, and one in the past kills at once', () => {
  const it = guard().primary(1, 5000)
  it.ask({ kind: 'lower', deadline: at(3000) }, 10)
  assert.deepEqual(it.state.deadline, at(3000))
  assert.deepEqual(kinds(it.ask({ kind: 'lower', deadline: at(10) }, 20)), ['kill-all'])
})

test('a deadline beyond now + ttl is refused', () => {
  const it = guard()
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(TTL + 1), ttl: TTL }, 0)), 'refused')
  assert.equal(it.state.mode, 'standby')
})

test('after the deadline the term is armed again only while PostgreSQL is down', () => {
  const it = guard().primary(1, 1000)
  it.feed({ kind: 'tick' }, 1000)
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(9000), ttl: TTL }, 1100)), 'refused')
  it.dead(1200)
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(9000), ttl: TTL }, 1300)), 'done')
})

test('a fenced instance may start again as standby, and its old term is over then', () => {
  const it = guard().primary(1, 1000)
  it.feed({ kind: 'tick' }, 1000)
  it.dead(1100).running(1200)
  assert.equal(it.state.mode, 'standby')
  assert.equal(it.state.alive, true)
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(9000), ttl: TTL }, 1300)), 'refused')
  assert.equal(reply(it.ask({ kind: 'arm', term: 2, deadline: at(9000), ttl: TTL }, 1300)), 'done')
})

test('a dropped term is never armed again', () => {
  const it = guard().primary(3, 5000)
  assert.equal(reply(it.ask({ kind: 'drop', term: 3 }, 10)), 'refused')
  it.dead(20)
  assert.equal(reply(it.ask({ kind: 'drop', term: 3 }, 30)), 'done')
  assert.equal(it.state.mode, 'standby')
  for (const term of [1, 2, 3])
    assert.equal(reply(it.ask({ kind: 'arm', term, deadline: at(6000), ttl: TTL }, 40)), 'refused')
  assert.equal(reply(it.ask({ kind: 'arm', term: 4, deadline: at(6000), ttl: TTL }, 40)), 'done')
})

test('a promotion needs the armed term and is dropped when the deadline passes in its middle', () => {
  const it = guard().running()
  assert.equal(reply(it.ask({ kind: 'promote', term: 1 }, 0)), 'refused')
  it.armed(1, 1000)
  assert.equal(reply(it.ask({ kind: 'promote', term: 2 }, 0)), 'refused')
  assert.deepEqual(kinds(it.ask({ kind: 'promote', term: 1 }, 900)), ['write-promote-file'])
  const late = it.feed({ kind: 'promote-file-written', failure: null }, 1000)
  assert.deepEqual(kinds(late), ['kill-all'])
  assert.deepEqual(
    late.answers.map(answer => answer.kind),
    ['refused'],
  )
})

test('a promotion in time is signalled once the file is written', () => {
  const it = guard().running().armed(1, 1000)
  it.ask({ kind: 'promote', term: 1 }, 10)
  const written = it.feed({ kind: 'promote-file-written', failure: null }, 20)
  assert.deepEqual(written.effects, [{ kind: 'signal', signal: 'SIGUSR1' }])
  assert.equal(reply(written), 'done')
})

test('a term promotes one run of the postmaster only', () => {
  const it = guard().primary(1, 5000).dead(10).running(20)
  assert.equal(it.state.mode, 'armed')
  assert.equal(reply(it.ask({ kind: 'promote', term: 1 }, 30)), 'refused')
  it.armed(2, 6000, 40)
  assert.deepEqual(kinds(it.ask({ kind: 'promote', term: 2 }, 50)), ['write-promote-file'])
})

test('an instance that was promoted in one term is not armed for another', () => {
  const it = guard().primary(1, 5000)
  assert.equal(reply(it.ask({ kind: 'arm', term: 2, deadline: at(6000), ttl: TTL }, 10)), 'refused')
})

test('a promote file that is still being written keeps the next run from starting', () => {
  const it = guard().running().armed(1, 5000)
  it.ask({ kind: 'promote', term: 1 }, 10)
  it.dead(20)
  assert.equal(reply(it.ask({ kind: 'start', command: COMMAND }, 30)), 'refused')
  assert.deepEqual(kinds(it.feed({ kind: 'promote-file-written', failure: null }, 40)), [])
  assert.deepEqual(kinds(it.ask({ kind: 'start', command: COMMAND }, 50)), ['ensure-standby-signal'])
})

test('a kill is answered when nothing is alive, and is repeated until then', () => {
  const it = guard().primary(1, 5000)
  const asked = it.ask({ kind: 'kill' }, 10)
  assert.deepEqual(kinds(asked), ['kill-all'])
  assert.deepEqual(asked.answers, [])
  it.feed({ kind: 'processes', alive: true }, 11)
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 200)), ['kill-all'])
  assert.equal(reply(it.feed({ kind: 'processes', alive: false }, 201)), 'done')
  assert.equal(it.state.term, 1, 'armed for this term and dead: the holder may take the next one at once')
})

test('when the postmaster is killed by somebody its orphans are killed before anything else', () => {
  const it = guard().primary(1, 5000)
  const result = it.feed({ kind: 'postmaster-exited', code: null, signal: 'SIGKILL', output: 'x' }, 10)
  assert.deepEqual(kinds(result), ['kill-all'])
  assert.deepEqual(it.state.exit, { code: null, signal: 'SIGKILL', cause: 'self', output: 'x' })
  assert.equal(reply(it.ask({ kind: 'start', command: COMMAND }, 11)), 'refused')
  it.feed({ kind: 'processes', alive: false }, 12)
  assert.deepEqual(kinds(it.ask({ kind: 'start', command: COMMAND }, 13)), ['ensure-standby-signal'])
})

test('after a clean stop what is left is killed on the next tick only', () => {
  const it = guard().running()
  it.ask({ kind: 'stop', mode: 'fast' }, 5)
  const result = it.feed({ kind: 'postmaster-exited', code: 0, signal: null, output: '' }, 10)
  assert.deepEqual(kinds(result), ['list-processes'])
  assert.equal(it.state.exit?.cause, 'request')
  it.feed({ kind: 'processes', alive: true }, 11)
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 200)), ['kill-all'])
})

test('in standby a standby.signal that went away means that somebody promoted', () => {
  const it = guard().running()
  assert.deepEqual(kinds(it.feed({ kind: 'signal-file', present: true }, 10)), [])
  assert.deepEqual(kinds(it.feed({ kind: 'signal-file', present: false }, 20)), ['kill-all'])
  assert.equal(it.state.mode, 'fenced')
  assert.equal(it.state.endCause, 'promoted')
})

test('while armed a missing standby.signal is what a promotion does', () => {
  const it = guard().primary(1, 5000)
  assert.deepEqual(kinds(it.feed({ kind: 'signal-file', present: false }, 20)), [])
})

test('an instance started by something else is adopted, can be armed and is killed at the deadline', () => {
  const it = guard()
  assert.deepEqual(kinds(it.feed({ kind: 'found', pid: 9, abandoned: false }, 0)), [])
  assert.equal(it.state.adopted, true)
  assert.deepEqual(kinds(it.feed({ kind: 'signal-file', present: false }, 10)), [], 'it may be a primary')
  it.armed(1, 1000, 20)
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 1000)), ['kill-all'])
})

test('an instance that a dead guard left behind is killed', () => {
  const it = guard()
  assert.deepEqual(kinds(it.feed({ kind: 'found', pid: 9, abandoned: true }, 0)), ['kill-all'])
  assert.equal(it.state.mode, 'fenced')
})

test('in the maintenance pause there is no deadline, and arming ends it', () => {
  const it = guard().primary(1, 1000)
  assert.equal(reply(it.ask({ kind: 'unarm', term: 1 }, 10)), 'done')
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 100_000)), [])
  assert.equal(reply(it.ask({ kind: 'arm', term: 1, deadline: at(105_000), ttl: TTL }, 100_000)), 'done')
  assert.deepEqual(kinds(it.feed({ kind: 'tick' }, 105_000)), ['kill-all'])
})

test('only the armed term can be paused', () => {
  assert.equal(reply(guard().running().ask({ kind: 'unarm', term: 1 }, 10)), 'refused')
  assert.equal(reply(guard().armed(2, 900).ask({ kind: 'unarm', term: 1 }, 10)), 'refused')
})

test('the guard ends only while nothing runs', () => {
  assert.equal(reply(guard().running().ask({ kind: 'quit' }, 0)), 'refused')
  assert.deepEqual(kinds(guard().ask({ kind: 'quit' }, 0)), ['end'])
})

test('a kill that arrives while the postmaster is being executed reaches it', () => {
  const it = guard()
  it.ask({ kind: 'start', command: COMMAND }, 0)
  it.feed({ kind: 'signal-ensured', failure: null }, 1)
  it.ask({ kind: 'kill' }, 2)
  it.feed({ kind: 'processes', alive: false }, 3)
  assert.deepEqual(kinds(it.feed({ kind: 'started', pid: 7 }, 4)), ['kill-all'])
})
