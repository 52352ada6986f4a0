// D2: a walreceiver that was asked for just before the reload of a seal, and starts after it. Do two looks, 100 ms
// apart, at the postmaster's children miss it; does a confirmed pause of the replay close that?
import { readFileSync } from 'node:fs'
import { experiment, figures, load, now, Server, sleep, until } from './lab.mjs'

const title = pid => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}
const receivers = server => {
  const own = title(server.pid)
  return server.children().filter(pid => /walreceiver/.test(title(pid)) || title(pid) === own)
}
const startup = server => server.children().find(pid => /: startup /.test(title(pid)))
const kill = (pid, signal = 'SIGTERM') => {
  try {
    process.kill(pid, signal)
  } catch {}
}

/** Steps 2-5 of protocol A8; `pause`: with the confirmed pause in place of the second look. */
async function seal(server, { pause, between = () => {}, pauseLimitMs = 250 }) {
  const from = now()
  server.conf(`primary_conninfo=''`)
  server.reload()
  await until(async () => (await server.value('show primary_conninfo')) === '', 5000, 2)
  await between()
  let confirmed = false
  if (pause) {
    const client = server.client()
    await client.connect()
    await client.query('select pg_wal_replay_pause()')
    const until_ = now() + pauseLimitMs
    while (!confirmed && now() < until_) {
      confirmed = (await client.query('select pg_get_wal_replay_pause_state() s')).rows[0].s === 'paused'
      if (!confirmed) await sleep(3)
    }
    // Whatever was signalled before is handled before this one is forked.
    await server.value('select 1')
    await client.query('select pg_wal_replay_resume()')
    await client.end()
  }
  for (let clear = 0; clear < (confirmed ? 1 : 2); ) {
    const found = receivers(server)
    for (const pid of found) kill(pid)
    clear = found.length === 0 ? clear + 1 : 0
    if (clear < (confirmed ? 1 : 2)) await sleep(clear === 0 ? 5 : 100)
  }
  return { ms: now() - from, confirmed }
}

/** Looks for so long whether one turns up. */
async function late(server, ms) {
  const end = now() + ms
  while (now() < end) {
    if (receivers(server).length > 0) return true
    await sleep(1)
  }
  return false
}

async function again(a, b) {
  b.conf(`primary_conninfo='${a.conninfo(b.name)}'`)
  b.reload()
  await until(async () => (await b.one('select status from pg_stat_wal_receiver'))?.status === 'streaming')
}

async function rounds(a, b, what, n, body, watchMs) {
  if (!what.includes(only)) return
  for (const pause of [false, true]) {
    const result = { ms: [], late: 0, confirmed: 0 }
    for (let i = 0; i < n; i++) {
      await again(a, b)
      const { ms, confirmed } = await body(pause, i)
      result.ms.push(ms)
      if (confirmed) result.confirmed++
      if (await late(b, watchMs)) result.late++
    }
    console.log(
      what.padEnd(44),
      pause ? 'pause' : 'looks',
      'receivers afterwards',
      `${result.late} of ${n}`,
      'confirmed',
      result.confirmed,
      'ms',
      JSON.stringify(figures(result.ms)),
      'load',
      load(),
    )
  }
}

// usage: 0052-receiver-after-seal.mjs [part]: only the rounds whose name has this in it
const only = process.argv[2] ?? ''

await experiment(async () => {
  const a = new Server('a').initdb('--wal-segsize=1').conf('autovacuum=off').start()
  await a.ready()
  await a.sql('create table t(i int); insert into t select generate_series(1,1000)')
  const b = a
    .standby('b')
    .conf(`wal_retrieve_retry_interval='1ms'`, 'max_standby_streaming_delay=-1', 'hot_standby_feedback=off')
    .start()
  await b.ready()
  const writer = setInterval(() => a.sql('insert into t select 1').catch(() => {}), 20)

  await rounds(a, b, 'idle', 30, pause => seal(b, { pause }), 300)

  // The upstream ends the receiver again and again: each time the startup process asks for a new one.
  const flap = setInterval(
    () => a.sql('select pg_terminate_backend(pid) from pg_stat_replication').catch(() => {}),
    4,
  )
  await rounds(a, b, 'receiver restarts every few ms', 100, pause => seal(b, { pause }), 300)

  // Stopped at a random moment before the reload, goes on when the seal is given.
  await rounds(
    a,
    b,
    'startup process stopped from before to after',
    200,
    async pause => {
      const pid = startup(b)
      await sleep(Math.random() * 10)
      kill(pid, 'SIGSTOP')
      const sealed = await seal(b, { pause })
      kill(pid, 'SIGCONT')
      return sealed
    },
    60,
  )

  await rounds(
    a,
    b,
    'postmaster stopped 400 ms after the connection',
    100,
    pause =>
      seal(b, {
        pause,
        between: () => {
          const { pid } = b
          kill(pid, 'SIGSTOP')
          setTimeout(() => kill(pid, 'SIGCONT'), 400)
        },
      }),
    500,
  )
  clearInterval(flap)

  // Replay waits in a conflict that never ends by itself.
  await rounds(
    a,
    b,
    'replay stuck in a conflict, then released',
    10,
    async pause => {
      const reader = b.client()
      await reader.connect()
      await reader.query('begin isolation level repeatable read; select count(*) from t')
      await a.sql('delete from t where i = 1; insert into t values (1)')
      await a.sql('vacuum t')
      await until(
        async () =>
          /Conflict/.test(
            (await b.value(
              `select coalesce(wait_event, '') from pg_stat_activity where backend_type = 'startup'`,
            )) ?? '',
          ),
        5000,
        5,
      ).catch(() => console.log('no conflict'))
      const sealed = await seal(b, { pause })
      await reader.query('rollback')
      await reader.end()
      return sealed
    },
    1000,
  )
  clearInterval(writer)
})
