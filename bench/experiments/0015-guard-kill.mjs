// F: from the decision to kill until the last acknowledgement a client reads, 200 busy backends, four ways of killing.
// usage: 0015-guard-kill.mjs [runs] [plain,nice,autogroup,fifo] [part of a way's name]; clients are a second Node process, so that reading does not delay the killer.
import { execFileSync, fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readSync, rmdirSync, writeFileSync, writeSync } from 'node:fs'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

const clients = 200
// CLOCK_MONOTONIC in ms: the same clock in both processes.
const clock = () => Number(process.hrtime.bigint()) / 1e6

async function beClients({ host, port }) {
  const acks = []
  let stopped = 0
  let decided = null
  const report = () => {
    if (stopped === clients && decided !== null)
      process.send({ last: acks.at(-1), total: acks.length, after: acks.filter(at => at > decided).length })
  }
  process.on('message', message => {
    decided = message.decided
    report()
  })
  for (let i = 0; i < clients; i++) {
    const client = new pg.Client({ host, port, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    await client.connect()
    const loop = async () => {
      try {
        for (;;) {
          await client.query({ name: 'i', text: 'insert into t values ($1, now())', values: [i] })
          acks.push(clock())
        }
      } catch {
        stopped++
        report()
      }
    }
    void loop()
  }
  // The measuring side reads each acknowledgement when it arrives, not when it is its turn.
  setPriority(-19)
  process.send('busy')
}

if (process.argv[2] === 'clients') {
  process.once('message', where => beClients(where))
} else {
  const { alive, experiment, figures, load, Server, sleep } = await import('./lab.mjs')
  const runs = Number(process.argv[2] ?? 11)
  const group = `/sys/fs/cgroup/unified/vigil-exp-${process.pid}`
  let cgroup = true
  try {
    mkdirSync(group)
  } catch {
    cgroup = false
    console.log('no writable cgroup v2: that way is left out')
  }

  const childrenFd = pid => openSync(`/proc/${pid}/task/${pid}/children`, 'r')
  const buffer = Buffer.alloc(65536)
  function children(fd) {
    let text = ''
    for (let at = 0; ; ) {
      const n = readSync(fd, buffer, 0, buffer.length, at)
      if (n === 0) break
      text += buffer.toString('latin1', 0, n)
      at += n
    }
    return text.split(' ').filter(Boolean).map(Number)
  }
  const ways = {
    'stop, kill all (protocol)': (pid, fd) => {
      process.kill(pid, 'SIGSTOP')
      // The postmaster may be inside fork() when the signal is sent: read until two lists agree.
      const seen = new Set()
      for (;;) {
        const fresh = children(fd).filter(child => !seen.has(child))
        if (fresh.length === 0) break
        for (const child of fresh) {
          seen.add(child)
          try {
            process.kill(child, 'SIGKILL')
          } catch {}
        }
      }
      process.kill(pid, 'SIGKILL')
      return [...seen]
    },
    'cgroup.kill': (_pid, _fd, killFd) => {
      writeSync(killFd, '1')
      return []
    },
    'SIGQUIT to the postmaster': pid => {
      process.kill(pid, 'SIGQUIT')
      return []
    },
    'SIGKILL to the postmaster only': pid => {
      process.kill(pid, 'SIGKILL')
      return []
    },
  }
  await experiment(async () => {
    const wanted = (process.argv[3] ?? 'plain,nice,autogroup,fifo').split(',')
    let number = 0
    for (const priority of wanted)
      for (const [name, way] of Object.entries(ways)) {
        if (name === 'cgroup.kill' && !cgroup) continue
        if (process.argv[4] && !name.includes(process.argv[4])) continue
        const r = { call: [], lastAck: [], after: [], dead: [], rate: [] }
        const a = new Server(`s${number++}`).initdb().conf('restart_after_crash=off')
        for (let i = 0; i < runs; i++) {
          a.start()
          await a.ready()
          await a.sql('create table if not exists t(i int, at timestamptz); truncate t')
          if (cgroup) writeFileSync(`${group}/cgroup.procs`, String(a.pid))
          const helper = fork(fileURLToPath(import.meta.url), ['clients'])
          helper.send({ host: a.data.replace(/\/[^/]+$/, ''), port: a.port })
          await new Promise(done => helper.once('message', done))
          await sleep(1000)
          const fd = childrenFd(a.pid)
          const killFd = cgroup ? openSync(`${group}/cgroup.kill`, 'w') : -1
          const pid = a.pid
          const all = children(fd)
          const report = new Promise(done => helper.once('message', done))
          // Children keep the ordinary priority: it is raised after they were started.
          if (priority === 'nice') setPriority(-20)
          if (priority === 'fifo')
            execFileSync('chrt', ['--reset-on-fork', '--fifo', '--pid', '1', String(process.pid)])
          // The nice value of a process counts inside its session only; between sessions that of the group counts.
          if (priority === 'autogroup') writeFileSync('/proc/self/autogroup', '-20')
          await sleep(50)
          const decided = clock()
          way(pid, fd, killFd)
          const called = clock()
          // Confirmed dead: nobody alive, or (a zombie or dying task) no longer able to run user code.
          while ([...all, pid].some(alive)) await sleep(1)
          const dead = clock()
          if (priority === 'fifo') execFileSync('chrt', ['--other', '--pid', '0', String(process.pid)])
          if (priority === 'autogroup') writeFileSync('/proc/self/autogroup', '0')
          setPriority(0)
          helper.send({ decided })
          const { last, total, after } = await report
          r.after.push(after)
          r.call.push(called - decided)
          r.lastAck.push(last - decided)
          r.dead.push(dead - decided)
          r.rate.push(total)
          closeSync(fd)
          if (cgroup) closeSync(killFd)
          helper.kill()
          await a.gone
        }
        console.log(
          `${name}, ${priority}: signals sent ${JSON.stringify(figures(r.call))} last ack read ${JSON.stringify(figures(r.lastAck))} acks after the decision ${JSON.stringify(figures(r.after))} all gone ${JSON.stringify(figures(r.dead))} commits before ${JSON.stringify(figures(r.rate))} load ${load()}`,
        )
      }
    if (cgroup) rmdirSync(group)
  })
}
