import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOBODY } from '../../src/core/synchronous/names.ts'
import {
  mayBeSet,
  narrowed,
  ruleAtTakeover,
  type SealedSeat,
  type SeatSet,
  sealObstacle,
  widen,
} from '../../src/core/synchronous/rule.ts'
import type { AcknowledgementRule } from '../../src/core/term.ts'
import { lsn, type Position } from '../../src/kernel/lsn.ts'
import { type Algebra, findGap, OURS, ruleSets, SEATS } from './synchronous-check.ts'

test('at every step of every change every acknowledging set meets every seal set', () => {
  assert.equal(findGap(OURS), null)
})

const PLANTS: Readonly<Record<string, Partial<Algebra>>> = {
  'the old and the new rule instead of their union': {
    wide: (old, target) => [old, { ...old, ...target }],
  },
  'the larger k in the widened rule': {
    wide: (old, target) => [{ ...widen(old, target), k: Math.max(old.k, target.k) }],
  },
  'nothing recorded before PostgreSQL is told': { wide: old => [old] },
  'one seal too few': {
    proves: (rules, sealed) =>
      rules.every(
        rule =>
          sealed.some(s => s.seat === rule.leader) ||
          (rule.k > 0 &&
            sealed.filter(s => rule.seats.includes(s.seat)).length >=
              Math.max(1, rule.seats.length - rule.k)),
      ),
  },
  'a degraded rule that anybody may succeed': {
    proves: (rules, sealed) =>
      sealed.length > 0 &&
      sealObstacle(
        rules.filter(rule => rule.k > 0),
        sealed,
        null,
      ) === null,
  },
  'seals counted by name': {
    proves: (rules, sealed) =>
      sealObstacle(
        rules,
        sealed.map(s => ({ ...s, seat: s.seat.slice(0, 1) })),
        null,
      ) === null,
  },
  'any of the rules satisfied instead of all': {
    wide: (old, target) => [old, { ...old, ...target }],
    proves: (rules, sealed) => rules.some(rule => sealObstacle([rule], sealed, null) === null),
  },
  'narrowed before PostgreSQL has adopted': { adoptsFirst: false },
  'narrowed before enough seats have caught up': { catchesUp: false },
  'a larger k in place of a record of new seats': {
    allowed: (recorded, pg) =>
      pg.k - pg.seats.filter(seat => !recorded.seats.includes(seat)).length >= recorded.k,
  },
  'a smaller k before it is recorded': {
    allowed: (recorded, pg) => pg.seats.every(seat => recorded.seats.includes(seat)),
  },
}

for (const [mistake, planted] of Object.entries(PLANTS))
  test(`the check finds ${mistake}`, () => {
    assert.notEqual(findGap({ ...OURS, ...planted }), null)
  })

test('the standby placeholder may always be set, degraded names only when that is recorded', () => {
  for (const recorded of ruleSets()) {
    assert.equal(mayBeSet(recorded, NOBODY.set), true)
    assert.equal(mayBeSet(recorded, { seats: [], k: 0 }), recorded.k === 0)
  }
})

const RULE: AcknowledgementRule = { term: 3, leader: 'a', seats: ['b', 'c'], k: 1, seen: { b: '0/500' } }

function sealed(seat: string, at: number, ready = true): SealedSeat {
  return { seat, ready, position: position(at) }
}

function position(at: number): Position {
  return { timeline: 3, lsn: lsn(at) }
}

test('a seat that is not ready, or has less than was once seen of it, proves nothing', () => {
  const both = [sealed('b', 0x500), sealed('c', 0x500)]
  assert.equal(sealObstacle([RULE], both, null), null)
  assert.notEqual(sealObstacle([RULE], [sealed('b', 0x4ff), sealed('c', 0x500)], null), null)
  assert.notEqual(sealObstacle([RULE], [sealed('b', 0x500, false), sealed('c', 0x500)], null), null)
})

test('the leader alone proves everything, unless its copy has less than the record says', () => {
  assert.equal(sealObstacle([RULE], [sealed('a', 0x900)], position(0x900)), null)
  assert.notEqual(sealObstacle([RULE], [sealed('a', 0x8ff)], position(0x900)), null)
})

test('every rule of the record must be met, whatever term it is of', () => {
  const older: AcknowledgementRule = { term: 2, leader: 'd', seats: [], k: 0, seen: {} }
  const both = [sealed('b', 0x500), sealed('c', 0x500)]
  assert.notEqual(sealObstacle([older, RULE], both, null), null)
  assert.equal(sealObstacle([older, RULE], [...both, sealed('d', 1)], null), null)
})

test('two answers of one seat are one', () => {
  assert.notEqual(sealObstacle([RULE], [sealed('b', 0x500), sealed('b', 0x600)], null), null)
})

test('a rule at takeover names the other sealed seats and never more of them than there are', () => {
  const others = [{ seat: 'a' }, { seat: 'b' }, { seat: 'me' }]
  const of = (sealedSeats: readonly { seat: string }[], wantedK: number): SeatSet =>
    ruleAtTakeover({ term: 4, seat: 'me', sealed: sealedSeats, wantedK })
  assert.deepEqual(of(others, 1), { term: 4, leader: 'me', seats: ['a', 'b'], k: 1, seen: {} })
  assert.equal(of(others, 3).k, 2)
  assert.deepEqual(of([{ seat: 'me' }], 1), { term: 4, leader: 'me', seats: [], k: 0, seen: {} })
})

test('a narrowed rule forgets what was seen of seats that it does not list', () => {
  const rule = narrowed({ ...RULE, seen: { a: '0/1', b: '0/500', c: '0/2' } }, { seats: ['c'], k: 1 })
  assert.deepEqual(rule.seen, { a: '0/1', c: '0/2' })
  assert.equal(SEATS.length, 4)
})
