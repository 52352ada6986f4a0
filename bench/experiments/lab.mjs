// A throwaway laboratory of PostgreSQL servers: data below /tmp, Unix sockets only, every process ours.
import { execFileSync, spawn } from 'node:child_process'
import {
  accessSync,
  appendFileSync,
  chownSync,
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { loadavg } from 'node:os'
import pg from 'pg'

export const bin = process.env.PG_BIN ?? '/usr/lib/postgresql/15/bin'
for (const name of ['initdb', 'postgres', 'pg_basebackup', 'pg_controldata', 'pg_rewind', 'pg_waldump']) {
  try {
    accessSync(`${bin}/${name}`)
  } catch {
    console.error(
      `This experiment needs PostgreSQL's server programs; ${bin}/${name} is missing. Set PG_BIN.`,
    )
    process.exit(2)
  }
}
if (process.getuid() !== 0) {
  console.error('This experiment must be started as root: it runs its servers as the user postgres.')
  process.exit(2)
}
const uid = Number(execFileSync('id', ['-u', 'postgres']))
const gid = Number(execFileSync('id', ['-g', 'postgres']))
const asPostgres = ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups']

export const root = mkdtempSync('/tmp/vigil-exp.')
chownSync(root, uid, gid)
const servers = []
let nextPort = 20000 + (process.pid % 2000) * 10

export const now = () => performance.now()
export const sleep = ms => new Promise(done => setTimeout(done, ms))
export const load = () => loadavg()[0].toFixed(1)
export const lsn = text =>
  text === null || text === undefined
    ? null
    : text
        .split('/')
        .map(h => BigInt(`0x${h}`))
        .reduce((high, low) => (high << 32n) + low)
export const show = value =>
  value === null
    ? 'null'
    : `${(value >> 32n).toString(16).toUpperCase()}/${(value & 0xffffffffn).toString(16).toUpperCase()}`
export function figures(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = q => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
  return {
    n: sorted.length,
    min: +sorted[0]?.toFixed(1),
    median: +at(0.5)?.toFixed(1),
    max: +sorted.at(-1)?.toFixed(1),
  }
}
export function run(program, args, options = {}) {
  return execFileSync(
    'setpriv',
    [...asPostgres, program.includes('/') ? program : `${bin}/${program}`, ...args],
    { encoding: 'utf8', cwd: root, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28, ...options },
  )
}
export function attempt(program, args) {
  try {
    return { ok: true, text: run(program, args) }
  } catch (error) {
    return { ok: false, text: `${error.stdout ?? ''}${error.stderr ?? ''}`.trim() }
  }
}
export async function until(test, limitMs = 30000, stepMs = 5) {
  const from = now()
  for (;;) {
    try {
      const value = await test()
      if (value) return value
    } catch {}
    if (now() - from > limitMs) throw new Error(`not reached in ${limitMs} ms: ${test}`)
    await sleep(stepMs)
  }
}
export const alive = pid => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

export class Server {
  constructor(name) {
    this.name = name
    this.data = `${root}/${name}`
    this.port = nextPort++
    this.log = `${root}/${name}.log`
    this.process = null
    servers.push(this)
  }
  initdb(...extra) {
    run('initdb', ['-N', '-A', 'trust', '-U', 'postgres', '-D', this.data, ...extra])
    return this.conf(
      `listen_addresses=''`,
      `unix_socket_directories='${root}'`,
      'max_connections=250',
      'wal_log_hints=on',
      'max_wal_size=4GB',
      'wal_keep_size=512MB',
      'log_min_messages=info',
      "log_line_prefix='%m %b[%p] '",
      'hot_standby=on',
    )
  }
  conf(...lines) {
    appendFileSync(`${this.data}/postgresql.conf`, `${lines.join('\n')}\n`)
    return this
  }
  file(name, text = '') {
    const path = `${this.data}/${name}`
    writeFileSync(path, text)
    chownSync(path, uid, gid)
    const fd = openSync(path, 'r')
    fsyncSync(fd)
    closeSync(fd)
    return this
  }
  has(name) {
    try {
      accessSync(`${this.data}/${name}`)
      return true
    } catch {
      return false
    }
  }
  start(...args) {
    const out = openSync(this.log, 'a')
    this.process = spawn(
      'setpriv',
      [
        ...asPostgres,
        '--pdeathsig',
        'QUIT',
        `${bin}/postgres`,
        '-D',
        this.data,
        '-p',
        String(this.port),
        ...args,
      ],
      { stdio: ['ignore', out, out], cwd: root },
    )
    closeSync(out)
    const process_ = this.process
    this.gone = new Promise(done =>
      process_.once('exit', (code, signal) => {
        this.process = this.process === process_ ? null : this.process
        done({ code, signal })
      }),
    )
    return this
  }
  get pid() {
    return this.process?.pid
  }
  client(options = {}) {
    const client = new pg.Client({
      host: root,
      port: this.port,
      user: 'postgres',
      database: 'postgres',
      ...options,
    })
    client.on('error', () => {})
    return client
  }
  async ready(limitMs = 30000) {
    await until(
      async () => {
        await this.sql('select 1')
        return true
      },
      limitMs,
      2,
    )
    return this
  }
  async sql(text, options) {
    const client = this.client(options)
    await client.connect()
    try {
      const result = await client.query(text)
      return (Array.isArray(result) ? result.at(-1) : result).rows
    } finally {
      await client.end().catch(() => {})
    }
  }
  async one(text, options) {
    return (await this.sql(text, options))[0]
  }
  async value(text) {
    return Object.values(await this.one(text))[0]
  }
  identify() {
    return this.one('IDENTIFY_SYSTEM', { replication: 'true' })
  }
  signal(name) {
    process.kill(this.pid, name)
  }
  reload() {
    this.signal('SIGHUP')
  }
  children() {
    return readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number)
  }
  async stop(signal = 'SIGINT') {
    if (!this.process) return
    this.signal(signal)
    return this.gone
  }
  /** The guard's kill. */
  async kill() {
    if (!this.process) return
    const pid = this.pid
    this.signal('SIGSTOP')
    const children = this.children()
    for (const child of children)
      try {
        process.kill(child, 'SIGKILL')
      } catch {}
    process.kill(pid, 'SIGKILL')
    await until(() => !children.some(alive) && !alive(pid), 30000, 1)
    await this.gone
  }
  control() {
    return Object.fromEntries(
      run('pg_controldata', [this.data])
        .split('\n')
        .filter(Boolean)
        .map(line => {
          const at = line.indexOf(':')
          return [line.slice(0, at), line.slice(at + 1).trim()]
        }),
    )
  }
  /** pg_control read directly: state and location of the latest checkpoint. */
  controlNow() {
    const fd = openSync(`${this.data}/global/pg_control`, 'r')
    const bytes = Buffer.alloc(48)
    readSync(fd, bytes, 0, 48, 0)
    closeSync(fd)
    return {
      state: [
        'starting up',
        'shut down',
        'shut down in recovery',
        'shutting down',
        'in crash recovery',
        'in archive recovery',
        'in production',
      ][bytes.readUInt32LE(16)],
      checkpoint: bytes.readBigUInt64LE(32),
    }
  }
  conninfo(name = this.name) {
    return `host=${root} port=${this.port} user=postgres application_name=${name}`
  }
  clone(name, ...extra) {
    const copy = new Server(name)
    run('pg_basebackup', ['-D', copy.data, '-d', this.conninfo(), '-c', 'fast', '-X', 'stream', ...extra])
    return copy
  }
  standby(name, ...extra) {
    return this.clone(name, ...extra)
      .conf(`primary_conninfo='${this.conninfo(name)}'`)
      .file('standby.signal')
  }
  /** The guard's promotion: the file and the signal. */
  promote() {
    this.file('promote')
    this.signal('SIGUSR1')
  }
  async promoted(limitMs) {
    await until(async () => (await this.value('select pg_is_in_recovery()')) === false, limitMs, 1)
  }
  logText() {
    return readFileSync(this.log, 'utf8')
  }
}
export async function close() {
  for (const server of servers) {
    if (!server.process) continue
    try {
      server.signal('SIGCONT')
      server.signal('SIGQUIT')
    } catch {}
    await Promise.race([server.gone, sleep(8000)])
    if (server.process) await server.kill()
  }
  if (!process.env.KEEP) rmSync(root, { recursive: true, force: true })
}
export async function experiment(body) {
  let code = 0
  try {
    console.log(`load at start ${load()}`)
    await body()
    console.log(`load at end ${load()}`)
  } catch (error) {
    code = 1
    console.error(error)
  }
  await close()
  process.exit(code)
}
