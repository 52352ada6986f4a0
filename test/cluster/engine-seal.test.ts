// A standby is cut off from its upstream for certain: under load, with stuck replay, with ALTER SYSTEM in the way.
import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { waitFor } from '../lab/wait.ts'
import { asDatabaseUser, type Lab, LIMIT_MS, type Member, openLab, SETTINGS, within } from './engine-lab.ts'

const STUCK = {
  ...SETTINGS,
  parameters: { ...SETTINGS.parameters, max_standby_streaming_delay: '-1', autovacuum: 'off' },
}

const WAL_PAGE = 8192n

/** A primary flushes full pages: a record that goes on in the next one is not whole here, and is never replayed. */
function wholeReplayed({ replayed, received }: Awaited<ReturnType<Member['standby']>>): boolean {
  return replayed >= received! || (received! % WAL_PAGE === 0n && received! - replayed < WAL_PAGE)
}

if (asDatabaseUser(import.meta.filename)) {
  describe('a standby that stops receiving', { timeout: 5 * 60_000 }, () => {
    let lab: Lab
    let amber: Member
    let birch: Member
    let writing: ReturnType<typeof setInterval>
    before(async () => {
      lab = openLab()
      amber = await lab.member('amber')
      birch = await lab.member('birch')
      await amber.engine.initialise(within())
      await amber.start()
      await waitFor('replayed', LIMIT_MS, async () => (await amber.standby()).localWalReplayed)
      const { systemIdentifier } = await amber.promote()
      await amber.engine.prepareCluster(within())
      await amber.sql('create table t (i int); insert into t select generate_series(1, 100)')
      await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      await birch.start(amber.upstream, null, STUCK)
      writing = setInterval(() => void amber.sql('insert into t values (1)').catch(() => {}), 50)
    })
    after(async () => {
      clearInterval(writing)
      await lab.close()
    })
    const streams = () =>
      waitFor('birch streams', LIMIT_MS, async () => (await birch.standby()).replicationState === 'streaming')
    const again = async () => {
      await birch.engine.writeConfiguration(STUCK, amber.upstream, null, 'standby')
      await birch.engine.reload()
      await streams()
    }

    test('under load nothing is received any more, and the replay goes on to the end', async () => {
      for (let round = 0; round < 5; round++) {
        await again()
        assert.equal((await birch.standby()).receiving, true)
        await birch.engine.stopReceiving(within())
        const { position, receiving, upstream } = await birch.standby()
        assert.deepEqual({ receiving, upstream }, { receiving: false, upstream: null })
        const written = (await amber.primary()).position.lsn
        await waitFor(
          'the primary has written more',
          LIMIT_MS,
          async () => (await amber.primary()).position.lsn > written,
        )
        await waitFor('all is replayed', LIMIT_MS, async () => {
          const standby = await birch.standby()
          return !standby.replayPaused && wholeReplayed(standby)
        })
        assert.deepEqual((await birch.standby()).position, position)
      }
    })

    test('it can be done again, and changes nothing', async () => {
      await birch.engine.stopReceiving(within())
      assert.equal((await birch.standby()).receiving, false)
    })

    test('a setting of ALTER SYSTEM, which wins over the files, is no way around it', async () => {
      await again()
      const { host, port } = amber.upstream
      appendFileSync(
        join(birch.options.dataDirectory, 'postgresql.auto.conf'),
        `primary_conninfo = 'host=${host} port=${port}'\n`,
      )
      await birch.engine.stopReceiving(within())
      assert.deepEqual((await birch.standby()).upstream, null)
    })

    test('a replay that waits for a query keeps nothing alive, then and afterwards', async () => {
      await again()
      const reading = birch
        .sql('begin isolation level repeatable read; select count(*) from t; select pg_sleep(600); commit')
        .catch(() => null)
      await waitFor(
        'the query runs',
        LIMIT_MS,
        async () =>
          (await birch.sql("select count(*) from pg_stat_activity where query like '%pg_sleep(600)%'")) !==
          '1',
      )
      await amber.sql('delete from t')
      await amber.sql('vacuum t')
      await waitFor('the replay is stuck', LIMIT_MS, async () => {
        const { replayed, received } = await birch.standby()
        return replayed < received!
      })
      await birch.engine.stopReceiving(within())
      const { position } = await birch.standby()
      await birch.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
      )
      await reading
      await waitFor('all is replayed', LIMIT_MS, async () => wholeReplayed(await birch.standby()))
      const later = await birch.standby()
      assert.deepEqual([later.position, later.receiving], [position, false])
    })

    test('an instance that does not run is no success', async () => {
      await birch.stop()
      await assert.rejects(birch.engine.stopReceiving(within()))
    })
  })
}
