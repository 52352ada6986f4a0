// D1: how long until every walsender has certainly adopted changed synchronous names, and what holds it up.
import { experiment, figures, lsn, now, Server, sleep, until } from './lab.mjs'

const WALSENDERS = `select pid, application_name, sync_priority, flush_lsn::text from pg_stat_replication`
const NAMES = ['ANY 1 ("b","c")', 'ANY 2 ("b","c","d")', 'ANY 1 ("d")', 'FIRST 1 ("c","d")']
const CHANGES = 40

/** The proof of protocol A8, step 3: a new session shows the value, then WAL after it is flushed by all that count. */
async function prove(a, client, text, limitMs) {
  a.conf(`synchronous_standby_names='${text}'`)
  const from = now()
  a.reload()
  await until(async () => (await a.value('show synchronous_standby_names')) === text, 5000, 1)
  const shown = now() - from
  await a.sql(`set synchronous_commit=local; select pg_logical_emit_message(true,'x','')`)
  const told = lsn((await client.query('select pg_current_wal_flush_lsn()::text as l')).rows[0].l)
  const behind = async () =>
    (await client.query(WALSENDERS)).rows.filter(
      row => row.sync_priority > 0 && (row.flush_lsn === null || lsn(row.flush_lsn) < told),
    )
  try {
    await until(async () => (await behind()).length === 0, limitMs, 1)
    return { shown, adopted: now() - from, behind: [] }
  } catch {
    return { shown, adopted: null, behind: await behind() }
  }
}

async function writers(a, count) {
  let on = true
  const loops = Array.from({ length: count }, async () => {
    const client = a.client()
    await client.connect()
    while (on) await client.query(`insert into t select generate_series(1,20)`).catch(() => sleep(50))
    await client.end().catch(() => {})
  })
  return async () => {
    on = false
    await Promise.race([Promise.all(loops), sleep(3000)])
  }
}

await experiment(async () => {
  const a = new Server('a').initdb().conf('wal_sender_timeout=0').start()
  await a.ready()
  await a.sql('create table t(i int)')
  const standbys = ['b', 'c', 'd'].map(name => a.standby(name).start())
  await Promise.all(standbys.map(standby => standby.ready()))
  const client = a.client()
  await client.connect()
  await until(async () => (await client.query(WALSENDERS)).rows.filter(row => row.flush_lsn).length === 3)

  for (const [what, load] of [
    ['idle', 0],
    ['4 writers', 4],
    ['16 writers', 16],
  ]) {
    const end = load ? await writers(a, load) : async () => {}
    const results = []
    for (let i = 0; i < CHANGES; i++) results.push(await prove(a, client, NAMES[i % NAMES.length], 10_000))
    await end()
    console.log(
      what,
      'shown ms',
      figures(results.map(r => r.shown)),
      'adopted ms',
      figures(results.map(r => r.adopted)),
    )
  }

  console.log('one walsender at a time stopped, 1.5 s each; then SIGTERM, then SIGCONT')
  for (const name of ['b', 'c', 'd', 'b', 'c', 'd']) {
    await prove(a, client, 'ANY 1 ("b","c","d")', 10_000)
    const { pid } = (await client.query(WALSENDERS)).rows.find(row => row.application_name === name)
    process.kill(pid, 'SIGSTOP')
    const held = await prove(a, client, 'ANY 2 ("b","c","d")', 1500)
    process.kill(pid, 'SIGTERM')
    await sleep(500)
    const there = (await client.query(WALSENDERS)).rows.some(row => row.pid === pid)
    const from = now()
    process.kill(pid, 'SIGCONT')
    await until(async () => !(await client.query(WALSENDERS)).rows.some(row => row.pid === pid), 5000, 1)
    const gone = now() - from
    const again = await prove(a, client, 'ANY 1 ("b","c","d")', 10_000)
    console.log(
      name,
      {
        proven: held.adopted !== null,
        heldBy: held.behind.map(row => row.application_name),
        thereAfterSigterm: there,
      },
      { goneMs: +gone.toFixed(1), provenAfterMs: again.adopted === null ? null : +again.adopted.toFixed(1) },
    )
    await until(async () => (await client.query(WALSENDERS)).rows.filter(row => row.flush_lsn).length === 3)
  }

  console.log('one standby stopped: its walsender runs, and has no reply')
  await prove(a, client, 'ANY 1 ("b","c","d")', 10_000)
  const d = standbys[2]
  const receiver = Number(await d.value('select pid from pg_stat_wal_receiver'))
  process.kill(receiver, 'SIGSTOP')
  const silent = await prove(a, client, 'ANY 1 ("b","c")', 1500)
  const listed = await prove(a, client, 'ANY 2 ("b","c","d")', 1500)
  const { pid } = (await client.query(WALSENDERS)).rows.find(row => row.application_name === 'd')
  const from = now()
  process.kill(pid, 'SIGTERM')
  await until(async () => !(await client.query(WALSENDERS)).rows.some(row => row.pid === pid), 5000, 1)
  console.log(
    { droppedProvenMs: silent.adopted && +silent.adopted.toFixed(1), keptProven: listed.adopted !== null },
    { goneAfterSigtermMs: +(now() - from).toFixed(1) },
  )
  process.kill(receiver, 'SIGCONT')
})
