import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStandbyNames, priorityOf, releasableBy, type StandbyNames } from '../../sim/standby-names.ts'

interface Sender {
  readonly priority: number
  readonly flushed: number
}

const names = (text: string) => parseStandbyNames(text) as StandbyNames
const sender = (text: string, name: string, flushed: number): Sender => ({
  priority: priorityOf(names(text), name),
  flushed,
})

test('synchronous_standby_names is read in every form that PostgreSQL takes', () => {
  assert.equal(parseStandbyNames(''), null)
  assert.deepEqual(parseStandbyNames('a, b'), { method: 'first', k: 1, names: ['a', 'b'] })
  assert.deepEqual(parseStandbyNames('2 (a,"b c",d)'), { method: 'first', k: 2, names: ['a', 'b c', 'd'] })
  assert.deepEqual(parseStandbyNames('ANY 2 ("a", "b")'), { method: 'any', k: 2, names: ['a', 'b'] })
  assert.deepEqual(parseStandbyNames('FIRST 1 (*)'), { method: 'first', k: 1, names: ['*'] })
})

test('ANY releases up to what the k-th best has flushed; FIRST up to what all of the first k have', () => {
  const any = ['a', 'b', 'c'].map((name, index) => sender('ANY 2 (a,b,c)', name, 100 + index))
  assert.equal(releasableBy(any[0]!, names('ANY 2 (a,b,c)'), any), 101)
  const first = ['a', 'b', 'c'].map((name, index) => sender('FIRST 2 (a,b,c)', name, 100 - index))
  assert.equal(releasableBy(first[0]!, names('FIRST 2 (a,b,c)'), first), 99)
  // Not among the first two: its replies release nobody.
  assert.equal(releasableBy(first[2]!, names('FIRST 2 (a,b,c)'), first), null)
  assert.equal(releasableBy(any[0]!, names('ANY 2 (a,b,c)'), [any[0]!]), null)
})

test('a standby that has not answered yet counts for nothing', () => {
  const [a, b] = [sender('ANY 2 (a,b)', 'a', 100), sender('ANY 2 (a,b)', 'b', 0)]
  assert.equal(releasableBy(a, names('ANY 2 (a,b)'), [a, b]), null)
})

test('while names change, the one that knows the new ones counts those that only the old ones list (E5)', () => {
  // ANY 2 (b,c) becomes ANY 1 (b). The walsender of c is stopped, with the old priority, beyond the commit at 160.
  const b = sender('ANY 1 (b)', 'b', 0x100)
  const c = sender('ANY 2 (b,c)', 'c', 0x200)
  assert.equal(releasableBy(b, names('ANY 1 (b)'), [b, c]), 0x200)
  const adopted = { ...c, priority: priorityOf(names('ANY 1 (b)'), 'c') }
  assert.equal(releasableBy(b, names('ANY 1 (b)'), [b, adopted]), 0x100)
})
