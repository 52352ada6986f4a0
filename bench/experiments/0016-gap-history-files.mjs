// D3: history files without content, laid down so that a promotion takes a given timeline number.
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { attempt, experiment, lsn, now, root, run, Server, sleep, until } from './lab.mjs'

const history = n => `pg_wal/${n.toString(16).toUpperCase().padStart(8, '0')}.history`
const comment = '# vigil: this number is not used\n'
const archive = `${root}/archive`
const caughtUp = async (b, a) => {
  const end = lsn(await a.value('select pg_current_wal_flush_lsn()'))
  await until(async () => lsn(await b.value('select pg_last_wal_replay_lsn()')) >= end, 15000, 10)
}
const timeline = async s => (await s.identify()).timeline
const tail = (s, pattern) =>
  [
    ...new Set(
      s
        .logText()
        .split('\n')
        .filter(l => pattern.test(l))
        .map(l =>
          l
            .replace(/^\S+ \S+ UTC /, '')
            .replace(/\[\d+\]/, '')
            .replace(/\/tmp\/\S*\//g, ''),
        ),
    ),
  ]
    .slice(-4)
    .join(' | ')
const listing = dir =>
  readdirSync(dir)
    .filter(n => n.includes('history'))
    .sort()
    .map(n => `${n}(${statSync(`${dir}/${n}`).size})`)
    .join(' ')

await experiment(async () => {
  mkdirSync(archive)
  chownSync(archive, statSync(root).uid, statSync(root).gid)
  for (const text of ['', comment]) {
    console.log(`\n== ${text ? 'comment line' : 'empty file'}`)
    const key = text ? 'k' : 'e'
    run('/bin/sh', ['-c', `rm -rf ${archive}/*`])
    const a = new Server(`a${key}`)
      .initdb('--wal-segsize=1')
      .conf('archive_mode=on', `archive_command='cp %p ${archive}/%f'`, `wal_retrieve_retry_interval='200ms'`)
      .start()
    await a.ready()
    await a.sql('create table t(i int)')
    const base = a.clone(`base${key}`) // an old backup, restored further down
    const oldClone = a.clone(`old${key}`)
    const b = a.standby(`b${key}`).start()
    const c = a.standby(`c${key}`).start()
    await Promise.all([b.ready(), c.ready()])
    await a.sql('insert into t select generate_series(1,100)')
    await caughtUp(b, a)
    await caughtUp(c, a)
    await a.sql('select pg_switch_wal()')
    await a.stop()
    // Three unused numbers at once: 2, 3, 4; the promotion must take 5.
    for (const n of [2, 3, 4]) b.file(history(n), text)
    b.conf(`primary_conninfo=''`)
    b.promote()
    await b.promoted()
    await b.sql('insert into t values (-5); select pg_switch_wal(); insert into t values (-5)')
    console.log(
      'promoted to timeline',
      await timeline(b),
      '| its history:',
      JSON.stringify(readFileSync(`${b.data}/${history(5)}`, 'utf8')),
    )
    let from = now()
    c.conf(`primary_conninfo='${b.conninfo('c')}'`)
    c.reload()
    await caughtUp(c, b).then(
      async () =>
        console.log(
          `running standby follows after ${Math.round(now() - from)} ms, timeline`,
          await timeline(c),
          listing(`${c.data}/pg_wal`),
        ),
      () => console.log('running standby does NOT follow:', tail(c, /FATAL|ERROR|not a child/)),
    )
    await sleep(1500)
    console.log(
      'archived:',
      listing(archive),
      '| status files:',
      readdirSync(`${b.data}/pg_wal/archive_status`)
        .filter(n => n.includes('history'))
        .join(' '),
      '| archiver',
      JSON.stringify(await b.one('select archived_count, failed_count from pg_stat_archiver')),
    )

    // Cascading, and a clone of the new primary: which files does it have, can an old standby follow it?
    const d = b.standby(`d${key}`).start()
    await d.ready()
    await caughtUp(d, b)
    console.log(
      'clone of timeline 5 has',
      listing(`${d.data}/pg_wal`),
      '| pg_verifybackup of a fresh one:',
      attempt('pg_verifybackup', [b.clone(`v${key}`).data]).text.trim(),
    )
    oldClone
      .conf(`primary_conninfo='${d.conninfo('old')}'`)
      .file('standby.signal')
      .start()
    await oldClone.ready()
    from = now()
    await caughtUp(oldClone, b).then(
      async () => console.log('standby of timeline 1 follows the clone, timeline', await timeline(oldClone)),
      () =>
        console.log(
          'standby of timeline 1 does NOT follow the clone:',
          tail(oldClone, /FATAL|ERROR|not a child/),
        ),
    )
    for (const n of [2, 3, 4]) oldClone.file(history(n), text)
    from = now()
    await caughtUp(oldClone, b).then(
      async () =>
        console.log(
          `after the files were laid beside it (running): follows ${Math.round(now() - from)} ms later, timeline`,
          await timeline(oldClone),
        ),
      () => console.log('still not:', tail(oldClone, /FATAL|ERROR|not a child/)),
    )

    // Restore the old backup from the archive: does "latest" reach timeline 5?
    run('/bin/cp', ['-a', base.data, `${root}/base2${key}`])
    const restore = async (label, server) => {
      server.conf(`restore_command='cp ${archive}/%f %p'`, 'archive_mode=off').file('recovery.signal').start()
      await server.ready(15000).catch(() => {})
      if (!server.process) return console.log(label, 'does not start:', tail(server, /FATAL/))
      await server.promoted(15000).catch(() => {})
      console.log(
        label,
        'timeline',
        await timeline(server),
        'rows of timeline 5:',
        await server.value('select count(*) from t where i = -5'),
      )
      await server.stop()
    }
    await restore('restore from an archive without the unused numbers:', base)
    for (const n of [2, 3, 4]) b.file(`pg_wal/archive_status/${history(n).slice(7)}.ready`)
    await b.sql('select pg_switch_wal()')
    await until(() => listing(archive).includes('00000004'), 70000, 50).catch(() => {})
    console.log(
      'after .ready files:',
      listing(archive),
      JSON.stringify(await b.one('select archived_count, failed_count from pg_stat_archiver')),
    )
    const base2 = new Server(`base2${key}`)
    await restore('restore from an archive with them:', base2)

    // The next promotion, with a restore_command set, from the follower: 6 and 7 unused, takes 8.
    c.conf(`restore_command='cp ${archive}/%f %p'`)
    c.reload()
    await b.stop()
    for (const n of [6, 7]) c.file(history(n), text)
    c.promote()
    await c.promoted()
    console.log(
      'with a restore_command: timeline',
      await timeline(c),
      JSON.stringify(readFileSync(`${c.data}/${history(8)}`, 'utf8')),
    )
    await c.sql('insert into t values (-8)')

    // The unused numbers are there, but the promotion never came: start as standby.
    await d.stop()
    for (const n of [6, 7]) d.file(history(n), text)
    d.conf(`primary_conninfo=''`).start()
    await d.ready(4000).catch(() => {})
    const answers = await d.value('select 1').catch(() => 0)
    console.log(
      'start with unused numbers and no promotion:',
      answers
        ? `starts, timeline ${await timeline(d)}`
        : `DOES NOT START: process ${d.process ? 'alive' : 'ended'}: ${tail(d, /startup (FATAL|LOG)|DETAIL/)}`,
    )
    if (d.process) await d.stop()
    // The same on a directory that never was promoted, in the state after a crash.
    await oldClone.stop('SIGQUIT')
    const fresh = new Server(`fresh${key}`).initdb().file('standby.signal').start()
    await fresh.ready()
    fresh.file(history(2), text)
    await sleep(300)
    await fresh.kill()
    fresh.start()
    await fresh.ready(4000).catch(() => {})
    console.log(
      '  the same on timeline 1 after a crash:',
      (await fresh.value('select 1').catch(() => 0))
        ? 'starts'
        : `DOES NOT START: process ${fresh.process ? 'alive' : 'ended'}: ${tail(fresh, /startup (FATAL|LOG)|DETAIL/)}`,
    )
    if (fresh.process) await fresh.kill()
    run('/bin/rm', [`${fresh.data}/${history(2)}`])
    fresh.start()
    await fresh.ready(4000).then(
      () => console.log('  and without the file it starts'),
      () => console.log('  nor without the file'),
    )
    await fresh.stop('SIGQUIT')
    d.conf(`recovery_target_timeline='current'`).start()
    await d.ready(4000).catch(() => {})
    console.log(
      `the same with recovery_target_timeline='current':`,
      d.process ? `starts, timeline ${await timeline(d)}` : 'does not start',
    )
    if (d.process) {
      d.promote()
      await d.promoted()
      console.log('  promoted from there to timeline', await timeline(d))
      await d.stop()
    }
    // pg_rewind of the old primary to the newest one.
    console.log(
      'pg_rewind of the first primary:',
      attempt('pg_rewind', ['-D', a.data, `--source-server=${c.conninfo('x')} dbname=postgres`]).ok,
      listing(`${a.data}/pg_wal`),
    )
    a.conf(`primary_conninfo='${c.conninfo('a')}'`)
      .file('standby.signal')
      .start()
    await a.ready()
    await caughtUp(a, c).then(
      async () => console.log('  it follows, timeline', await timeline(a)),
      () => console.log('  it does NOT follow:', tail(a, /FATAL|ERROR|not a child/)),
    )
    for (const s of [a, b, c, d, oldClone]) await s.stop('SIGQUIT')
  }
})
