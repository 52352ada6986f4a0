// Who a member is: its name, its data, its memory. What contradicts the cluster ends the agent or costs it its rights.
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { after, afterEach, before, test } from 'node:test'
import { waitFor } from '../lab/wait.ts'
import {
  type BadInputLab,
  LIMIT_MS,
  makeDataDirectory,
  openLab,
  passed,
  type Seat,
  snapshot,
  status,
  TTL_S,
} from './bad-input-lab.ts'

const TERM = '/service/lab/vigil/term'
const RIGHTS_MS = 2 * TTL_S * 1000

let lab: BadInputLab
let amber: Seat
let birch: Seat
let failed = false

before(async () => {
  lab = openLab(['amber', 'birch'])
  amber = lab.seat('amber')
  birch = lab.seat('birch')
  lab.etcd.startAll()
  await lab.etcd.waitUntilHealthy()
  amber.start()
  await waitFor('amber is primary', LIMIT_MS, () => amber.member.writable())
  await amber.member.query('CREATE TABLE kept AS SELECT 42 AS answer')
})
afterEach(context => {
  failed ||= !passed(context)
})
after(() => lab.close(failed))

async function record(): Promise<{ readonly term: number; readonly holder: { readonly install: string } }> {
  return JSON.parse((await lab.etcd.list(TERM)).get(TERM) ?? 'null')
}

async function memberKey(name: string): Promise<string | undefined> {
  const keys = await lab.etcd.list('/service/lab/members/')
  return keys.get(`/service/lab/members/${name}`)
}

async function installOf(seat: Seat): Promise<string> {
  return waitFor(`${seat.name} says who it is`, LIMIT_MS, async () => {
    const member = (await status(seat))?.['member'] as { install?: string } | undefined
    return member?.install
  })
}

function streams(seat: Seat): Promise<unknown> {
  return waitFor(`${seat.name} streams`, LIMIT_MS, async () => {
    const rows = await seat.member.query('SELECT 1 FROM pg_stat_wal_receiver WHERE status = $1', [
      'streaming',
    ])
    return rows.length === 1
  })
}

test('a data directory of another cluster ends the agent, and stays as it is', async () => {
  makeDataDirectory(birch.dataDirectory)
  const earlier = snapshot(birch.dataDirectory)
  birch.write()
  const ended = await birch.run()
  console.log(`message: ${ended.output.split('\n').find(line => /^vigild: /.test(line))}`)
  assert.equal(ended.status, 1, ended.output)
  assert.match(ended.output, /belongs to another cluster.*system identifier is \d+, this cluster has \d+/)
  assert.equal(snapshot(birch.dataDirectory), earlier)
  rmSync(birch.dataDirectory, { recursive: true })
})

test('a name that runs elsewhere ends the newcomer, and disturbs nobody', async () => {
  const before = await record()
  const key = JSON.parse((await memberKey('amber'))!) as { vigil: { install: string } }
  birch.write({ name: 'amber' })
  const ended = await birch.run()
  console.log(`message: ${ended.output.split('\n').find(line => /^vigild: /.test(line))}`)
  assert.equal(ended.status, 1, ended.output)
  assert.match(ended.output, /"amber" is already running with another installation/)
  assert.equal(existsSync(birch.dataDirectory), false)
  assert.equal(JSON.parse((await memberKey('amber'))!).vigil.install, key.vigil.install)
  assert.equal((await record()).term, before.term)
  assert.equal(await amber.member.writable(), true)
  rmSync(birch.stateDirectory, { recursive: true })
})

test('a second agent on one state directory ends, and the first goes on', async () => {
  const before = await record()
  const earlier = snapshot(amber.stateDirectory)
  const ended = await amber.run()
  console.log(`message: ${ended.output.split('\n').find(line => /^vigild: /.test(line))}`)
  assert.equal(ended.status, 1, ended.output)
  assert.match(ended.output, /Another vigild uses .*state/)
  assert.equal(snapshot(amber.stateDirectory), earlier)
  assert.equal((await record()).term, before.term)
  assert.equal(await amber.member.writable(), true)
})

test('a member whose memory is lost waits until its old key is gone, and joins as a new one', async () => {
  birch.write()
  birch.start()
  await streams(birch)
  const old = await installOf(birch)
  await birch.crash()
  rmSync(birch.stateDirectory, { recursive: true })
  birch.start()
  await streams(birch)
  assert.notEqual(await installOf(birch), old)
  await waitFor('the cluster lists the new one', LIMIT_MS, async () => {
    const members = JSON.parse((await lab.etcd.list(TERM)).get(TERM)!).members as readonly string[]
    return members.includes(await installOf(birch))
  })
})

test('a leader that comes back without its memory has no right to lead', async () => {
  const before = await record()
  await birch.crash()
  await amber.crash()
  rmSync(amber.stateDirectory, { recursive: true })
  amber.start()
  await waitFor('amber runs as a standby', LIMIT_MS, async () => {
    const rows = await amber.member.query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering')
    return rows[0]?.recovering
  })
  const blocked = await waitFor('the old leader has been waited out', LIMIT_MS, async () => {
    const answer = await amber.member.rest('/explain')
    return /not a listed member/.test(answer.body)
  })
  assert.equal(blocked, true)
  const until = performance.now() + RIGHTS_MS
  // Longer than any deadline of the old leadership: if it had a right, it would have used it.
  await waitFor('the time of any old right', LIMIT_MS, () => performance.now() > until)
  assert.equal(await amber.member.writable(), false)
  assert.equal((await record()).term, before.term)

  birch.start()
  await waitFor('birch takes over', LIMIT_MS, () => birch.member.writable())
  await streams(amber)
  const rows = await birch.member.query<{ answer: number }>('SELECT answer FROM kept')
  assert.deepEqual(rows, [{ answer: 42 }])
})
