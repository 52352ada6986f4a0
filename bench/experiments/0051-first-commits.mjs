// D5: commits acknowledged right after a promotion although synchronous names that nobody has are in the file.
import { experiment, figures, now, Server, sleep } from './lab.mjs'

const NOBODY = 'ANY 200 ("nobody")'
const RUNS = Number(process.argv[2] ?? 20)
const CLIENTS = 12

const CASES = {
  'no names at all (control)': async () => {},
  'no names before, names written just before the promotion': async b => {
    b.conf(`synchronous_standby_names='${NOBODY}'`)
    b.reload()
  },
  'no names before, written 50 ms before the promotion': async b => {
    b.conf(`synchronous_standby_names='${NOBODY}'`)
    b.reload()
    await sleep(50)
  },
  'placeholder since the start': async () => {},
  'placeholder since the start, another rule just before the promotion': async b => {
    b.conf(`synchronous_standby_names='ANY 1 ("zz")'`)
    b.reload()
  },
}

await experiment(async () => {
  const a = new Server('a').initdb('--wal-segsize=1').start()
  await a.ready()
  await a.sql('create table t(i int)')
  for (const [what, prepare] of Object.entries(CASES)) {
    const acknowledged = []
    const withAny = []
    for (let run = 0; run < RUNS; run++) {
      const b = a.standby(`s${Object.keys(CASES).indexOf(what)}x${run}`)
      b.conf(what.startsWith('placeholder') ? `synchronous_standby_names='${NOBODY}'` : '').start()
      await b.ready()
      const clients = Array.from({ length: CLIENTS }, () => b.client())
      await Promise.all(clients.map(client => client.connect()))
      let count = 0
      let on = true
      const writing = clients.map(async client => {
        while (on) {
          const done = await client.query('insert into t values (1)').then(
            () => true,
            () => false,
          )
          if (done) count += 1
          if (!on) break
          if (!done) await sleep(0)
        }
      })
      await sleep(20)
      await prepare(b)
      const from = now()
      b.promote()
      await b.promoted()
      await sleep(300)
      acknowledged.push(count)
      if (count > 0) withAny.push(now() - from)
      on = false
      await b.kill()
      await Promise.all(writing)
    }
    console.log(what, 'runs with early commits', withAny.length, 'of', RUNS, 'commits', figures(acknowledged))
  }
})
