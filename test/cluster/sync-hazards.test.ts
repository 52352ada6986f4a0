// What weakens synchronous commits from outside: forged names, settings made by hand, a primary that crashed.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { REPLICATION } from '../lab/configuration.ts'
import type { Member } from '../lab/member.ts'
import { newestPostgres } from '../lab/postgres-programs.ts'
import { query } from '../lab/sql.ts'
import { waitFor } from '../lab/wait.ts'
import { type Stage, scene } from './failover-lab.ts'

const STRICT = { synchronous_mode: 'quorum', synchronous_mode_strict: true }
const APPLICATION = { user: 'app', password: 'lab-app' }

scene(
  'hazards of synchronous commits',
  ({ play }) => {
    play('whoever streams under the name of a member is ended, and an alarm says so', async stage => {
      const primary = await settled(stage)
      const victim = standbysOf(stage, primary)[0]!
      const forged = stage.cluster.network.client.launch(
        'forged',
        [
          join(newestPostgres(), 'pg_receivewal'),
          '--synchronous',
          '--no-loop',
          `--directory=${stage.cluster.network.client.directory}`,
          `--dbname=host=${primary.server.host} port=${primary.server.port} user=${REPLICATION.username} application_name=${victim.name}`,
        ],
        { environment: { PGPASSWORD: REPLICATION.password } },
      )
      await waitFor('it has lost its connection', 30_000, () => !forged.alive())
      await waitFor('an alarm', 10_000, async () => (await warningsOf(primary)).includes('forged-name'))
      await settled(stage)
    })

    play('names that somebody else sets are set back', async stage => {
      const primary = await settled(stage)
      const before = await show(primary, 'synchronous_standby_names')
      await primary.query(`ALTER SYSTEM SET synchronous_standby_names = ''`)
      await primary.query('SELECT pg_reload_conf()')
      await waitFor('they are back', 20_000, async () => {
        const [row] = await primary.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM pg_file_settings WHERE name = 'synchronous_standby_names'`,
        )
        return row?.count === 1 && (await show(primary, 'synchronous_standby_names')) === before
      })
    })

    play('roles and databases whose commits do not wait are told', async stage => {
      const primary = await settled(stage)
      await primary.query(`CREATE ROLE batch`)
      await primary.query(`ALTER ROLE batch SET synchronous_commit = 'remote_write'`)
      await waitFor('a warning', 10_000, async () => (await warningsOf(primary)).includes('weak-commits'))
      await primary.query(`ALTER ROLE batch RESET synchronous_commit`)
      await waitFor('no warning', 10_000, async () => !(await warningsOf(primary)).includes('weak-commits'))
    })

    play('WAL that a lost standby would need is not kept without end', async stage => {
      const primary = await settled(stage)
      assert.notEqual(await show(primary, 'max_slot_wal_keep_size'), '-1')
    })

    play('contradictory settings are refused, and what is in force stays', async stage => {
      const primary = await settled(stage)
      const body = { postgresql: { parameters: { synchronous_commit: 'off' } } }
      const answer = await primary.rest('/config', { method: 'PATCH', body })
      assert.equal(answer.status, 400)
      assert.match(answer.body, /synchronous_commit/)
      assert.equal(await show(primary, 'synchronous_commit'), 'on')
    })

    play('after a crash nobody looks before the standbys have what they would see', async stage => {
      const primary = await settled(stage)
      await primary.query(`CREATE ROLE ${APPLICATION.user} LOGIN PASSWORD '${APPLICATION.password}'`)
      assert.equal(await looks(primary), true)
      const standbys = standbysOf(stage, primary)
      // Only replication is cut off: the leader keeps its store.
      const mend = standbys.map(({ host }) => stage.cluster.network.cutPort(host, 'postgres'))
      // Not acknowledged, and visible after the crash.
      await primary.query(`CREATE TABLE unseen (id int)`, [], 2000).catch(() => undefined)
      primary.signal('postmaster', 'SIGKILL')
      await waitFor('it is primary again', 60_000, () => primary.writable())
      const again = await stage.term.waitFor('it serves', ({ state }) => state === 'serving')
      assert.equal(again.holder.name, primary.name)
      assert.equal(await looks(primary), false)
      for (const undo of mend) undo()
      await waitFor('others are let in', 60_000, () => looks(primary))
      await settled(stage)
    })
  },
  { settings: { dynamic: STRICT } },
)

async function settled({ cluster, term }: Stage): Promise<Member> {
  await cluster.waitUntilWhole()
  const record = await term.waitFor(
    'one rule of 1 out of 2',
    ({ state, rules }) => state === 'serving' && rules?.length === 1 && rules[0]!.seats.length === 2,
  )
  return cluster.member(record.holder.name)
}

function standbysOf({ cluster }: Stage, primary: Member): readonly Member[] {
  return cluster.members.filter(member => member !== primary)
}

async function warningsOf(member: Member): Promise<readonly string[]> {
  const { body } = await member.rest('/status')
  return (JSON.parse(body) as { warnings: { code: string }[] }).warnings.map(({ code }) => code)
}

async function show(member: Member, name: string): Promise<string> {
  const [row] = await member.query<{ value: string }>('SELECT current_setting($1) AS value', [name])
  return row!.value
}

/** As a client that is neither an agent nor a standby. */
async function looks(member: Member): Promise<boolean> {
  return query(member.server, APPLICATION, 'SELECT 1').then(
    () => true,
    () => false,
  )
}
