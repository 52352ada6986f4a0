// From what was written to a complete configuration: defaults, and what only several keys together can show.
import { dirname, join } from 'node:path'
import { patchDynamicConfig } from '../core/dynamic-config.ts'
import { DYNAMIC_POSTGRESQL_KEYS, type DynamicKey } from '../core/dynamic-keys.ts'
import { isMapping } from '../core/setting-kind.ts'
import type { Address, ListenAddress } from './address.ts'
import { formatAddress, isWildcard } from './address.ts'
import { crossCheck } from './cross-check.ts'
import type { Finding } from './finding.ts'
import { type Judge, judgeOf } from './judge.ts'
import { leafValue } from './leaf.ts'
import type {
  BootstrapConfig,
  Credentials,
  CtlConfig,
  FencingConfig,
  LocalConfig,
  LogConfig,
  PostgresqlConfig,
  RestConfig,
  RoleCredentials,
  StoreConfig,
} from './local-config.ts'
import type { WrittenConfig } from './schema.ts'
import { type MappingNode, plain } from './tree.ts'

export interface ResolvedConfig {
  /** null: something indispensable is missing or wrong, and a finding says what. */
  readonly config: LocalConfig | null
  readonly findings: readonly Finding[]
}

/** `broken`: paths that have an error already; what depends on them is not judged again. */
export function resolveConfig(
  written: WrittenConfig,
  root: MappingNode,
  broken: readonly string[],
): ResolvedConfig {
  const judge = judgeOf(root, broken)
  const scope = judge.required(written.scope, ['scope'], 'the name of the cluster', 'Add scope: NAME.')
  const name = judge.required(written.name, ['name'], 'the name of this member', 'Add name: NAME.')
  const restapi = resolveRest(written, judge)
  const store = resolveStore(written, judge)
  const identity = scope !== null && name !== null ? { scope, name } : null
  const postgresql = resolvePostgresql(written, root, identity, judge)
  crossCheck(written, root, judge)
  const config =
    identity !== null && restapi !== null && store !== null && postgresql !== null
      ? complete({ ...identity, restapi, store, ...postgresql }, written, root)
      : null
  return { config: judge.failed() ? null : config, findings: judge.findings }
}

type Parts = Pick<LocalConfig, 'scope' | 'name' | 'restapi' | 'store' | 'postgresql' | 'stateDir'>

function complete(parts: Parts, written: WrittenConfig, root: MappingNode): LocalConfig {
  const namespace = written.namespace ?? '/service'
  const tags = root.entries.get('tags')?.node
  return {
    ...parts,
    namespace,
    ctl: resolveCtl(written),
    bootstrap: resolveBootstrap(written),
    tags: tags?.kind === 'mapping' ? (plain(tags) as Readonly<Record<string, unknown>>) : {},
    log: resolveLog(written),
    fencing: resolveFencing(written),
    evidence: resolveEvidence(written),
  }
}

function resolveRest({ restapi }: WrittenConfig, judge: Judge): RestConfig | null {
  if (!judge.section(restapi, ['restapi'], 'listen: HOST:8008')) return null
  const listen = judge.required(restapi.listen, ['restapi', 'listen'], 'HOST:PORT', 'Add listen: HOST:8008.')
  const connectAddress = reachable('restapi', listen, restapi.connect_address, judge)
  if (listen === null || connectAddress === null) return null
  const keyFile = restapi.keyfile ?? restapi.certfile ?? null
  return {
    listen,
    connectAddress,
    scheme: restapi.certfile === undefined ? 'http' : 'https',
    authentication: bothOrNone(restapi.authentication, ['restapi', 'authentication'], judge),
    tls: {
      caFile: restapi.cafile ?? null,
      certificateFile: restapi.certfile ?? null,
      keyFile,
      keyPassword: restapi.keyfile_password ?? null,
    },
    verifyClient: restapi.verify_client ?? 'none',
    allowlist: restapi.allowlist ?? null,
  }
}

