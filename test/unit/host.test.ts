import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { VERSION } from '../../src/bin/version.ts'
import { openDecisionFile } from '../../src/host/decision-file.ts'
import { openJournal } from '../../src/host/file-journal.ts'
import { lockStateDirectory } from '../../src/host/lock.ts'
import { isVigilError } from '../../src/kernel/errors.ts'
import { lsn } from '../../src/kernel/lsn.ts'

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vigil-host-'))
})
after(() => rm(directory, { recursive: true, force: true }))

test('what a member remembers is on disk when the write returns, for nobody else to read', async () => {
  const journal = await openJournal(directory, 'machine-1')
  await journal.write({
    termMax: 7,
    revisionMax: 123_456_789_012_345_678n,
    promotions: [{ term: 7, timeline: 8, lsn: lsn(0x1_0000_0060n) }],
    reported: { timeline: 8, lsn: lsn(0x1_0000_0100n) },
  })
  const again = await openJournal(directory, 'machine-1')
  assert.deepEqual(again.read(), journal.read())
  assert.equal((await stat(join(directory, 'member.json'))).mode & 0o077, 0)
})

test('writes that follow each other closely all count', async () => {
  const journal = await openJournal(directory, 'machine-1')
  await Promise.all([
    journal.write({ termMax: 8 }),
    journal.write({ servedTerm: 8 }),
    journal.write({ floor: 3 }),
  ])
  const { termMax, servedTerm, floor } = (await openJournal(directory, 'machine-1')).read()
  assert.deepEqual([termMax, servedTerm, floor], [8, 8, 3])
})

test('a state directory that was copied to another machine is somebody new', async () => {
  const { install } = (await openJournal(directory, 'machine-1')).read()
  const clone = (await openJournal(directory, 'machine-2')).read()
  assert.notEqual(clone.install, install)
  assert.deepEqual([clone.termMax, clone.servedTerm], [0, null])
})

test('a damaged memory is not guessed at', async () => {
  const file = join(directory, 'member.json')
  const good = await readFile(file, 'utf8')
  for (const bad of [
    '',
    '{',
    '{}',
    good.replace('"termMax"', '"termMin"'),
    good.replace(/"revisionMax": "\d+"/, '"revisionMax": "-1"'),
  ]) {
    await writeFile(file, bad)
    await assert.rejects(openJournal(directory, 'machine-2'), error => isVigilError(error, 'STATE_DIRECTORY'))
  }
  await writeFile(file, good)
})

test('one agent per state directory, and a dead one leaves no lock behind', async () => {
  const lock = await lockStateDirectory(directory)
  await assert.rejects(lockStateDirectory(directory), error => isVigilError(error, 'REQUEST_REFUSED'))
  lock.release()
  const next = await lockStateDirectory(directory)
  next.release()
  // A socket file that nobody listens on, as kill -9 leaves it.
  await writeFile(join(directory, 'agent.sock'), '')
  const third = await lockStateDirectory(directory)
  third.release()
})

test('decisions are appended in order, and a folder that is gone stops nobody', async () => {
  const write = openDecisionFile(directory)
  for (let i = 0; i < 50; i++) write(`{"n":${i}}`)
  const deadline = Date.now() + 30_000
  let lines: string[] = []
  while (lines.length < 50 && Date.now() < deadline) {
    lines = (await readFile(join(directory, 'decisions.jsonl'), 'utf8').catch(() => ''))
      .split('\n')
      .filter(Boolean)
  }
  assert.deepEqual(
    lines,
    Array.from({ length: 50 }, (_, i) => `{"n":${i}}`),
  )
  openDecisionFile(join(directory, 'nowhere'))('{}')
})

test('the version is the one of the package', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  assert.equal((JSON.parse(text) as { version: string }).version, VERSION)
})
