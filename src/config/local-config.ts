// The configuration of one member, complete: what the agent and the command line are built from.
import type { ProgramOption } from '../core/setting-kind.ts'
import type { LocalSettings } from '../core/settings.ts'
import type { Ms } from '../kernel/time.ts'
import type { Address, ListenAddress } from './address.ts'

export interface Credentials {
  readonly username: string
  /** null: none is needed, or it comes from elsewhere. */
  readonly password: string | null
}

/** A role of PostgreSQL, and how its connections are made. */
export interface RoleCredentials extends Credentials {
  /** Parameters of libpq, such as sslmode. */
  readonly connection: Readonly<Record<string, string>>
}

/** Files of a client or a server that speaks TLS. */
export interface TlsFiles {
  readonly caFile: string | null
  readonly certificateFile: string | null
  readonly keyFile: string | null
  readonly keyPassword: string | null
}

export interface RestConfig {
  readonly listen: ListenAddress
  readonly connectAddress: Address
  readonly scheme: 'http' | 'https'
  readonly authentication: Credentials | null
  readonly tls: TlsFiles
  readonly verifyClient: 'none' | 'optional' | 'required'
  /** null: everybody. */
  readonly allowlist: readonly string[] | null
}

export interface StoreConfig {
  /** `http://host:port`, in the order of the file. */
  readonly endpoints: readonly string[]
  readonly credentials: Credentials | null
  readonly tls: TlsFiles
}

export interface PostgresqlConfig {
  readonly listen: ListenAddress
  readonly connectAddress: Address
  readonly dataDir: string
  /** null: the data directory. */
  readonly configDir: string | null
  readonly configBaseName: string
  readonly customConf: string | null
  /** null: found by the version of the data. */
  readonly binDir: string | null
  /** Other names of the programs, by their usual name. */
  readonly binNames: Readonly<Record<string, string>>
  /** The password file that standbys name; null: in the state directory. */
  readonly passFile: string | null
  readonly database: string
  readonly superuser: RoleCredentials
  readonly replication: RoleCredentials
  /** null: the superuser rewinds. */
  readonly rewind: RoleCredentials | null
  readonly basebackup: readonly ProgramOption[]
  /** The keys that the dynamic configuration has too, as JSON. */
  readonly shared: Readonly<Record<string, unknown>>
}

export interface BootstrapConfig {
  /** As written, with `bootstrap.pg_hba` in it; the agent completes it with `newClusterConfig`. */
  readonly dcs: Readonly<Record<string, unknown>>
  /** Anything but `initdb` is not supported yet: initialise nothing then. */
  readonly method: string
  readonly initdb: readonly ProgramOption[]
  readonly postBootstrap: string | null
}

export interface LogConfig {
  readonly type: 'plain' | 'json'
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  readonly dir: string | null
}

export interface CtlConfig {
  readonly authentication: Credentials | null
  readonly insecure: boolean
  readonly tls: TlsFiles
}

export interface LocalConfig {
  readonly scope: string
  readonly name: string
  readonly namespace: string
  readonly restapi: RestConfig
  readonly ctl: CtlConfig
  readonly store: StoreConfig
  readonly bootstrap: BootstrapConfig
  readonly postgresql: PostgresqlConfig
  readonly tags: Readonly<Record<string, unknown>>
  readonly log: LogConfig
  readonly fencing: FencingConfig
  /** null: what only a copy has goes with it. */
  readonly evidence: { readonly directory: string | null; readonly limitBytes: number } | null
  /** Outside the data directory: promises and terms outlive a replaced copy (protocol A3). */
  readonly stateDir: string
}

/** Layers of fencing beside the guard's own kill. */
export interface FencingConfig {
  readonly nftables: 'auto' | 'on' | 'off'
  readonly watchdog: {
    readonly mode: 'off' | 'automatic' | 'required'
    readonly device: string
    /** null: half the ttl. */
    readonly safetyMarginMs: Ms | null
  }
}

/** What the member's file contributes to the settings; `ttlFloorMs` is what this machine's guard can hold. */
export function localSettings(config: LocalConfig, ttlFloorMs: Ms): LocalSettings {
  return { ttlFloorMs, postgresql: config.postgresql.shared, tags: config.tags }
}
