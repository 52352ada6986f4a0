// What keeps the guard alive and in memory when memory runs out, and what it does not pass on to PostgreSQL.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { escapeOomKiller, reserveMemory } from '../../src/guard/memory-pressure.ts'
import { executePostmaster, findSetpriv } from '../../src/guard/postmaster.ts'

const directory = mkdtempSync(join(tmpdir(), 'vigil-memory-'))
after(() => rmSync(directory, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}
const read = (name: string) => readFileSync(join(directory, name), 'latin1')

test('the guard exempts itself, and PostgreSQL keeps the score that the guard was given', () => {
  assert.deepEqual(escapeOomKiller(file('score', '250\n')), { obstacle: null, forChildren: 250 })
  assert.equal(read('score'), '-1000')
  assert.deepEqual(escapeOomKiller(join(directory, 'score')), { obstacle: null, forChildren: 0 })
})

test('where the kernel knows no such score that is said', () => {
  const { obstacle, forChildren } = escapeOomKiller(join(directory, 'nothing'))
  assert.match(obstacle ?? '', /kernel/)
  assert.equal(forChildren, null)
})

test('memory is reserved where there is a controller for it, and more than asked for is left alone', () => {
  assert.match(reserveMemory(null) ?? '', /not available/)
  assert.match(reserveMemory(directory) ?? '', /not available/)
  file('cgroup.controllers', 'cpu hugetlb\n')
  assert.match(reserveMemory(directory) ?? '', /not available/)
  file('cgroup.controllers', 'cpu memory\n')
  file('memory.min', '0\n')
  assert.equal(reserveMemory(directory), null)
  assert.equal(read('memory.min'), `${64 * 1024 * 1024}`)
  for (const kept of ['max\n', '100000000\n']) {
    file('memory.min', kept)
    assert.equal(reserveMemory(directory), null)
    assert.equal(read('memory.min'), kept)
  }
})

/** What a program that is started as PostgreSQL would be finds as its score. */
function scoreOfChild(oomScore: number | null): Promise<string> {
  return new Promise((resolve, reject) => {
    executePostmaster({
      setpriv: findSetpriv()!,
      command: { program: '/bin/cat', arguments: ['/proc/self/oom_score_adj'], environment: {} },
      owner: null,
      cgroupProcs: null,
      oomScore,
      log: { append: () => {} },
      started: () => {},
      failed: reject,
      ended: ({ output }) => resolve(output.trim()),
    })
  })
}

test('PostgreSQL is started with that score, not with the one of the guard', async () => {
  const own = readFileSync('/proc/self/oom_score_adj', 'latin1').trim()
  assert.equal(await scoreOfChild(777), '777')
  assert.equal(await scoreOfChild(null), own)
})
