// D7: what a standby says about its position, and when it has used up its local WAL.
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { attempt, experiment, lsn, now, Server, sleep, until } from './lab.mjs'

const look = `select pg_last_wal_receive_lsn() receive, pg_last_wal_replay_lsn() replay, (select coalesce(wait_event,'(running)') from pg_stat_activity where backend_type='startup') wait, (select received_tli from pg_stat_wal_receiver) tli, (select count(*)::int from pg_stat_activity where backend_type='walreceiver') receivers`
async function report(label, server) {
  const seen = await server.one(look)
  const identity = await server.identify()
  const control = await server.one(
    'select timeline_id, min_recovery_end_lsn, min_recovery_end_timeline from pg_control_checkpoint(), pg_control_recovery()',
  )
  console.log(
    `${label.padEnd(58)} receive ${seen.receive} replay ${seen.replay} wait ${seen.wait} wal_receiver.tli ${seen.tli} | IDENTIFY ${identity.timeline} ${identity.xlogpos} | control tli ${control.timeline_id} min ${control.min_recovery_end_lsn}`,
  )
  return { ...seen, ...identity }
}
// Samples the wait event as fast as it goes until the given moment; says when the candidate sign came first and whether it lied.
async function watch(server, end, limitMs) {
  const client = server.client()
  await client.connect()
  const seen = {}
  let lies = 0
  let first = null
  const from = now()
  while (now() - from < limitMs) {
    const row = (await client.query(look)).rows[0]
    seen[row.wait] = (seen[row.wait] ?? 0) + 1
    if (row.wait === 'RecoveryRetrieveRetryInterval') {
      if (lsn(row.replay) < end) lies++
      else first ??= now() - from
    }
    if (first !== null && now() - from > first + 500) break
  }
  await client.end()
  return JSON.stringify({ samples: seen, signWhileWalWasLeft: lies, signAfterMs: first && Math.round(first) })
}
// The independent proof: does a valid record follow the replay position in the local files?
function nextRecord(server, timeline, replay) {
  return attempt('pg_waldump', [
    '-p',
    `${server.data}/pg_wal`,
    '-t',
    String(timeline),
    '-s',
    replay,
    '-n',
    '1',
  ])
    .text.trim()
    .split('\n')
    .at(-1)
}
const detach = async server => {
  server.conf(`primary_conninfo=''`)
  server.reload()
  const receiver = (await server.sql(`select pid from pg_stat_activity where backend_type='walreceiver'`))[0]
    ?.pid
  if (receiver)
    try {
      process.kill(receiver, 'SIGTERM')
    } catch {}
  await until(async () => (await server.one(look)).receivers === 0, 10000, 5)
}
const attach = (server, primary) => {
  server.conf(`primary_conninfo='${primary.conninfo(server.name)}'`)
  server.reload()
}

