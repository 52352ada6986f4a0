// A seed is a list of faults: the same on every machine, and every kind of fault is somewhere on it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawEpisodes, type Episode, eligible } from './draw.ts'
import { FAULTS } from './faults/table.ts'
import { type Options, readOptions } from './options.ts'

const NOTHING_MISSING = new Set<never>()

function options(...args: readonly string[]): Options {
  return readOptions(args, 1)!
}

function first(count: number, asked: Options): readonly Episode[] {
  const source = drawEpisodes(asked, eligible(asked, NOTHING_MISSING))
  return Array.from({ length: count }, () => source.next().value)
}

test('the same seed draws the same faults, another seed draws others', () => {
  assert.deepEqual(first(50, options('--seed', '7')), first(50, options('--seed', '7')))
  assert.notDeepEqual(first(50, options('--seed', '7')), first(50, options('--seed', '8')))
})

test('every kind of fault is drawn, also in combinations and against those that do not lead', () => {
  const episodes = first(500, options('--mode', 'quorum'))
  const faults = episodes.flatMap(episode => episode.faults)
  assert.deepEqual([...new Set(faults.map(({ name }) => name))].sort(), FAULTS.map(({ name }) => name).sort())
  assert.ok(episodes.some(episode => episode.faults.length === 3))
  assert.deepEqual([...new Set(faults.map(({ target }) => target))].sort(), [0, 1, 2])
})

test('faults are limited to those asked for, to the mode, and to what this machine can do', () => {
  const names = (asked: Options, missing: ReadonlySet<'nft'> = new Set()) =>
    eligible(asked, missing).map(({ name }) => name)
  assert.deepEqual(names(options('--faults', 'kill,stop')), ['kill', 'stop'])
  assert.ok(!names(options()).includes('promoted-by-hand'))
  assert.ok(names(options('--mode', 'on')).includes('promoted-by-hand'))
  assert.ok(!names(options(), new Set(['nft'])).includes('packet-loss'))
  assert.throws(() => names(options('--faults', 'promoted-by-hand')))
})

test('faults last long enough to be felt and never for ever', () => {
  for (const { seconds, startSeconds } of first(500, options()).flatMap(({ faults }) => faults)) {
    assert.ok(seconds >= 1 && seconds <= 14)
    assert.ok(startSeconds >= 0 && startSeconds <= 3.5)
  }
})

test('wrong options are refused with a sentence', () => {
  assert.throws(() => options('--mode', 'sync'), /--mode is one of/)
  assert.throws(() => options('--minutes', 'soon'), /--minutes is a number/)
  assert.throws(() => options('--faults', 'kil'), /no fault "kil"/)
  assert.throws(() => options('--members', '2'), /--members/)
})
