// S2: times of "start as standby without a source" and of "promote by file and signal", fresh, clean and after a crash.
import { experiment, figures, now, Server, sleep, until } from './lab.mjs'

async function startTimes(server) {
  const from = now()
  server.start()
  await server.ready()
  return now() - from
}
async function promoteTimes(server, client) {
  const from = now()
  server.promote()
  await until(
    async () => (await client.query('select pg_is_in_recovery()')).rows[0].pg_is_in_recovery === false,
    30000,
    0,
  )
  const readWrite = now() - from
  await client.query('create table if not exists t(i int)')
  await client.query('insert into t values (1)')
  return { readWrite, commit: now() - from }
}
const connect = async server => {
  const client = server.client()
  await client.connect()
  return client
}

await experiment(async () => {
  const result = {}
  const add = (key, value) => {
    result[key] ??= []
    result[key].push(value)
  }
  for (let i = 0; i < 5; i++) {
    const a = new Server(`a${i}`).initdb().file('standby.signal')
    add('fresh: start to first query', await startTimes(a))
    const client = await connect(a)
    // A varied wait shows whether the promote signal wakes the startup process out of its 5 s sleep.
    await sleep(i * 1100)
    const times = await promoteTimes(a, client)
    add('fresh: promote to read-write', times.readWrite)
    add('fresh: promote to first commit', times.commit)
    if (i === 0)
      console.log(
        'timeline after promote',
        (await a.identify()).timeline,
        'standby.signal left',
        a.has('standby.signal'),
        'promote file left',
        a.has('promote'),
        await a.one(
          'select timeline_id, redo_lsn, checkpoint_lsn, pg_current_wal_lsn() from pg_control_checkpoint()',
        ),
      )
    for (const settings of [[], ['wal_retrieve_retry_interval=200ms']]) {
      a.conf(...settings)
      const label = settings.length ? 'retry 200 ms' : 'retry 5 s'
      for (const [kind, rows] of [
        ['crash, small', 100],
        ['crash, 1M rows (65 MB WAL)', 1000000],
      ]) {
        const writer = await connect(a)
        await writer.query(`insert into t select generate_series(1, ${rows})`)
        writer.end().catch(() => {})
        a.file('standby.signal')
        await a.kill()
        const started = await startTimes(a)
        add(`${kind}, ${label}: start to first query`, started)
        const client2 = await connect(a)
        const promoted = await promoteTimes(a, client2)
        add(`${kind}, ${label}: promote to read-write`, promoted.readWrite)
        // The signal given before the server accepts anything: does it take effect as soon as recovery ends?
        a.file('standby.signal')
        await a.kill()
        const from = now()
        const logged = a.logText().length
        a.start()
        // Not before: the start removes an older promote file, and SIGUSR1 kills a process that has no handler yet.
        await until(() => /entering standby mode/.test(a.logText().slice(logged)), 10000, 1)
        a.promote()
        await until(
          async () => {
            const c = await connect(a)
            const row = (await c.query('select pg_is_in_recovery() r')).rows[0]
            await c.end()
            return row.r === false
          },
          12000,
          1,
        ).then(
          () =>
            add(`${kind}, ${label}: promote when standby mode is logged: start to read-write`, now() - from),
          () => {
            add(`${kind}, ${label}: early signal lost`, 1)
            return a.has('promote') || a.file('promote')
          },
        )
        if ((await a.value('select pg_is_in_recovery()')) === true) {
          a.promote()
          await a.promoted()
        }
      }
    }
    await a.stop()
  }
  for (const [key, values] of Object.entries(result)) console.log(key, JSON.stringify(figures(values)))
})
