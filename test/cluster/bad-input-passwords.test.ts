// Wrong passwords: the agent says whose and where, keeps running, and costs nobody a working PostgreSQL.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { REPLICATION } from '../lab/configuration.ts'
import type { Launched } from '../lab/host.ts'
import { waitFor } from '../lab/wait.ts'
import {
  type BadInputLab,
  type Change,
  LIMIT_MS,
  merge,
  openLab,
  passed,
  type Seat,
  status,
  waitForWarning,
} from './bad-input-lab.ts'

const WRONG = 'canary-of-a-wrong-password'
/** The agent too needs its password: no line trusts the socket. */
const STRICT = {
  postgresql: {
    pg_hba: [
      'local all all scram-sha-256',
      `host replication ${REPLICATION.username} 127.0.0.1/32 scram-sha-256`,
      'host all all 127.0.0.1/32 scram-sha-256',
    ],
  },
}

let lab: BadInputLab
let amber: Seat
let birch: Seat
let leader: Launched
let failed = false

before(async () => {
  lab = openLab(['amber', 'birch'])
  amber = lab.seat('amber')
  birch = lab.seat('birch')
  lab.etcd.startAll()
  await lab.etcd.waitUntilHealthy()
  amber.write(STRICT)
  leader = amber.start()
  await waitFor('amber is primary', LIMIT_MS, () => amber.member.writable())
})
afterEach(context => {
  failed ||= !passed(context)
})
after(() => lab.close(failed))

function strict(change: Change): Change {
  return merge(STRICT, change)
}

function streams(seat: Seat): Promise<unknown> {
  return waitFor(`${seat.name} streams`, LIMIT_MS, async () => {
    const rows = await seat.member.query('SELECT 1 FROM pg_stat_wal_receiver WHERE status = $1', [
      'streaming',
    ])
    return rows.length === 1
  })
}

async function term(): Promise<number> {
  const key = '/service/lab/vigil/term'
  return JSON.parse((await lab.etcd.list(key)).get(key)!).term
}

test('a wrong replication password: no copy, a clear reason, and another attempt later', async () => {
  birch.write(strict({ postgresql: { authentication: { replication: { password: WRONG } } } }))
  const agent = birch.start()
  console.log(`message: ${await waitForWarning(birch, /^job-failed: .*password authentication failed/)}`)
  await waitFor('it has tried again', LIMIT_MS, () => birch.printed().split('job failed').length > 2)
  assert.equal(agent.alive(), true)
  assert.equal(existsSync(join(birch.dataDirectory, 'PG_VERSION')), false)
  assert.equal(birch.printed().includes(WRONG), false)
  await birch.crash()
  birch.write(STRICT)
  birch.start()
  await streams(birch)
})

test('a wrong superuser password on a standby: it goes on as it is and never leads', async () => {
  await birch.crash()
  birch.write(strict({ postgresql: { authentication: { superuser: { password: WRONG } } } }))
  const agent = birch.start()
  console.log(`message: ${await waitForWarning(birch, /^not-let-in: .*password authentication failed/)}`)
  const postmaster = birch.member.pid('postmaster')
  await waitFor(
    'the log says it twice',
    LIMIT_MS,
    () => birch.printed().split('not let the agent in').length > 2,
  )
  assert.equal(agent.alive(), true)
  assert.notEqual(postmaster, null)
  assert.equal(birch.member.pid('postmaster'), postmaster)
  const about = (await status(birch))?.['member'] as { readonly promotable: boolean } | undefined
  assert.equal(about?.promotable, false)
  assert.equal(birch.printed().includes(WRONG), false)
})

test('a wrong superuser password in the file of the leader costs no working primary', async () => {
  const postmaster = amber.member.pid('postmaster')
  const before = await term()
  leader.signal('SIGUSR2')
  assert.equal(await leader.ended, 'exit code 0')
  amber.write(strict({ postgresql: { authentication: { superuser: { password: WRONG } } } }))
  const agent = amber.start()
  await waitForWarning(amber, /^not-let-in: .*password authentication failed/)
  await waitFor(
    'the log says it three times',
    LIMIT_MS,
    () => amber.printed().split('not let the agent in').length > 3,
  )
  assert.equal(agent.alive(), true)
  assert.equal(await amber.member.writable(), true)
  assert.equal(amber.member.pid('postmaster'), postmaster)
  assert.equal(await term(), before)
})
