// Members for tests of the engine: real PostgreSQL, started and stopped here in the guard's place.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPostgres } from '../../src/engines/postgres/engine.ts'
import type { PostgresOptions } from '../../src/engines/postgres/options.ts'
import type {
  Engine,
  InstanceSettings,
  InstanceStatus,
  PrimaryStatus,
  StandbyStatus,
  Upstream,
} from '../../src/ports/engine.ts'
import { databaseUser, isRoot, switchUser } from '../lab/database-user.ts'
import { freePorts } from '../lab/free-ports.ts'
import { waitFor } from '../lab/wait.ts'

/**
 * False when this process is root: the test file is then run once more as the database user, in a child that reports
 * in this one's place.
 */
export function asDatabaseUser(file: string, environment: Readonly<Record<string, string>> = {}): boolean {
  if (!isRoot()) return true
  const user = databaseUser()
  const [program, ...prefix] = switchUser(user)
  const child = spawnSync(program!, [...prefix, process.execPath, ...process.execArgv, file], {
    stdio: 'inherit',
    env: { ...process.env, HOME: tmpdir(), ...environment },
  })
  process.exitCode = child.status ?? 1
  return false
}

export const LIMIT_MS = 60_000
export const within = (ms = LIMIT_MS) => AbortSignal.timeout(ms)
export const PASSWORDS = {
  superuser: "su'per\\ cañary-1",
  replication: 'repl: canary-2',
  rewind: 'rewind canary-3',
}
export const SETTINGS: InstanceSettings = {
  parameters: {
    max_connections: '100',
    shared_buffers: '16MB',
    fsync: 'off',
    max_wal_size: '1GB',
    wal_keep_size: '64MB',
    // A walsender that nobody ends would hold a stop for ever.
    wal_sender_timeout: '0',
  },
  hba: null,
  ident: null,
}

export interface Lab {
  readonly directory: string
  readonly warnings: string[]
  member(name: string, change?: Partial<PostgresOptions>): Promise<Member>
  close(): Promise<void>
}

export interface Member {
  readonly name: string
  readonly engine: Engine
  readonly options: PostgresOptions
  readonly upstream: Upstream
  /** Configures as a standby and starts; resolves when it answers. */
  start(from?: Upstream | null, slot?: string | null, settings?: InstanceSettings): Promise<void>
  stop(): Promise<void>
  /** As a crash: every process of the instance at once. */
  crash(): Promise<void>
  promote(): Promise<PrimaryStatus>
  primary(): Promise<PrimaryStatus>
  standby(): Promise<StandbyStatus>
  postmaster(): ChildProcess
  sql(text: string): Promise<string>
}

