// The files that an instance runs with: postgresql.conf, pg_hba.conf, pg_ident.conf, in Patroni's layout.
import { access, constants, rename, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isWeakCommit } from '../../core/synchronous/check-settings.ts'
import { NOBODY } from '../../core/synchronous/names.ts'
import type { InstanceSettings, Upstream } from '../../ports/engine.ts'
import { cleanAutoConfiguration } from './auto-configuration.ts'
import { formatConninfo, formatPassfileLine } from './conninfo.ts'
import { readIfPresent, writeDurably, writeIfChanged } from './durable.ts'
import {
  type AccessOptions,
  closedHba,
  configuredHba,
  currentAccount,
  defaultHba,
  identFile,
  isClosedHba,
} from './hba.ts'
import type { PostgresHost } from './host.ts'
import { fileParameters, type Parameters, parameterLine } from './parameters.ts'

export interface Replication {
  readonly upstream: Upstream | null
  readonly slot: string | null
  readonly role: 'primary' | 'standby'
}

const HEADER = [
  '# Written by vigil; changes made here are lost.',
  '# Settings of your own belong into the configuration of the cluster or, for this member alone, into the file below.',
]

/** False when every file was as it should be. Nothing is written unless everything can be. */
export async function writeConfiguration(
  host: PostgresHost,
  settings: InstanceSettings,
  replication: Replication,
): Promise<boolean> {
  const directory = host.configDirectory
  const people = { ...host.options, account: currentAccount() }
  const parameters = await mainParameters(host, settings, replication)
  const ident = settings.ident === null ? null : identFile(settings.ident, people)
  const base = await ensureBaseConfiguration(host)
  // The password file first: a standby that reads the new address must find the password for it.
  await writePassfile(host, replication.upstream)
  const changes = [
    await writeHba(join(directory, 'pg_hba.conf'), settings, people),
    await writeOrKeep(join(directory, 'pg_ident.conf'), ident, () => identFile(null, people)),
    await writeIfChanged(mainPath(host), mainFile(parameters, base)),
    await cleanAutoConfiguration(host),
  ]
  return changes.includes(true)
}

export function mainPath(host: PostgresHost): string {
  return join(host.configDirectory, `${host.options.configBaseName ?? 'postgresql'}.conf`)
}

/** Where the instance's Unix socket is put: as configured, else the usual place if it can be used. */
export async function socketDirectory(host: PostgresHost, settings: InstanceSettings): Promise<string> {
  const configured = settings.parameters['unix_socket_directories'] ?? host.options.socketDirectory
  if (configured) return configured
  const usual = '/var/run/postgresql'
  return access(usual, constants.W_OK).then(
    () => usual,
    () => host.options.stateDirectory,
  )
}

async function mainParameters(
  host: PostgresHost,
  settings: InstanceSettings,
  replication: Replication,
): Promise<Parameters> {
  const { options } = host
  const { upstream, slot, role } = replication
  const configured = await withoutUnknown(host, fileParameters(settings.parameters))
  return {
    max_slot_wal_keep_size: await slotLimit(options.dataDirectory),
    hba_file: join(host.configDirectory, 'pg_hba.conf'),
    ident_file: join(host.configDirectory, 'pg_ident.conf'),
    ...configured,
    // What the configuration may say for everybody must not undo what the cluster promises; roles and sessions still can.
    ...(settings.synchronousNames != null && isWeakCommit(configured['synchronous_commit'] ?? 'on')
      ? { synchronous_commit: 'on' }
      : {}),
    cluster_name: options.scope,
    // Nothing instead of localhost: whoever starts this by hand is reached by nobody. The guard gives the real one.
    listen_addresses: '',
    port: String(options.listen.port),
    unix_socket_directories: await socketDirectory(host, settings),
    recovery_target_timeline: 'latest',
    synchronous_standby_names:
      role === 'standby'
        ? NOBODY.text
        : (settings.synchronousNames ?? configured['synchronous_standby_names'] ?? ''),
    primary_conninfo: upstream ? conninfoFor(host, upstream) : '',
    primary_slot_name: upstream ? (slot ?? '') : '',
  }
}

/** Left out with a warning: a cluster with members of two versions has parameters that one of them lacks. */
async function withoutUnknown(host: PostgresHost, parameters: Parameters): Promise<Parameters> {
  const unknown = await host.unknownParameters(Object.keys(parameters))
  if (unknown.length === 0) return parameters
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !unknown.includes(name)))
}

function mainFile(parameters: Parameters, base: string): string {
  const lines = Object.entries(parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => parameterLine(name, value))
  return `${[...HEADER, `include '${base.replace(/[\\']/g, '$&$&')}'`, '', ...lines].join('\n')}\n`
}

function conninfoFor(host: PostgresHost, upstream: Upstream): string {
  const { replication, member } = host.options
  return formatConninfo({
    user: replication.username,
    passfile: replication.password === null ? null : passfilePath(host),
    host: upstream.host,
    port: upstream.port,
    ...{
      sslmode: 'prefer',
      connect_timeout: '5',
      keepalives_idle: '5',
      keepalives_interval: '2',
      keepalives_count: '3',
    },
    ...replication.connection,
    application_name: member,
  })
}

/** The password goes to this one address only. */
async function writePassfile(host: PostgresHost, upstream: Upstream | null): Promise<void> {
  const { username: user, password } = host.options.replication
  if (upstream === null || password === null) return
  const line = formatPassfileLine({
    host: upstream.host,
    port: upstream.port,
    database: null,
    user,
    password,
  })
  await writeIfChanged(passfilePath(host), `${line}\n`)
}

function passfilePath(host: PostgresHost): string {
  return host.options.passfile ?? join(host.options.stateDirectory, 'pgpass')
}

/** The file that was there before us is kept and included, as Patroni does. */
async function ensureBaseConfiguration(host: PostgresHost): Promise<string> {
  const { customConfiguration, configBaseName = 'postgresql' } = host.options
  if (customConfiguration) return customConfiguration
  const name = `${configBaseName}.base.conf`
  const path = join(host.configDirectory, name)
  if ((await readIfPresent(path)) !== null) return name
  const original = await readIfPresent(mainPath(host))
  const generated = original?.includes(`include '${name}'`) ?? true
  if (generated) await writeDurably(path, '')
  else await rename(mainPath(host), path)
  return name
}

/** A file that is not configured is kept aside while only the agent and standbys are let in, then put back. */
async function writeHba(path: string, settings: InstanceSettings, people: AccessOptions): Promise<boolean> {
  const aside = `${path}.vigil-open`
  const present = await readIfPresent(path)
  const kept = present !== null && isClosedHba(present) ? await readIfPresent(aside) : present
  const open = settings.hba === null ? (kept ?? defaultHba(people)) : configuredHba(settings.hba, people)
  if (settings.closed && settings.hba === null) await writeIfChanged(aside, open)
  return writeIfChanged(path, settings.closed ? closedHba(open, people) : open)
}

/** What is not configured is left as it is; a directory without the file gets ours. */
async function writeOrKeep(path: string, content: string | null, initial: () => string): Promise<boolean> {
  if (content !== null) return writeIfChanged(path, content)
  return (await readIfPresent(path)) === null && (await writeIfChanged(path, initial()))
}

const MEGABYTE = 1024 * 1024

/** A fifth of the file system for WAL that slots hold back: a member that is away must not stop the primary. */
async function slotLimit(dataDirectory: string): Promise<string> {
  const { blocks, bsize } = await statfs(dataDirectory)
  return `${Math.max(256, Math.floor((blocks * bsize) / 5 / MEGABYTE))}MB`
}
