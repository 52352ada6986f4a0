// F, second part: a promotion is killed at a random instant; is the directory usable as a standby, and complete?
// usage: 0017-kill-in-promotion.mjs [rounds] [seconds at most]
import { rmSync } from 'node:fs'
import { experiment, now, Server, until } from './lab.mjs'

const rounds = Number(process.argv[2] ?? 60)
const latest = now() + 1000 * Number(process.argv[3] ?? 600)
const history = n => `pg_wal/${n.toString(16).toUpperCase().padStart(8, '0')}.history`

await experiment(async () => {
  const outcome = {}
  const a = new Server('a').initdb('--wal-segsize=1').conf('max_wal_size=64MB').file('standby.signal').start()
  await a.ready()
  a.promote()
  await a.promoted()
  await a.sql('create table t(i int)')
  let timeline = 2
  let rows = 0
  for (let i = 0; i < rounds && now() < latest; i++) {
    // As primary: write, then crash without a checkpoint.
    await a.sql(`insert into t select generate_series(1,5000)`)
    rows += 5000
    a.file('standby.signal')
    await a.kill()
    a.start()
    await a.ready()
    if (i % 2 === 0) await a.sql('checkpoint')
    // Every third round one number is left out by an empty file.
    if (i % 3 === 0) a.file(history(timeline + 1))
    const gap = i % 3 === 0
    const logged = a.logText().length
    a.promote()
    const spread = Math.random() * 45
    const end = now() + spread
    while (now() < end);
    await a.kill()
    const text = a.logText().slice(logged)
    const phase = /accept connections/.test(text.split('received promote request')[1] ?? '')
      ? 'promotion complete'
      : /selected new timeline/.test(text)
        ? 'new timeline chosen'
        : /received promote request/.test(text)
          ? 'request seen'
          : 'before the request'
    const signalFile = a.has('standby.signal') ? 'file there' : 'file gone'
    a.file('standby.signal')
    if (a.has('promote')) outcome['promote file left behind'] = (outcome['promote file left behind'] ?? 0) + 1
    a.start()
    await a.ready(6000).catch(() => {})
    let usable = 'starts as standby'
    if (!a.process || (await a.value('select 1').catch(() => 0)) !== 1) {
      const reason = a
        .logText()
        .split('\n')
        .filter(l => /FATAL/.test(l) && !/starting up|client backend/.test(l))
        .at(-1)
        ?.replace(/.*FATAL: +/, '')
        .replace(/\d+/g, 'N')
      usable = `DOES NOT START (${reason})`
      if (a.process) await a.kill()
      rmSync(`${a.data}/${history(timeline + 1)}`, { force: true })
      a.start()
      await a
        .ready(3000)
        .then(() => {
          usable += ', starts once the empty file is removed'
        })
        .catch(() => {
          usable += ', nor without the empty file'
        })
    }
    if ((await a.value('select pg_is_in_recovery()')) !== true) usable += ', NOT A STANDBY'
    await until(
      async () =>
        (await a.value(`select wait_event from pg_stat_activity where backend_type='startup'`)) ===
        'RecoveryRetrieveRetryInterval',
    )
    if (Number(await a.value('select count(*) from t')) !== rows) usable += ', ROWS MISSING'
    const key = `${phase}, ${signalFile}${gap ? ', with an empty history file' : ''}: ${usable}`
    outcome[key] = (outcome[key] ?? 0) + 1
    a.promote()
    await a.promoted()
    timeline = (await a.identify()).timeline
  }
  for (const [key, count] of Object.entries(outcome).sort()) console.log(String(count).padStart(4), key)
})
