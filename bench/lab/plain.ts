// The same PostgreSQL without anybody who looks after it: a primary and its standbys on the hosts of a laboratory,
// with the settings of vigil's primary, beside its data.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../../test/lab/cluster.ts'
import { REPLICATION } from '../../test/lab/configuration.ts'
import { databaseUser, giveTo } from '../../test/lab/database-user.ts'
import type { Host, Launched } from '../../test/lab/host.ts'
import { type Member, SUPERUSER } from '../../test/lab/member.ts'
import { newestPostgres } from '../../test/lab/postgres-programs.ts'
import { query } from '../../test/lab/sql.ts'
import { waitFor } from '../../test/lab/wait.ts'

export interface Plain {
  start(): Promise<void>
  stop(): Promise<void>
  readonly primary: Host
}

const START_LIMIT_MS = 60_000
/** Where things lie and who follows whom: of each server its own. */
const OWN = new Set([
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'external_pid_file',
  'listen_addresses',
  'port',
  'unix_socket_directories',
  'primary_conninfo',
  'primary_slot_name',
  'restore_command',
  'archive_command',
  'archive_mode',
  'cluster_name',
  'lc_messages',
  'DateStyle',
  'TimeZone',
  'log_timezone',
  'default_text_search_config',
  'restart_after_crash',
])

/** Made once from a running cluster, whose members must be stopped before it starts: the ports are the same. */
export async function makePlain(cluster: Cluster, vigilPrimary: Member): Promise<Plain> {
  const settings = await settingsOf(vigilPrimary)
  const [first, ...others] = cluster.network.hosts
  return {
    primary: first!,
    ...(await servers(cluster, first!, others, settings)),
  }
}

async function settingsOf(member: Member): Promise<readonly string[]> {
  const rows = await member.query<{ name: string; setting: string }>(
    `SELECT name, current_setting(name) AS setting FROM pg_settings
     WHERE source NOT IN ('default', 'override', 'client', 'session') AND context <> 'internal'`,
  )
  return rows
    .filter(({ name }) => !OWN.has(name))
    .map(({ name, setting }) => `${name} = '${setting.replaceAll("'", "''")}'`)
}

async function servers(
  cluster: Cluster,
  first: Host,
  others: readonly Host[],
  settings: readonly string[],
): Promise<Pick<Plain, 'start' | 'stop'>> {
  let running: Launched[] = []
  const launch = (host: Host) => running.push(host.launch('plain', [program('postgres'), '-D', dataOf(host)]))
  const ready = (host: Host) =>
    waitFor(`the plain PostgreSQL on ${host.name} answers`, START_LIMIT_MS, async () => {
      await ask(host, 'SELECT 1')
      return true
    })
  const streaming = () =>
    waitFor('the plain standbys stream', START_LIMIT_MS, async () => {
      const rows = await ask(first, `SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`)
      return rows.length === others.length
    })
  return {
    start: async () => {
      if (!existsSync(dataOf(first))) {
        await createPrimary(first, cluster.network.subnet, settings)
        launch(first)
        await ready(first)
        await ask(
          first,
          `CREATE ROLE ${REPLICATION.username} REPLICATION LOGIN PASSWORD '${REPLICATION.password}'`,
        )
        for (const host of others) await createStandby(host, first)
      } else {
        launch(first)
        await ready(first)
      }
      for (const host of others) launch(host)
      await streaming()
    },
    stop: async () => {
      // SIGINT: a fast stop.
      for (const server of running) server.signal('SIGINT')
      await Promise.all(running.map(({ ended }) => ended))
      running = []
    },
  }
}

async function createPrimary(host: Host, subnet: string, settings: readonly string[]): Promise<void> {
  const password = secretFile(host, 'plain-superuser', SUPERUSER.password)
  await run(host, [
    'initdb',
    '-D',
    dataOf(host),
    '-U',
    SUPERUSER.user,
    '--pwfile',
    password,
    '-E',
    'UTF8',
    '--data-checksums',
  ])
  writeFileSync(
    join(dataOf(host), 'pg_hba.conf'),
    [
      'local all all trust',
      `host replication all ${subnet} scram-sha-256`,
      `host all all ${subnet} scram-sha-256`,
      '',
    ].join('\n'),
  )
  appendFileSync(join(dataOf(host), 'postgresql.conf'), [...settings, ...place(host), ''].join('\n'))
}

async function createStandby(host: Host, primary: Host): Promise<void> {
  const passfile = secretFile(host, 'plain-pgpass', `*:*:*:${REPLICATION.username}:${REPLICATION.password}\n`)
  const source = `host=${primary.address} port=${primary.port('postgres')} user=${REPLICATION.username} passfile=${passfile} application_name=${host.name}`
  await run(host, [
    'pg_basebackup',
    '-D',
    dataOf(host),
    '-d',
    source,
    '-R',
    '-X',
    'stream',
    '-C',
    '-S',
    `plain_${host.name}`,
    '-c',
    'fast',
  ])
  appendFileSync(join(dataOf(host), 'postgresql.conf'), [...place(host), ''].join('\n'))
}

function place(host: Host): readonly string[] {
  return [
    `listen_addresses = '${host.address}'`,
    `port = ${host.port('postgres')}`,
    `unix_socket_directories = '${host.directory}'`,
  ]
}

function secretFile(host: Host, name: string, text: string): string {
  const file = join(host.directory, name)
  writeFileSync(file, text, { mode: 0o600 })
  giveTo(databaseUser(), file)
  return file
}

async function run(host: Host, [name, ...args]: readonly string[]): Promise<void> {
  const launched = host.launch(`plain-${name}`, [program(name!), ...args])
  const ended = await launched.ended
  if (ended !== 'exit code 0')
    throw new Error(
      `${name} on ${host.name}: ${ended}; ${readFileSync(launched.logFile, 'utf8').slice(-500)}`,
    )
}

function ask(host: Host, sql: string) {
  return query({ host: host.address, port: host.port('postgres') }, SUPERUSER, sql)
}

function dataOf(host: Host): string {
  return join(host.directory, 'plain')
}

function program(name: string): string {
  return join(newestPostgres(), name)
}
