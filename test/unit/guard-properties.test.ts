import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type GuardEvent, type GuardMessage, type GuardState, INITIAL_STATE } from '../../src/guard/model.ts'
import { step } from '../../src/guard/state.ts'
import { type Instant, later, reached } from '../../src/kernel/time.ts'

const COMMAND = { program: 'postgres', arguments: [], environment: {} }
const TTL = 100

/** An event, drawn with offsets that become instants when it happens. */
interface Draw {
  readonly advance: number
  /** The boot clock may run ahead (suspension). */
  readonly suspended: number
  readonly event: (now: Instant, id: number) => GuardEvent
}

const term = fc.integer({ min: 1, max: 4 })

const messages: fc.Arbitrary<(now: Instant) => GuardMessage> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(term, fc.integer({ min: -20, max: 130 })).map(
      ([t, ms]) =>
        (now: Instant): GuardMessage => ({ kind: 'arm', term: t, deadline: later(now, ms), ttl: TTL }),
    ),
  },
  fc.integer({ min: -20, max: 130 }).map(
    ms =>
      (now: Instant): GuardMessage => ({ kind: 'lower', deadline: later(now, ms) }),
  ),
  term.map(t => (): GuardMessage => ({ kind: 'drop', term: t })),
  term.map(t => (): GuardMessage => ({ kind: 'unarm', term: t })),
  { weight: 4, arbitrary: term.map(t => (): GuardMessage => ({ kind: 'promote', term: t })) },
  { weight: 4, arbitrary: fc.constant((): GuardMessage => ({ kind: 'start', command: COMMAND })) },
  fc
    .constantFrom<GuardMessage>(
      { kind: 'kill' },
      { kind: 'quit' },
      { kind: 'hello' },
      { kind: 'stop', mode: 'fast' },
    )
    .map(message => () => message),
)

const others: fc.Arbitrary<GuardEvent> = fc.oneof(
  fc.constant<GuardEvent>({ kind: 'tick' }),
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(null, 'no space')
      .map((failure): GuardEvent => ({ kind: 'signal-ensured', failure })),
  },
  { weight: 3, arbitrary: fc.constant<GuardEvent>({ kind: 'started', pid: 7 }) },
  fc.constant<GuardEvent>({ kind: 'start-failed', reason: 'no program' }),
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(null, 'no space')
      .map((failure): GuardEvent => ({ kind: 'promote-file-written', failure })),
  },
  fc
    .constantFrom(0, 1)
    .map((code): GuardEvent => ({ kind: 'postmaster-exited', code, signal: null, output: '' })),
  { weight: 2, arbitrary: fc.boolean().map((alive): GuardEvent => ({ kind: 'processes', alive })) },
  fc.boolean().map((abandoned): GuardEvent => ({ kind: 'found', pid: 8, abandoned })),
  fc.boolean().map((present): GuardEvent => ({ kind: 'signal-file', present })),
)

const draws: fc.Arbitrary<Draw> = fc
  .tuple(
    fc.integer({ min: 0, max: 40 }),
    fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 80 })),
    fc.oneof(
      messages.map(
        message =>
          (now: Instant, id: number): GuardEvent => ({ kind: 'message', id, message: message(now) }),
      ),
      others.map(event => () => event),
    ),
  )
  .map(([advance, suspended, event]) => ({ advance, suspended, event }))

interface Moment {
  readonly before: GuardState
  readonly event: GuardEvent
  readonly now: Instant
  readonly result: ReturnType<typeof step>
}

function play(script: readonly Draw[]): Moment[] {
  let state = INITIAL_STATE
  let now: Instant = { mono: 1000, boot: 9000 }
  return script.map((draw, id) => {
    now = { mono: now.mono + draw.advance, boot: now.boot + draw.advance + draw.suspended }
    const event = draw.event(now, id)
    const moment = { before: state, event, now, result: step(state, event, now) }
    state = moment.result.state
    return moment
  })
}

function holds(property: (moments: readonly Moment[]) => void): void {
  fc.assert(
    fc.property(fc.array(draws, { maxLength: 60 }), script => property(play(script))),
    // A run takes a fraction of a second; finding the smallest counterexample may take for ever.
    { numRuns: 3000, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: true },
  )
}

test('once the deadline is reached the step does nothing but kill', () => {
  holds(moments => {
    for (const { before, now, result } of moments) {
      if (before.mode !== 'armed' || !reached(before.deadline!, now)) continue
      assert.deepEqual(result.effects, [{ kind: 'kill-all' }])
      assert.equal(result.state.mode, 'fenced')
    }
  })
})

test('no state is left armed with a deadline that is reached or lies beyond the ttl', () => {
  holds(moments => {
    for (const { now, result } of moments) {
      const { mode, deadline } = result.state
      assert.equal(mode === 'armed', deadline !== null)
      if (!deadline) continue
      assert.equal(reached(deadline, now), false)
      assert.ok(deadline.mono <= now.mono + TTL && deadline.boot <= now.boot + TTL)
    }
  })
})

test('within a term the deadline only grows, except by lower', () => {
  holds(moments => {
    for (const { before, event, result } of moments) {
      const kept =
        before.mode === 'armed' && result.state.mode === 'armed' && before.term === result.state.term
      if (!kept || (event.kind === 'message' && event.message.kind === 'lower')) continue
      assert.ok(result.state.deadline!.mono >= before.deadline!.mono)
      assert.ok(result.state.deadline!.boot >= before.deadline!.boot)
    }
  })
})

test('a dropped term is never armed again', () => {
  holds(moments => {
    const dropped = new Set<number>()
    for (const { event, result } of moments) {
      if (result.state.mode === 'armed') assert.ok(!dropped.has(result.state.term!))
      const isDrop = event.kind === 'message' && event.message.kind === 'drop'
      if (isDrop && result.answers.some(answer => answer.kind === 'done' && answer.to === event.id))
        dropped.add(event.message.kind === 'drop' ? event.message.term : 0)
    }
  })
})

test('promotion is begun and signalled only while armed for its term before the deadline', () => {
  holds(moments => {
    const promotedRun = new Map<number, number>()
    let run = 0
    for (const { before, event, now, result } of moments) {
      if (result.effects.some(effect => effect.kind === 'exec')) run++
      if (event.kind === 'found' && result.state.adopted && !before.adopted) run++
      const promotes = result.effects.some(
        effect =>
          effect.kind === 'write-promote-file' || (effect.kind === 'signal' && effect.signal === 'SIGUSR1'),
      )
      if (!promotes) continue
      assert.equal(before.mode, 'armed')
      assert.equal(reached(before.deadline!, now), false)
      assert.equal(promotedRun.get(before.term!) ?? run, run, 'one run a term')
      promotedRun.set(before.term!, run)
    }
  })
})

test('it becomes standby only when nothing is alive, by drop or by a start', () => {
  holds(moments => {
    for (const { before, result } of moments) {
      if (before.mode === 'standby' || result.state.mode !== 'standby') continue
      assert.equal(before.alive, false)
      assert.equal(before.killing, false)
    }
  })
})

test('exec follows standby.signal only, and never while anything is alive', () => {
  holds(moments => {
    for (const { before, event, result } of moments) {
      if (!result.effects.some(effect => effect.kind === 'exec')) continue
      assert.equal(event.kind === 'signal-ensured' && event.failure === null, true)
      assert.equal(before.alive || before.killing || before.postmaster !== null, false)
    }
  })
})

test('every request is answered at most once', () => {
  holds(moments => {
    const answered = moments.flatMap(({ result }) => result.answers.map(answer => answer.to))
    assert.equal(new Set(answered).size, answered.length)
  })
})
