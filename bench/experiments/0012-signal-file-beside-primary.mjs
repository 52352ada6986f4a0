// S1: standby.signal is created again beside a running primary: what each tool makes of it.
import { spawn } from 'node:child_process'
import { attempt, bin, experiment, now, root, run, Server, sleep } from './lab.mjs'

const state = async (label, server) =>
  console.log(
    `${label.padEnd(66)} in recovery ${await server.value('select pg_is_in_recovery()')}, rows ${await server.value('select count(*) from t')}, timeline ${(await server.identify()).timeline}, file ${server.has('standby.signal')}`,
  )
async function starts(label, server) {
  const from = now()
  server.start()
  await server
    .ready(10000)
    .catch(() =>
      console.log(`${label}: NOT READY`, server.logText().trim().split('\n').slice(-3).join(' | ')),
    )
  if (server.process) await state(`${label} (${Math.round(now() - from)} ms)`, server)
}
const back = async server => {
  server.promote()
  await server.promoted()
  server.file('standby.signal')
}

await experiment(async () => {
  const a = new Server('a').initdb().file('standby.signal').start()
  await a.ready()
  await back(a)
  await a.sql('create table t(i int); insert into t select generate_series(1,1000)')
  await state('primary with the file put back', a)
  await a.sql('checkpoint; insert into t values (1)')
  await a.kill()
  await starts('kill -9, start', a)
  await back(a)
  await a.sql('insert into t values (2)')
  await a.stop('SIGINT')
  await starts('fast stop, start', a)
  await back(a)
  await a.stop('SIGQUIT')
  await starts('immediate stop, start', a)
  await back(a)

  // Through a shell that is not our child's parent: pg_ctl waits until the old process is reaped, and this program must do that.
  const restart = spawn(
    'setpriv',
    [
      '--reuid',
      'postgres',
      '--regid',
      'postgres',
      '--init-groups',
      `${bin}/pg_ctl`,
      'restart',
      '-w',
      '-m',
      'fast',
      '-D',
      a.data,
      '-l',
      `${root}/hand.log`,
      '-o',
      `-p ${a.port}`,
    ],
    { stdio: 'ignore', cwd: root },
  )
  console.log('pg_ctl restart by hand, exit code', await new Promise(done => restart.once('exit', done)))
  await state('after pg_ctl restart by hand', a)
  console.log('  settings of the hand start: listen_addresses', await a.value('show listen_addresses'))
  run('pg_ctl', ['stop', '-w', '-m', 'fast', '-D', a.data])
  await starts('then started by the guard', a)
  await back(a)
  // One backend is killed: restart_after_crash on (default) and off.
  for (const value of ['on', 'off']) {
    a.conf(`restart_after_crash=${value}`)
    a.reload()
    await sleep(100)
    const victim = a.client()
    await victim.connect()
    const pid = (await victim.query('select pg_backend_pid() p')).rows[0].p
    process.kill(pid, 'SIGKILL')
    await sleep(1500)
    if (a.process) await state(`one backend killed, restart_after_crash=${value}`, a)
    else {
      console.log(`one backend killed, restart_after_crash=${value}: the whole server stopped`)
      await starts('  started again', a)
      await back(a)
    }
    if (value === 'on' && (await a.value('select pg_is_in_recovery()'))) await back(a)
  }

  // pg_basebackup of the primary with the file.
  const b = a.clone('b')
  console.log(
    'pg_basebackup contains the file:',
    b.has('standby.signal'),
    '| backup_label there:',
    b.has('backup_label'),
    '| pg_verifybackup:',
    attempt('pg_verifybackup', [b.data]).text.trim(),
  )
  b.start()
  await b.ready()
  await state('the copy as it is', b)
  await b.stop()

  // The primary with the file as source of pg_rewind: running, and stopped.
  const c = a.standby('c').start()
  await c.ready()
  await a.sql('insert into t values (3)')
  await sleep(300)
  c.conf(`primary_conninfo=''`)
  c.promote()
  await c.promoted()
  c.file('standby.signal')
  await c.sql('insert into t values (100),(101)')
  await a.sql('insert into t values (4)')
  await c.stop()
  const rewind = (label, target, ...source) => {
    const from = now()
    const r = attempt('pg_rewind', ['-D', target.data, ...source])
    console.log(
      `${label} (${Math.round(now() - from)} ms): ${r.ok ? 'done' : 'FAILED'} ${r.text.split('\n').slice(-2).join(' | ')}`,
    )
    return r.ok
  }
  run('/bin/cp', ['-a', c.data, `${root}/c-clean`])
  console.log('clean target: state', c.control()['Database cluster state'])
  rewind(
    'pg_rewind, target clean with the file, source running primary with the file',
    c,
    `--source-server=${a.conninfo('x')} dbname=postgres`,
  )
  console.log('  file in target afterwards:', c.has('standby.signal'))
  c.conf(`primary_conninfo='${a.conninfo('c')}'`)
  await starts('  rewound target', c)
  await sleep(500)
  await state('  rewound target, later', c)

  // A crashed target with the file.
  c.conf(`primary_conninfo=''`)
  c.reload()
  c.promote()
  await c.promoted()
  c.file('standby.signal')
  await c.sql('insert into t values (200)')
  await a.sql('insert into t values (5)')
  await c.kill()
  const source = `--source-server=${a.conninfo('x')} dbname=postgres`
  rewind('pg_rewind, target crashed with the file', c, source)
  // The order of the protocol: start as standby, stop, move the file, rewind, put it back.
  await starts('  started as standby to recover', c)
  await c.stop()
  console.log('  state after the stop', c.control()['Database cluster state'])
  const direct = rewind('  pg_rewind with the file still there after a stop as standby', c, source)
  if (!direct) {
    run('/bin/rm', [`${c.data}/standby.signal`])
    rewind('  the same without the file', c, source)
    c.file('standby.signal')
  }
  console.log('  file in target afterwards:', c.has('standby.signal'))
  c.conf(`primary_conninfo='${a.conninfo('c')}'`)
  await starts('  rewound target', c)
  await sleep(500)
  await state('  rewound target, later', c)
  await c.stop()

  // Source is the stopped directory of a primary with the file.
  await a.stop()
  const e = new Server('e')
  run('/bin/mv', [`${root}/c-clean`, e.data])
  rewind('pg_rewind, source = stopped directory with the file', e, `--source-pgdata=${a.data}`)
  console.log(
    '  single-user mode beside the file:',
    attempt(`${bin}/postgres`, ['--single', '-D', a.data, 'postgres']).text.split('\n').at(-1),
  )
  console.log('  file after it:', a.has('standby.signal'))
})
