// A member's YAML as Patroni reads it, which vigil reads too: one description for both.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Host } from './host.ts'
import { SUPERUSER } from './member.ts'

/** Cluster-wide timings; seconds, with Patroni's meaning. */
export interface Timings {
  readonly ttl: number
  readonly loopWait: number
  readonly retryTimeout: number
}

export interface ClusterSettings {
  readonly scope: string
  readonly timings: Timings
  /** Addresses that may connect, as pg_hba.conf writes them. */
  readonly subnet: string
  readonly etcd: readonly string[]
  readonly binDirectory: string
  /** PostgreSQL parameters beyond the laboratory's own. */
  readonly parameters?: Readonly<Record<string, string | number>>
  /** Further keys of the cluster-wide configuration: `synchronous_mode` and the like. */
  readonly dynamic?: Readonly<Record<string, unknown>>
  /** Where a member's data lies; in its host's directory by default. */
  readonly dataDirectory?: (host: Host) => string
  /** Further sections, merged at the top level. */
  readonly sections?: Readonly<Record<string, unknown>>
}

export const REPLICATION = { username: 'replicator', password: 'lab-replication' }

/** Small, so that three members fit on a laptop; everything that decides about durability stays as shipped. */
const PARAMETERS = {
  shared_buffers: '32MB',
  max_connections: 100,
  wal_log_hints: 'on',
  log_line_prefix: '%m [%p] %q%a ',
}

export function dataDirectoryOf(host: Host): string {
  return join(host.directory, 'data')
}

/** The configuration of the member on `host`, as the object that becomes its YAML. */
export function configurationOf(host: Host, settings: ClusterSettings): Record<string, unknown> {
  const address = (purpose: 'postgres' | 'rest') => `${host.address}:${host.port(purpose)}`
  const { ttl, loopWait, retryTimeout } = settings.timings
  return {
    scope: settings.scope,
    name: host.name,
    restapi: { listen: address('rest'), connect_address: address('rest') },
    etcd3: { hosts: [...settings.etcd] },
    bootstrap: {
      dcs: {
        ttl,
        loop_wait: loopWait,
        retry_timeout: retryTimeout,
        maximum_lag_on_failover: 16 * 1024 * 1024,
        ...settings.dynamic,
        postgresql: { use_pg_rewind: true, parameters: { ...PARAMETERS, ...settings.parameters } },
      },
      initdb: [{ encoding: 'UTF8' }, 'data-checksums'],
    },
    postgresql: {
      listen: address('postgres'),
      connect_address: address('postgres'),
      data_dir: (settings.dataDirectory ?? dataDirectoryOf)(host),
      bin_dir: settings.binDirectory,
      // Not in the data directory: a base backup would copy the socket's lock file.
      parameters: { unix_socket_directories: host.directory },
      pgpass: join(host.directory, 'pgpass'),
      authentication: {
        superuser: { username: SUPERUSER.user, password: SUPERUSER.password },
        replication: REPLICATION,
      },
      pg_hba: [
        'local all all trust',
        `host replication ${REPLICATION.username} ${settings.subnet} scram-sha-256`,
        `host all all ${settings.subnet} scram-sha-256`,
      ],
      remove_data_directory_on_diverged_timelines: true,
      remove_data_directory_on_rewind_failure: true,
    },
    ...settings.sections,
  }
}

/** Writes a member's YAML on its host, readable by nobody else, and returns its path. */
export function writeConfiguration(
  host: Host,
  configuration: Readonly<Record<string, unknown>>,
  owner: (path: string) => void,
): string {
  const file = join(host.directory, `${host.name}.yml`)
  writeFileSync(file, stringify(configuration), { mode: 0o600 })
  owner(file)
  return file
}
