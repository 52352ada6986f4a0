// D6: how the shutdown checkpoint is seen and recognised, and what holds a fast stop.
import { attempt, experiment, figures, lsn, now, Server, show, sleep, until } from './lab.mjs'

const page = 8192n
const segmentSize = 1n << 20n
/** First byte after a record that starts at `start`, without the padding that PostgreSQL adds to 8. */
function endOfRecord(start, length) {
  let at = start
  let left = (BigInt(length) + 7n) & ~7n
  for (;;) {
    const room = page - (at % page)
    if (left <= room) return at + left
    left -= room
    at += room
    at += at % segmentSize === 0n ? 40n : 24n
  }
}
const positions = `select pg_last_wal_receive_lsn() receive, pg_last_wal_replay_lsn() replay, (select status from pg_stat_wal_receiver) status, (select latest_end_lsn from pg_stat_wal_receiver) latest_end`
const waldump = (server, timeline, start) =>
  attempt('pg_waldump', ['-p', `${server.data}/pg_wal`, '-t', String(timeline), '-s', show(start), '-n', '2'])
    .text.trim()
    .split('\n')

await experiment(async () => {
  const a = new Server('a').initdb('--wal-segsize=1').start()
  await a.ready()
  await a.sql('create table t(i int, f text)')
  const b = a.standby('b').start()
  await b.ready()
  const timing = { shuttingDown: [], shutDown: [], exit: [], standbyHasIt: [] }
  let equal = 0
  let crossings = 0
  // usage: 0014-clean-stop.mjs [recognise | holders | others]; without a word: all of it.
  const only = process.argv[2]
  const cycles = only === undefined || only === 'recognise' ? 40 : 0
  for (let i = 0; i < cycles; i++) {
    await a.sql(
      `insert into t select 1, repeat('x', ${(i * 37) % 300}) from generate_series(1,${1 + ((i * 131) % 400)})`,
    )
    // Every fourth run: end just before a page boundary, so that the record crosses it; every eighth: before a segment boundary.
    if (i % 4 === 3) {
      const unit = i % 8 === 7 ? segmentSize : page
      const room = async () =>
        Number(unit - (lsn(await a.value('select pg_current_wal_insert_lsn()')) % unit))
      const emit = bytes => a.sql(`select pg_logical_emit_message(false, 'x', repeat('x', ${bytes}))`)
      let left = await room()
      while (left > 1500 || left < 300) {
        await emit(left > 1500 ? Math.min(left - 1000, 200000) : 300)
        left = await room()
      }
      await emit(left - 56 - 64)
    }
    const client = b.client()
    await client.connect()
    await sleep(50)
    const from = now()
    const exit = a.stop('SIGINT').then(() => timing.exit.push(now() - from))
    await until(
      () => a.controlNow().state === 'shutting down' || a.controlNow().state === 'shut down',
      20000,
      1,
    ).then(() => timing.shuttingDown.push(now() - from))
    await until(() => a.controlNow().state === 'shut down', 20000, 1).then(() =>
      timing.shutDown.push(now() - from),
    )
    const checkpoint = a.controlNow().checkpoint
    const expected = endOfRecord(checkpoint, 114)
    if ((checkpoint + 119n) / page !== checkpoint / page) crossings++
    await until(async () => lsn((await client.query(positions)).rows[0].replay) >= expected, 5000, 1).then(
      () => timing.standbyHasIt.push(now() - from),
    )
    await exit
    const row = (await client.query(positions)).rows[0]
    if (lsn(row.receive) === expected && lsn(row.replay) === expected) equal++
    else console.log('NOT EQUAL', show(checkpoint), show(expected), row)
    if (i === 0 || i === 7) {
      console.log('checkpoint', show(checkpoint), 'end computed', show(expected), JSON.stringify(row))
      console.log(waldump(b, 1, checkpoint).join('\n'))
    }
    await client.end()
    a.start()
    await a.ready()
    await until(async () => (await b.one(positions)).status === 'streaming', 20000)
  }
  if (cycles > 0)
    console.log(
      `receive = replay = end of the checkpoint record in ${equal} of ${cycles}, ${crossings} of them across a page`,
    )
  if (cycles > 0)
    for (const [key, value] of Object.entries(timing))
      console.log(`  ms after SIGINT: ${key}`, JSON.stringify(figures(value)))

  if (only === 'recognise') return

  // What holds a fast stop.
  const bulk = () => a.sql(`insert into t select 1, repeat('y',500) from generate_series(1,40000)`)
  const stopTime = async (label, limitMs, remedy) => {
    const from = now()
    const gone = a.stop('SIGINT').then(() => 'gone')
    const first = await Promise.race([gone, sleep(limitMs).then(() => 'held')])
    const children = a.process
      ? a
          .children()
          .map(pid =>
            attempt('/bin/ps', ['-o', 'args=', '-p', String(pid)])
              .text.trim()
              .replace(/ host.*| \[local\]/, ''),
          )
          .join(' ; ')
      : ''
    console.log(
      `${label}: ${first} after ${Math.round(now() - from)} ms; control "${a.controlNow().state}"${children ? `; left: ${children}` : ''}`,
    )
    if (first === 'held') {
      const remedied = now()
      const what = await remedy()
      const end = await Promise.race([gone, sleep(8000).then(() => 'still held')])
      console.log(
        `   ${what}: ${end} ${Math.round(now() - remedied)} ms later; control "${a.controlNow().state}"`,
      )
      if (end !== 'gone') await a.kill()
    }
    a.start()
    await a.ready()
  }
  const sender = async name => a.value(`select pid from pg_stat_replication where application_name='${name}'`)
  const receiverOf = async () => b.value(`select pid from pg_stat_activity where backend_type='walreceiver'`)
  const streaming = () => until(async () => (await b.one(positions)).status === 'streaming', 20000)
  const _terminate =
    (pid, signal = 'SIGTERM') =>
    async () => {
      process.kill(pid, signal)
      return `${signal} to its walsender`
    }

  if (only !== 'others') {
    await streaming()
    await stopTime('healthy standby', 3000)
    const caughtUp = async () => {
      await streaming()
      await until(
        async () =>
          (await a.value(
            `select count(*)::int from pg_stat_replication where replay_lsn = pg_current_wal_flush_lsn()`,
          )) === 2,
        20000,
      )
    }
    const c = a.standby('c').start()
    await c.ready()
    const healthyHasIt = async () => {
      await sleep(100)
      const row = await c.one(positions)
      const control = a.controlNow()
      return `the other standby ends with the shutdown checkpoint: ${control.state === 'shut down' && lsn(row.receive) === endOfRecord(control.checkpoint, 114)}`
    }
    const remedies = {
      'SIGTERM once': async pid => process.kill(pid, 'SIGTERM'),
      'SIGTERM twice, 100 ms apart': async pid => {
        process.kill(pid, 'SIGTERM')
        await sleep(100)
        try {
          process.kill(pid, 'SIGTERM')
        } catch {}
      },
      'wal_sender_timeout=1s in the file and SIGHUP to the walsender': async pid => {
        a.conf('wal_sender_timeout=1s')
        process.kill(pid, 'SIGHUP')
      },
      SIGKILL: async pid => process.kill(pid, 'SIGKILL'),
    }
    for (const much of [true, false]) {
      for (const [name, remedy] of Object.entries(remedies)) {
        await caughtUp()
        const pid = await sender('b')
        const receiver = await receiverOf()
        process.kill(receiver, 'SIGSTOP')
        if (much) await bulk()
        else await a.sql(`insert into t values (1,'few')`)
        await stopTime(
          `walreceiver of one standby stopped, ${much ? '20 MB' : 'a few bytes'} to send`,
          3000,
          async () => {
            const from = now()
            await remedy(pid)
            await Promise.race([a.gone, sleep(4000)])
            return `${name} (${Math.round(now() - from)} ms), ${await healthyHasIt()}`
          },
        )
        process.kill(receiver, 'SIGCONT')
        a.conf('wal_sender_timeout=60s')
        a.reload()
      }
    }
    await caughtUp()
    {
      const receiver = await receiverOf()
      process.kill(receiver, 'SIGSTOP')
      a.conf('wal_sender_timeout=1s')
      a.reload()
      await bulk()
      await stopTime(
        'the same with wal_sender_timeout=1s set by reload before the stop',
        5000,
        async () => 'nothing',
      )
      process.kill(receiver, 'SIGCONT')
      a.conf('wal_sender_timeout=60s')
      a.reload()
    }
    await caughtUp()
    {
      const pid = await sender('b')
      process.kill(pid, 'SIGSTOP')
      await stopTime('walsender itself stopped', 3000, async () => {
        process.kill(pid, 'SIGTERM')
        process.kill(pid, 'SIGCONT')
        return 'SIGTERM and SIGCONT to the walsender'
      })
    }
    await caughtUp()
    await b.sql('select pg_wal_replay_pause()')
    await bulk()
    await stopTime('standby replay paused', 3000)
    // A paused startup process does not ask for a new receiver: resume first.
    await b.sql('select pg_wal_replay_resume()')
  }
  // Logical consumer that reads nothing.
  a.conf('wal_level=logical', 'wal_sender_timeout=60s')
  await a.stop()
  a.start()
  await a.ready()
  await a.sql(`select pg_create_logical_replication_slot('slow','test_decoding')`)
  await bulk()
  const consumer = a.client({ replication: 'database' })
  await consumer.connect()
  consumer.query('START_REPLICATION SLOT slow LOGICAL 0/0').catch(() => {})
  await sleep(500)
  consumer.connection.stream.pause()
  await bulk()
  await sleep(500)
  const logical = await a.value(`select active_pid from pg_replication_slots where slot_name='slow'`)
  await stopTime('logical consumer reads nothing', 4000, async () => {
    process.kill(logical, 'SIGTERM')
    await sleep(100)
    try {
      process.kill(logical, 'SIGTERM')
    } catch {}
    return 'SIGTERM twice to its walsender'
  })
  consumer.connection.stream.destroy()
  await a.sql(`select pg_drop_replication_slot('slow')`)

  // Archiver.
  a.conf('archive_mode=on', `archive_command='sleep 600'`)
  await a.stop()
  a.start()
  await a.ready()
  await a.sql('select pg_switch_wal()')
  await sleep(700)
  await streaming()
  {
    const archiver = await a.value(`select pid from pg_stat_activity where backend_type='archiver'`)
    await stopTime('archive_command hangs', 6000, async () => {
      process.kill(archiver, 'SIGTERM')
      await sleep(1500)
      const t = a.process ? 'SIGTERM to the archiver: still there' : 'SIGTERM to the archiver was enough'
      if (a.process) process.kill(archiver, 'SIGKILL')
      return `${t}; SIGKILL`
    })
  }
  a.conf(`archive_command='false'`)
  a.reload()
  await a.sql(`insert into t values (1,'z'); select pg_switch_wal()`)
  await sleep(700)
  await stopTime('archive_command fails', 6000, async () => 'nothing')
  // A client with an open transaction and a stopped backend.
  const idle = a.client()
  await idle.connect()
  const stuck = (await idle.query('select pg_backend_pid() p')).rows[0].p
  process.kill(stuck, 'SIGSTOP')
  await stopTime('a backend is stopped (as one in an endless disk wait)', 4000, async () => {
    process.kill(stuck, 'SIGKILL')
    return 'SIGKILL to the backend'
  })
})