/** Where others find a server: as written, or where it listens if that is one real address. */
function reachable(
  section: 'restapi' | 'postgresql',
  listen: ListenAddress | null,
  written: Address | undefined,
  judge: Judge,
): Address | null {
  const path = [section, 'connect_address']
  const only = listen?.hosts.length === 1 && !isWildcard(listen.hosts[0]!) ? listen.hosts[0]! : null
  if (written === undefined && only !== null && listen !== null) return { host: only, port: listen.port }
  if (written === undefined && listen === null) return null
  const missing = 'the address at which other members reach it'
  const address = judge.required(written ?? null, path, missing, 'Add connect_address: HOST:PORT.')
  if (address !== null && isWildcard(address.host)) {
    const found = JSON.stringify(formatAddress(address))
    judge.report('error', 'bad-value', path, {
      found,
      expected: missing,
      hint: 'Write an address of this machine.',
    })
    return null
  }
  return address
}

function resolveStore(written: WrittenConfig, judge: Judge): StoreConfig | null {
  const section = written.etcd3 === undefined && written.etcd !== undefined ? 'etcd' : 'etcd3'
  const etcd = written[section]
  if (etcd === undefined) {
    judge.missingStore()
    return null
  }
  const listed = etcd.hosts ?? [etcd.host ?? etcd.url].filter(item => item !== undefined)
  const endpoints = listed.map(item => endpointUrl(item, etcd.protocol ?? 'http'))
  if (endpoints.length === 0) {
    const hint = 'Add hosts: HOST:2379,HOST:2379,HOST:2379.'
    judge.required(null, [section, 'hosts'], 'at least one endpoint of etcd', hint)
    return null
  }
  return {
    endpoints,
    credentials: bothOrNone(etcd, [section], judge),
    tls: {
      caFile: etcd.cacert ?? null,
      certificateFile: etcd.cert ?? null,
      keyFile: etcd.key ?? etcd.cert ?? null,
      keyPassword: null,
    },
  }
}

function endpointUrl(item: string, protocol: string): string {
  const url = new URL(/^https?:\/\//.test(item) ? item : `${protocol}://${item}`)
  const port =
    url.port === '' && !/:(80|443)(\/|$)/.test(item)
      ? '2379'
      : url.port || (item.includes(':443') ? '443' : '80')
  return `${url.protocol}//${url.hostname}:${port}`
}

function bothOrNone(
  given: { readonly username?: string | undefined; readonly password?: string | undefined } | undefined,
  path: readonly string[],
  judge: Judge,
): Credentials | null {
  const { username, password } = given ?? {}
  if (username !== undefined && password !== undefined) return { username, password }
  const absent = username === undefined ? 'username' : 'password'
  if (username !== undefined || password !== undefined)
    judge.required(null, [...path, absent], `${absent} too`, 'Give both, or neither.')
  return null
}

function resolvePostgresql(
  { postgresql, vigil }: WrittenConfig,
  root: MappingNode,
  identity: { readonly scope: string; readonly name: string } | null,
  judge: Judge,
): { readonly postgresql: PostgresqlConfig; readonly stateDir: string } | null {
  if (!judge.section(postgresql, ['postgresql'], 'listen, connect_address and data_dir')) return null
  const listen = judge.required(
    postgresql.listen,
    ['postgresql', 'listen'],
    'HOST:PORT',
    'Add listen: HOST:5432.',
  )
  const path = ['postgresql', 'data_dir']
  const dataDir = judge.required(postgresql.data_dir, path, 'the data directory', 'Add data_dir: /PATH.')
  const connectAddress = reachable('postgresql', listen, postgresql.connect_address, judge)
  if (listen === null || dataDir === null || connectAddress === null || identity === null) return null
  const stateDir = vigil?.state_dir ?? join(dirname(dataDir), `vigil-${identity.scope}-${identity.name}`)
  const accounts = postgresql.authentication
  const names = Object.entries(postgresql.bin_name ?? {}).filter(([, file]) => file !== undefined)
  return {
    stateDir,
    postgresql: {
      listen,
      connectAddress,
      dataDir,
      binDir: postgresql.bin_dir ?? null,
      binNames: Object.fromEntries(names) as Readonly<Record<string, string>>,
      configDir: postgresql.config_dir ?? null,
      configBaseName: postgresql.config_base_name ?? 'postgresql',
      customConf: postgresql.custom_conf ?? null,
      passFile: postgresql.pgpass ?? null,
      database: postgresql.database ?? 'postgres',
      superuser: resolveRole(accounts?.superuser, 'postgres'),
      replication: resolveRole(accounts?.replication, 'replicator'),
      rewind: accounts?.rewind === undefined ? null : resolveRole(accounts.rewind, 'rewind_user'),
      basebackup: postgresql.basebackup ?? [],
      shared: sharedValues(root),
    },
  }
}

type WrittenRole = NonNullable<NonNullable<WrittenConfig['postgresql']>['authentication']>['superuser']

function resolveRole(written: WrittenRole, usualName: string): RoleCredentials {
  const { username, password, ...libpq } = written ?? {}
  const given = Object.entries(libpq).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    username: username ?? usualName,
    password: password ?? null,
    connection: Object.fromEntries(given),
  }
}

