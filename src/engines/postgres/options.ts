// What the engine must know of one member's instance, from the configuration.
import type { ProgramOption } from '../../core/setting-kind.ts'
import type { Log } from '../../ports/log.ts'

export interface PostgresOptions {
  /** Becomes cluster_name. */
  readonly scope: string
  /** Becomes the application_name of the walreceiver. */
  readonly member: string
  readonly dataDirectory: string
  /** Where postgresql.conf and its neighbours lie; null: in the data directory. */
  readonly configDirectory: string | null
  /** Base name of the configuration file, normally `postgresql`. */
  readonly configBaseName?: string
  /** Included by postgresql.conf instead of postgresql.base.conf. */
  readonly customConfiguration?: string | null
  /** null: found by the data directory's version. */
  readonly binDirectory: string | null
  /** Other names of programs, for example `pg_rewind: pg_rewind15`. */
  readonly programNames?: Readonly<Record<string, string>>
  readonly listen: { readonly addresses: string; readonly port: number }
  /** The database that the agent connects to. */
  readonly database: string
  /** null: /var/run/postgresql if it is writable, else the state directory. A configured parameter comes first. */
  readonly socketDirectory: string | null
  /** Ours alone, outside the data directory: marker of a rewind, short-lived password files. */
  readonly stateDirectory: string
  /** The password file that primary_conninfo names; null: in the state directory. */
  readonly passfile: string | null
  readonly superuser: Credentials
  readonly replication: Credentials
  /** null: the superuser rewinds. */
  readonly rewind: Credentials | null
  /** As in `bootstrap.initdb`: a flag, or a mapping with one option. */
  readonly initdb: readonly ProgramOption[]
  /** Command of `bootstrap.post_bootstrap`, run once in the life of a cluster. */
  readonly postBootstrap: string | null
  /** As in `postgresql.basebackup`. */
  readonly basebackup?: readonly ProgramOption[]
  /** null: what only a copy has goes with it. */
  readonly evidence?: EvidenceOptions | null
  /** What child processes inherit, minus what must not reach them. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

export interface EvidenceOptions {
  /** null: below the state directory. */
  readonly directory: string | null
  /** Of all evidence in one place. */
  readonly limitBytes: number
}

export interface Credentials {
  readonly username: string
  readonly password: string | null
  /** Parameters of libpq that belong to these credentials: sslmode, sslrootcert, channel_binding and so on. */
  readonly connection?: Readonly<Record<string, string>>
}