export function openLab(): Lab {
  const directory = mkdtempSync(join(tmpdir(), 'vigil-engine-'))
  const members: { end(): Promise<void> }[] = []
  const warnings: string[] = []
  return {
    directory,
    warnings,
    async member(name, change) {
      const { member, end } = await makeMember(directory, name, warnings, change)
      members.push({ end })
      return member
    },
    async close() {
      for (const member of members) await member.end()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function makeMember(
  directory: string,
  name: string,
  warnings: string[],
  change: Partial<PostgresOptions> = {},
) {
  const [port] = freePorts(1)
  const log = join(directory, `${name}.log`)
  const quiet = { debug() {}, info() {}, error() {}, warn: (text: string) => void warnings.push(text) }
  const options: PostgresOptions = {
    scope: 'lab',
    member: name,
    dataDirectory: join(directory, name),
    configDirectory: null,
    binDirectory: null,
    listen: { addresses: '127.0.0.1', port: port! },
    database: 'postgres',
    socketDirectory: directory,
    stateDirectory: join(directory, `${name}-state`),
    passfile: null,
    superuser: { username: 'postgres', password: PASSWORDS.superuser },
    replication: { username: 'replicator', password: PASSWORDS.replication },
    rewind: { username: 'rewinder', password: PASSWORDS.rewind },
    initdb: ['data-checksums', { encoding: 'UTF8' }],
    postBootstrap: null,
    environment: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
    log: quiet,
    ...change,
  }
  const engine = await openPostgres(options)
  let child: ChildProcess | null = null
  let current = SETTINGS
  let gone: Promise<unknown> = Promise.resolve()
  const status = async <K extends InstanceStatus['kind']>(kind: K) =>
    waitFor(`${name} is a ${kind}`, LIMIT_MS, async () => {
      if (child?.exitCode !== null)
        throw new Error(`postgres ended: ${readFileSync(log, 'utf8').slice(-2000)}`)
      const seen = await engine.status(within(5000))
      return seen.kind === kind ? (seen as Extract<InstanceStatus, { kind: K }>) : null
    })
  const member: Member = {
    name,
    engine,
    options,
    upstream: { name, host: '127.0.0.1', port: port! },
    async start(from = null, slot = null, settings = SETTINGS) {
      await engine.writeConfiguration(settings, from, slot, 'standby')
      writeFileSync(join(options.dataDirectory, 'standby.signal'), '')
      current = settings
      const command = await engine.startCommand(settings)
      const output = openSync(log, 'a')
      child = spawn(command.program, [...command.arguments], {
        env: { ...command.environment },
        stdio: ['ignore', output, output],
        cwd: '/',
      })
      closeSync(output)
      const started = child
      gone = new Promise(resolve => started.once('exit', resolve))
      await status('standby')
    },
    async stop() {
      child?.kill('SIGINT')
      await gone
    },
    async crash() {
      if (!child?.pid) return
      child.kill('SIGSTOP')
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
      for (const pid of children) process.kill(Number(pid), 'SIGKILL')
      child.kill('SIGKILL')
      await gone
    },
    async promote() {
      writeFileSync(join(options.dataDirectory, 'promote'), '')
      child!.kill('SIGUSR1')
      const primary = await status('primary')
      await engine.writeConfiguration(current, null, null, 'primary')
      await engine.reload()
      await engine.ensureStandbySignal()
      return primary
    },
    primary: () => status('primary'),
    standby: () => status('standby'),
    postmaster: () => child!,
    sql: text => psql(directory, port!, text),
  }
  const end = async () => {
    engine.close()
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGCONT')
      child.kill('SIGQUIT')
      await gone
    }
  }
  return { member, end }
}

/** Independent of the engine's own connections. */
export async function psql(
  host: string,
  port: number,
  text: string,
  user = 'postgres',
  password = PASSWORDS.superuser,
): Promise<string> {
  const child = spawn(
    'psql',
    [
      '-XAtq',
      '-v',
      'ON_ERROR_STOP=1',
      '-h',
      host,
      '-p',
      String(port),
      '-U',
      user,
      '-d',
      'postgres',
      '-c',
      text,
    ],
    {
      env: { PATH: process.env['PATH'], PGPASSWORD: password, PGCONNECT_TIMEOUT: '10' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const printed: string[] = []
  child.stdout.on('data', data => printed.push(String(data)))
  child.stderr.on('data', data => printed.push(String(data)))
  const code = await new Promise(resolve => child.once('close', resolve))
  if (code !== 0) throw new Error(printed.join(''))
  return printed.join('').trim()
}

/** initdb, start, promote, roles: as a bootstrap does it. Returns the system identifier. */
export async function newCluster(member: Member): Promise<string> {
  await member.engine.initialise(within())
  await member.start()
  const { systemIdentifier } = await member.promote()
  await member.engine.prepareCluster(within())
  await member.engine.markServed()
  return systemIdentifier
}

/** A stand-in that writes down its own arguments and environment and then becomes the real program. */
export function recordingProgram(lab: Lab, program: string, record: string): string {
  const path = join(lab.directory, `record-${program}`)
  const real = `/usr/lib/postgresql/15/bin/${program}`
  writeFileSync(
    path,
    `#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >> '${record}'\nexec ${real} "$@"\n`,
    { mode: 0o700 },
  )
  return path
}

/** Parts that no quoting or escaping changes. */
export function secretsIn(text: string): readonly string[] {
  return ['cañary-1', 'ca\u00c3\u00b1ary-1', 'canary-2', 'canary-3'].filter(secret => text.includes(secret))
}
