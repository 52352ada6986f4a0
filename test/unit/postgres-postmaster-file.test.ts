import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { postmasterFileReader } from '../../src/engines/postgres/postmaster-file.ts'

const lines = (pid: number, sockets: string) => `${pid}\n/data\n1700000000\n5432\n${sockets}\n`

test('the file of a postmaster is followed through its start, its end and its successor', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'vigil-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'postmaster.pid')
  const read = postmasterFileReader(directory)
  assert.equal(await read(), null, 'nothing runs')

  await writeFile(path, '4711\n/data\n1700000000\n')
  assert.equal(await read(), null, 'it does not say yet where it listens')
  await appendFile(path, '5432\n/run/a\n')
  assert.deepEqual(await read(), { pid: 4711, host: '/run/a', port: 5432 })
  assert.deepEqual(await read(), { pid: 4711, host: '/run/a', port: 5432 }, 'unchanged')

  // A file of its own, as long as the old one.
  await writeFile(`${path}.next`, lines(4712, '/run/b'))
  await rename(`${path}.next`, path)
  assert.deepEqual(await read(), { pid: 4712, host: '/run/b', port: 5432 })
  await rm(path)
  assert.equal(await read(), null, 'it has ended')
})