function sharedValues(root: MappingNode): Readonly<Record<string, unknown>> {
  const section = root.entries.get('postgresql')?.node
  if (section?.kind !== 'mapping') return {}
  const shared = [...section.entries].filter(([key]) => Object.hasOwn(DYNAMIC_POSTGRESQL_KEYS, key))
  const keys: Readonly<Record<string, DynamicKey<unknown>>> = DYNAMIC_POSTGRESQL_KEYS
  return Object.fromEntries(shared.map(([key, { node }]) => [key, leafValue(keys[key]!.kind, node)]))
}

function resolveBootstrap({ bootstrap, postgresql }: WrittenConfig): BootstrapConfig {
  const dcs = bootstrap?.dcs ?? {}
  return {
    dcs: postgresql?.pg_hba ? dcs : withHba(dcs, bootstrap?.pg_hba ?? []),
    method: bootstrap?.method ?? 'initdb',
    initdb: bootstrap?.initdb ?? [],
    postBootstrap: bootstrap?.post_bootstrap ?? bootstrap?.post_init ?? null,
  }
}

/** In Patroni these lines reach the other members with the copy of the data; here all members are told. */
function withHba(dcs: BootstrapConfig['dcs'], hba: readonly string[]): BootstrapConfig['dcs'] {
  const shared = dcs['postgresql']
  if (hba.length === 0 || (isMapping(shared) && shared['pg_hba'])) return dcs
  return patchDynamicConfig(dcs, { postgresql: { pg_hba: hba } })
}

function resolveCtl({ ctl, restapi }: WrittenConfig): CtlConfig {
  const { username, password } = ctl?.authentication ?? restapi?.authentication ?? {}
  return {
    authentication: username !== undefined && password !== undefined ? { username, password } : null,
    insecure: ctl?.insecure ?? false,
    tls: {
      caFile: ctl?.cacert ?? null,
      certificateFile: ctl?.certfile ?? null,
      keyFile: ctl?.keyfile ?? ctl?.certfile ?? null,
      keyPassword: ctl?.keyfile_password ?? null,
    },
  }
}

function resolveEvidence({ vigil }: WrittenConfig): LocalConfig['evidence'] {
  if (vigil?.evidence === false) return null
  return { directory: vigil?.evidence_dir ?? null, limitBytes: vigil?.evidence_limit ?? EVIDENCE_LIMIT_BYTES }
}

const EVIDENCE_LIMIT_BYTES = 1024 ** 3

function resolveFencing({ vigil, watchdog }: WrittenConfig): FencingConfig {
  const mode = watchdog?.mode ?? 'automatic'
  const margin = watchdog?.safety_margin ?? 5
  return {
    nftables: vigil?.fencing?.nftables ?? 'auto',
    watchdog: {
      mode: mode === 'false' ? 'off' : mode,
      device: watchdog?.device ?? '/dev/watchdog',
      safetyMarginMs: margin < 0 ? null : margin * 1000,
    },
  }
}

const LEVELS = {
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  WARNING: 'warn',
  ERROR: 'error',
  FATAL: 'fatal',
  CRITICAL: 'fatal',
} as const

function resolveLog({ log }: WrittenConfig): LogConfig {
  return { type: log?.type ?? 'plain', level: LEVELS[log?.level ?? 'INFO'], dir: log?.dir ?? null }
}
