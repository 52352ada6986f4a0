// S3: primary_conninfo is changed by reload on a running standby, to a new primary on a new timeline.
import { attempt, experiment, figures, load, lsn, now, Server, sleep, until } from './lab.mjs'

const receiver = `select pid, status, received_tli, sender_port from pg_stat_wal_receiver`
const caughtUp = async (b, a) => {
  const end = lsn(await a.value('select pg_current_wal_flush_lsn()'))
  await until(async () => lsn(await b.value('select pg_last_wal_replay_lsn()')) >= end)
}

// usage: 0013-follow-new-primary.mjs [fork]; with the word only the part beyond the fork.
await experiment(async () => {
  const results = {}
  for (const retry of process.argv[2] === 'fork' ? [] : ['5s', '1s', '200ms', '100ms']) {
    for (const kill of [
      'old primary runs',
      'old primary killed 3 s before',
      'empty conninfo for 3 s before',
      'new setting written before the promotion',
    ]) {
      for (let i = 0; i < (retry === '5s' || retry === '200ms' ? 5 : 3); i++) {
        const a = new Server(`a${retry}${kill.slice(0, 16).replaceAll(' ', '-')}${i}`)
          .initdb('--wal-segsize=1')
          .conf(`wal_retrieve_retry_interval='${retry}'`)
          .start()
        await a.ready()
        await a.sql('create table t(i int)')
        const b = a.standby(`b${a.name}`).start()
        const c = a.standby(`c${a.name}`).start()
        await Promise.all([b.ready(), c.ready()])
        await until(async () => (await c.one(receiver))?.status === 'streaming')
        await a.sql('insert into t select generate_series(1,1000)')
        await caughtUp(b, a)
        await caughtUp(c, a)
        const point = () => {
          c.conf(`primary_conninfo='${b.conninfo(c.name)}'`)
          c.reload()
        }
        if (kill.startsWith('old primary killed')) {
          await a.kill()
          await sleep(3000 + i * 300)
        }
        if (kill.startsWith('empty')) {
          c.conf(`primary_conninfo=''`)
          c.reload()
          await sleep(3000 + i * 300)
        }
        if (kill.startsWith('new setting')) {
          await a.kill()
          point()
          await sleep(1000 + i * 300)
        }
        b.conf(`primary_conninfo=''`)
        b.promote()
        await b.promoted()
        await b.sql('insert into t values (-1)')
        const client = c.client()
        await client.connect()
        const from = now()
        if (!kill.startsWith('new setting')) point()
        await until(
          async () => {
            const r = (await client.query(receiver)).rows[0]
            return r?.status === 'streaming' && r.received_tli === 2
          },
          40000,
          1,
        )
        const streaming = now() - from
        await until(
          async () => (await client.query('select count(*)::int n from t where i = -1')).rows[0].n === 1,
          40000,
          1,
        )
        const key = `${retry}, ${kill}`
        results[key] ??= { streaming: [], row: [] }
        results[key].streaming.push(streaming)
        results[key].row.push(now() - from)
        await client.end()
        await Promise.all([a.stop('SIGQUIT'), b.stop('SIGQUIT'), c.stop('SIGQUIT')])
      }
    }
  }
  for (const [key, value] of Object.entries(results))
    console.log(
      key.padEnd(52),
      'streaming',
      JSON.stringify(figures(value.streaming)),
      'first row',
      JSON.stringify(figures(value.row)),
    )
  console.log('load', load())

  // A standby beyond the fork: c has WAL that b, which is promoted, never got.
  const a = new Server('far').initdb('--wal-segsize=1').conf(`wal_retrieve_retry_interval='200ms'`).start()
  await a.ready()
  await a.sql('create table t(i int)')
  const b = a.standby('farb').start()
  const c = a.standby('farc').start()
  await Promise.all([b.ready(), c.ready()])
  await until(async () => (await c.one(receiver))?.status === 'streaming')
  await caughtUp(b, a)
  b.conf(`primary_conninfo=''`)
  b.reload()
  await until(async () => (await b.sql(receiver)).length === 0)
  await a.sql('insert into t select generate_series(1,100)')
  await caughtUp(c, a)
  b.promote()
  await b.promoted()
  await b.sql('insert into t values (-1)')
  const logged = c.logText().length
  c.conf(`primary_conninfo='${b.conninfo('farc')}'`)
  c.reload()
  await sleep(2500)
  const shortLog = () =>
    [
      ...new Set(
        c
          .logText()
          .slice(logged)
          .split('\n')
          .map(l =>
            l
              .replace(/^\S+ \S+ UTC /, '')
              .replace(/\[\d+\]/, '')
              .replace(/[0-9A-F]+\/[0-9A-F]+/g, 'X/X'),
          ),
      ),
    ].join('\n')
  console.log('\nbeyond the fork, b short:', shortLog())
  console.log(
    'receiver',
    JSON.stringify(await c.sql(receiver)),
    'serves',
    await c.value('select count(*) from t'),
    'rows; primary has',
    await b.value('select count(*) from t'),
  )
  await b.sql('insert into t select generate_series(1,100000)')
  await sleep(2500)
  console.log(
    'after b has gone past it: receiver',
    JSON.stringify(await c.sql(receiver).catch(String)),
    'serves',
    await c.value('select count(*) from t').catch(String),
    'IDENTIFY',
    JSON.stringify(await c.identify().catch(String)),
    'receive',
    await c.value('select pg_last_wal_receive_lsn()').catch(String),
    'replay',
    await c.value('select pg_last_wal_replay_lsn()').catch(String),
  )
  await c.stop()
  c.start()
  await c.ready(5000).catch(() => console.log('restart: not ready'))
  await sleep(1000)
  console.log(
    'after a restart: alive',
    c.process !== null,
    'rows',
    c.process && (await c.value('select count(*) from t').catch(String)),
  )
  console.log(shortLog())
  c.start('-c', 'recovery_target_timeline=current')
  await c.ready(5000).then(
    async () =>
      console.log(
        'started with recovery_target_timeline=current: rows',
        await c.value('select count(*) from t'),
      ),
    () => console.log('current: does not start either'),
  )
  if (c.process) await c.kill()
  c.start('-c', 'recovery_target_timeline=current', '-c', 'primary_conninfo=')
  await c.ready(5000)
  await c.stop()
  console.log(
    'pg_rewind after that start and a fast stop:',
    attempt('pg_rewind', ['-D', c.data, `--source-server=${b.conninfo('x')} dbname=postgres`]),
  )
})