await experiment(async () => {
  const a = new Server('a').initdb('--wal-segsize=1').start()
  await a.ready()
  await a.sql('create table t(i int, f text); select pg_switch_wal()')
  const b = a.standby('b').start()
  await b.ready()
  await until(async () => (await b.one(look)).tli === 1)
  await report('streaming, before any new WAL', b)
  await a.sql(`insert into t select g, repeat('x',100) from generate_series(1,1000) g`)
  const caught = async () => {
    const end = await a.value('select pg_current_wal_flush_lsn()')
    await until(async () => {
      const r = await b.one(look)
      return lsn(r.replay) >= lsn(end)
    })
    return end
  }
  await caught()
  await report('streaming', b)
  await detach(b)
  await report('sealed (receiver terminated)', b)
  const before = (await b.one(look)).replay
  await b.stop()
  b.start()
  await b.ready()
  await report('restarted without source, first look', b)
  console.log('  watch:', await watch(b, lsn(before), 3000), 'next record:', nextRecord(b, 1, before))

  // A lot of WAL not replayed: replay is held by a pause while the receiver goes on.
  attach(b, a)
  await until(async () => (await b.one(look)).tli === 1, 15000)
  await b.sql('select pg_wal_replay_pause()')
  await a.sql(`insert into t select g, repeat('y',500) from generate_series(1,300000) g`)
  const far = await a.value('select pg_current_wal_flush_lsn()')
  await until(async () => lsn((await b.one(look)).receive) >= lsn(far))
  await report(`replay paused, primary flushed ${far}`, b)
  await detach(b)
  const held = await report('the same, sealed', b)
  console.log('  next record:', nextRecord(b, 1, held.replay))
  console.log('killing, starting without a source')
  await b.kill()
  const from = now()
  b.start()
  await b.ready()
  console.log(`first query after ${Math.round(now() - from)} ms`)
  await report('restarted, first look', b)
  console.log('  watch:', await watch(b, lsn(far), 30000))
  await report('restarted, at the sign', b)

  // Replay resumed after the seal in a running server, with a second kill of the receiver within 5 s before.
  attach(b, a)
  await until(async () => (await b.one(look)).tli === 1, 15000)
  await b.sql('select pg_wal_replay_pause()')
  await a.sql(`insert into t select g, repeat('y',500) from generate_series(1,100000) g`)
  const far2 = await a.value('select pg_current_wal_flush_lsn()')
  await until(async () => lsn((await b.one(look)).receive) >= lsn(far2))
  await detach(b)
  const watching = watch(b, lsn(far2), 20000)
  await b.sql('select pg_wal_replay_resume()')
  console.log('replay resumed after the seal:', await watching)

  // Delayed apply.
  attach(b, a)
  await until(async () => (await b.one(look)).tli === 1, 15000)
  b.conf(`recovery_min_apply_delay='8s'`)
  b.reload()
  await sleep(200)
  for (let i = 0; i < 5; i++)
    await a.sql(`insert into t select g, repeat('z',500) from generate_series(1,100) g`)
  const far3 = await a.value('select pg_current_wal_flush_lsn()')
  await until(async () => lsn((await b.one(look)).receive) >= lsn(far3))
  await detach(b)
  await report(`apply delay, sealed, primary flushed ${far3}`, b)
  await b.kill()
  b.start()
  await b.ready()
  await report('apply delay, restarted', b)
  console.log('  watch with the delay:', await watch(b, lsn(far3), 20000))
  b.conf('recovery_min_apply_delay=0')
  b.reload()

  // Can the sign lie in a running server? The startup process is held while much WAL arrives, the receiver is ended twice within 5 s.
  attach(b, a)
  await until(async () => (await b.one(look)).tli === 1, 15000)
  let lied = 0
  for (let i = 0; i < 6; i++) {
    const startup = await b.value(`select pid from pg_stat_activity where backend_type='startup'`)
    await detach(b)
    attach(b, a)
    await until(async () => (await b.one(look)).tli === 1, 15000)
    process.kill(startup, 'SIGSTOP')
    await a.sql(`insert into t select g, repeat('v',500) from generate_series(1,20000) g`)
    const target = await a.value('select pg_current_wal_flush_lsn()')
    await until(async () => lsn((await b.one(look)).receive) >= lsn(target))
    const receiver = await b.value(`select pid from pg_stat_activity where backend_type='walreceiver'`)
    process.kill(receiver, 'SIGTERM')
    await until(async () => (await b.one(look)).receivers === 0, 10000, 5)
    b.conf(`primary_conninfo=''`)
    b.reload()
    const watching = watch(b, lsn(target), 9000)
    process.kill(startup, 'SIGCONT')
    const result = JSON.parse(await watching)
    if (result.signWhileWalWasLeft > 0) lied++
    if (i === 0 || result.signWhileWalWasLeft > 0)
      console.log('  startup held, receiver ended twice within 5 s:', JSON.stringify(result))
    attach(b, a)
    await until(async () => (await b.one(look)).tli === 1, 15000)
  }
  console.log(`the sign lied in ${lied} of 6`)

  // Received WAL is of a newer timeline than replayed WAL.
  const c = a.standby('c').start()
  await c.ready()
  await caught()
  await c.stop()
  const d = a.clone('d').conf(`primary_conninfo=''`).file('standby.signal').start()
  await d.ready()
  d.promote()
  await d.promoted()
  await d.sql(`insert into t select g, repeat('u',100) from generate_series(1,1000) g; checkpoint`)
  c.conf(`primary_conninfo='${d.conninfo('c')}'`).start()
  const receiverOf = () =>
    c.children().find(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('walreceiver'))
  const startup = await until(
    () => c.children().find(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('startup')),
    5000,
    1,
  )
  // The receiver makes the first file of timeline 2 before it flushes into it; the startup process is stopped in between.
  for (
    const limit = now() + 20000;
    now() < limit && !readdirSync(`${c.data}/pg_wal`).some(name => /^00000002[0-9A-F]{16}$/.test(name));
  );
  process.kill(startup, 'SIGSTOP')
  await sleep(500)
  await report('c streams timeline 2, its startup process stopped', c)
  process.kill(receiverOf(), 'SIGTERM')
  await until(() => !receiverOf())
  await report('the same, receiver ended', c)
  console.log(
    '  files',
    readdirSync(`${c.data}/pg_wal`)
      .filter(name => name.length === 24)
      .sort()
      .slice(-4)
      .join(' '),
  )
  process.kill(startup, 'SIGCONT')
  await sleep(300)
  await report('startup goes on', c)

  // A torn last page: the last bytes that were flushed and confirmed are zeroed, as after a power cut of a lying disk.
  attach(b, a)
  await until(async () => (await b.one(look)).tli === 1, 15000)
  await a.sql(`insert into t select g, repeat('w',500) from generate_series(1,200) g`)
  const far4 = await caught()
  await detach(b)
  const good = (await b.one(look)).receive
  await b.kill()
  const end = lsn(far4)
  const segment = readdirSync(`${b.data}/pg_wal`).find(
    name =>
      name ===
      `00000001${(end >> 32n).toString(16).padStart(8, '0')}${((end & 0xffffffffn) >> 20n).toString(16).padStart(8, '0')}`.toUpperCase(),
  )
  const fd = openSync(`${b.data}/pg_wal/${segment}`, 'r+')
  writeSync(fd, Buffer.alloc(3000), 0, 3000, Number(end & 0xfffffn) - 3000)
  closeSync(fd)
  b.start()
  await b
    .ready(8000)
    .catch(() => console.log('does not become ready:', b.logText().trim().split('\n').slice(-4).join('\n')))
  if (b.process) {
    await report(`torn page; before the crash it had reported ${good}`, b).catch(e => console.log(String(e)))
    console.log('  watch:', await watch(b, end, 7000).catch(String))
  }
})
