// A primary whose processes stand still, whose sessions are used up, and standbys that hold replay back.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Fault } from '../lab/faults.ts'
import { type Member, SUPERUSER } from '../lab/member.ts'
import { allProcesses, commandLine, isAlive, processState, sendSignal } from '../lab/processes.ts'
import { waitFor } from '../lab/wait.ts'
import { LOWEST, scene } from './failover-lab.ts'

const HANDED_OVER_SECONDS = LOWEST.ttl + 5 + 5
const APP = { user: 'app', password: 'lab-app' }

scene('sessions and processes', ({ play }) => {
  play('a primary whose processes are stopped, all but the postmaster, is replaced', async stage => {
    const { victim, to, verdict } = await stage.endure(STOPPED_CHILDREN)
    assert.notEqual(to.holder.name, victim.name)
    assert.ok(verdict.stallSeconds < HANDED_OVER_SECONDS, `clients waited ${verdict.stallSeconds} s`)
  })

  play('sessions that clients have used up are no reason for a failover', async stage => {
    const open: pg.Client[] = []
    const { from, to, verdict } = await stage.endure({
      title: 'no session left',
      resumes: 'unharmed',
      observeSeconds: LOWEST.ttl,
      apply: async (_, primary) => {
        await primary.query(`CREATE ROLE app LOGIN PASSWORD '${APP.password}'`)
        open.push(...(await takeAllSessions(primary, APP)))
        // What is kept for superusers too, for longer than a hung PostgreSQL would be given.
        const reserved = await takeAllSessions(primary, SUPERUSER)
        assert.ok(reserved.length > 0)
        await sleep(LOWEST.ttl * 2000)
        for (const client of reserved) await client.end()
      },
      repair: async () => {
        for (const client of open) await client.end()
      },
    })
    assert.ok(open.length > 50)
    assert.equal(to.term, from.term)
    assert.deepEqual(verdict.lost, [])
  })

  play('a standby whose replay is paused is promoted with everything that it has received', async stage => {
    const { victim, to } = await stage.endure({
      title: 'primary lost while replay is paused on the standbys',
      resumes: 'elsewhere',
      observeSeconds: 2,
      apply: async (cluster, primary) => {
        for (const standby of cluster.members.filter(member => member !== primary))
          await standby.query('SELECT pg_wal_replay_pause()')
        await waitFor('rows are received and not replayed', 20_000, async () => {
          const [row] = await cluster.members
            .find(member => member !== primary)!
            .query<{ held: boolean }>(
              'SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() + 1000 AS held',
            )
          return row?.held
        })
        cluster.network.lose(primary.host)
      },
      repair: async (cluster, lost) => {
        for (const member of cluster.members.filter(each => each !== lost))
          await member.query('SELECT pg_wal_replay_resume()').catch(() => [])
        cluster.revive(lost)
      },
    })
    assert.notEqual(to.holder.name, victim.name)
  })

  play('a standby that holds replay back by configuration is not promoted', async stage => {
    let delayed: Member | null = null
    const { victim, to } = await stage.endure({
      title: 'primary lost, one standby with recovery_min_apply_delay',
      resumes: 'elsewhere',
      observeSeconds: 2,
      apply: async (cluster, primary) => {
        delayed = cluster.members.find(member => member !== primary)!
        await delayed.query(`ALTER SYSTEM SET recovery_min_apply_delay = '1h'`)
        await delayed.query('SELECT pg_reload_conf()')
        await waitFor('it says that it can not be promoted', 20_000, () => refusesPromotion(delayed!))
        cluster.network.lose(primary.host)
      },
      repair: async (cluster, lost) => {
        await delayed!.query('ALTER SYSTEM RESET recovery_min_apply_delay')
        await delayed!.query('SELECT pg_reload_conf()')
        cluster.revive(lost)
      },
    })
    assert.ok(![victim.name, delayed!.name].includes(to.holder.name))
  })

  play('a standby that has crashed twice in recovery is not promoted', async stage => {
    let frail: Member | null = null
    const { victim, to } = await stage.endure({
      title: 'primary lost, one standby that crashes in recovery',
      resumes: 'elsewhere',
      observeSeconds: 2,
      apply: async (cluster, primary) => {
        frail = cluster.members.find(member => member !== primary)!
        for (let crash = 0; crash < 2; crash++) {
          const before = await waitFor('its startup process runs', 30_000, () => startupOf(frail!))
          sendSignal(before, 'SIGSEGV')
          await waitFor('it has been started again', 30_000, async () => {
            const now = startupOf(frail!)
            const [row] = await frail!.query<{ recovering: boolean }>(
              'SELECT pg_is_in_recovery() AS recovering',
            )
            return now !== null && now !== before && row?.recovering
          })
        }
        await waitFor('it says that it can not be promoted', 20_000, () => refusesPromotion(frail!))
        cluster.network.lose(primary.host)
      },
      repair: async (cluster, lost) => cluster.revive(lost),
    })
    assert.ok(![victim.name, frail!.name].includes(to.holder.name))
  })
})

function startupOf(member: Member): number | null {
  const postmaster = member.pid('postmaster')
  const children = allProcesses().filter(pid => processState(pid)?.parent === postmaster)
  return children.find(pid => commandLine(pid)[0]?.includes(' startup ')) ?? null
}

async function refusesPromotion(member: Member): Promise<boolean> {
  const { body } = await member.rest('/patroni')
  return !(JSON.parse(body) as { readonly vigil: { readonly promotable: boolean } }).vigil.promotable
}

const STOPPED_CHILDREN: Fault = {
  title: 'all children of the postmaster stopped',
  resumes: 'elsewhere',
  observeSeconds: 2,
  apply: async (_, primary) => {
    const postmaster = primary.pid('postmaster')
    const children = allProcesses().filter(pid => processState(pid)?.parent === postmaster && isAlive(pid))
    assert.ok(children.length > 3)
    for (const child of children) sendSignal(child, 'SIGSTOP')
  },
  repair: async () => {},
}

/** As many as the server gives. */
async function takeAllSessions(
  primary: Member,
  login: { readonly user: string; readonly password: string },
): Promise<readonly pg.Client[]> {
  const open: pg.Client[] = []
  for (;;) {
    const client = new pg.Client({ ...primary.server, ...login, database: 'postgres' })
    client.on('error', () => {})
    try {
      await client.connect()
      open.push(client)
    } catch (error) {
      if ((error as { code?: string }).code === '53300') return open
      throw error
    }
  }
}
