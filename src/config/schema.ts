// Every key of the local file. Reading, messages, variables of the environment and the reference all come from here.
import { object, type output } from 'zod'
import { DYNAMIC_POSTGRESQL_KEYS } from '../core/dynamic-keys.ts'
import {
  anything,
  boolean,
  bytes,
  decimal,
  integer,
  mapping,
  nonEmptyText,
  oneOf,
  path,
  text,
  textList,
} from '../core/setting-kind.ts'
import { address, listenAddress } from './address.ts'
import {
  absolutePath,
  host,
  hostList,
  initdbOptions,
  memberName,
  namespace,
  scopeName,
  textMapping,
  url,
} from './kinds.ts'
import { ignored, later, shared, used } from './leaf.ts'

const credentials = {
  username: used(nonEmptyText, 'User name'),
  password: used(text, 'Password'),
}

const clientTls = {
  cacert: used(path, 'File with the certificates to trust'),
  cert: used(path, 'File with the own certificate'),
  key: used(path, 'File with the own key'),
}

const etcd = object({
  host: used(host, 'One endpoint'),
  hosts: used(hostList, 'Endpoints'),
  url: used(url, 'One endpoint as a URL'),
  protocol: used(oneOf('http', 'https'), 'For endpoints without one', 'http'),
  ...credentials,
  ...clientTls,
  proxy: later(url, 'Proxy in front of etcd'),
  srv: later(text, 'DNS name with SRV records of etcd'),
  srv_suffix: later(text, 'Suffix of the SRV service name'),
  use_proxies: later(boolean, 'Endpoints are proxies; their list of members is not followed'),
}).partial()

const restapi = object({
  listen: used(listenAddress(8008), 'Where the REST interface listens'),
  connect_address: used(
    address(8008),
    'Where others reach the REST interface',
    'listen, if that is one address',
  ),
  authentication: object(credentials).partial(),
  certfile: used(path, 'Certificate; HTTPS if given'),
  keyfile: used(path, 'Key of the certificate'),
  keyfile_password: used(text, 'Password of the key'),
  cafile: used(path, 'Certificates to trust in clients'),
  verify_client: used(
    oneOf('none', 'optional', 'required'),
    'Whether clients must show a certificate',
    'none',
  ),
  allowlist: used(textList, 'Who may change something: addresses, networks, names'),
  allowlist_include_members: later(boolean, 'Members may change something too'),
  ciphers: later(text, 'Ciphers of HTTPS'),
  http_extra_headers: later(textMapping, 'More headers'),
  https_extra_headers: later(textMapping, 'More headers with HTTPS'),
  request_queue_size: ignored(integer({ min: 0, max: 4096 }), 'Connections that may wait'),
  thread_pool_size: ignored(integer({ min: 5 }), 'There are no threads here'),
  server_tokens: later(oneOf('original', 'minimal', 'productonly'), 'What the Server header says'),
}).partial()

const ctl = object({
  authentication: object(credentials).partial(),
  insecure: used(boolean, 'Certificates of the REST interface are not checked', 'false'),
  cacert: used(path, 'Certificates to trust'),
  certfile: used(path, 'Own certificate'),
  keyfile: used(path, 'Key of the own certificate'),
  keyfile_password: used(text, 'Password of the key'),
}).partial()

const log = object({
  type: used(oneOf('plain', 'json'), 'Form of a line', 'plain'),
  level: used(oneOf('DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL'), 'Least level', 'INFO'),
  dir: used(path, 'Directory for vigild.log', 'standard output'),
  mode: later(integer({ min: 0, max: 511 }), 'Rights of log files'),
  file_num: later(integer({ min: 0 }), 'Log files kept'),
  file_size: later(bytes({ min: 1 }), 'Size of a log file'),
  static_fields: later(mapping, 'Fields of each JSON line'),
  traceback_level: later(oneOf('DEBUG', 'ERROR'), 'Level of stack traces'),
  format: ignored(anything, 'Format in the manner of Python'),
  dateformat: ignored(text, 'Format of dates in the manner of Python'),
  max_queue_size: ignored(integer({ min: 0 }), 'Lines that may wait; they are written at once here'),
  loggers: ignored(mapping, 'Levels by module of Patroni'),
  deduplicate_heartbeat_logs: ignored(boolean, 'An unchanged state is not repeated here anyway'),
}).partial()

const LIBPQ = 'As in libpq'

/** Parameters of libpq that belong to the credentials of a role. */
export const CONNECTION_KEYS = {
  sslmode: used(oneOf('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'), LIBPQ),
  sslcert: used(path, LIBPQ),
  sslkey: used(path, LIBPQ),
  sslpassword: used(text, LIBPQ),
  sslrootcert: used(path, LIBPQ),
  sslcrl: used(path, LIBPQ),
  sslcrldir: used(path, LIBPQ),
  gssencmode: used(oneOf('disable', 'prefer', 'require'), LIBPQ),
  channel_binding: used(oneOf('disable', 'prefer', 'require'), LIBPQ),
  sslnegotiation: used(oneOf('postgres', 'direct'), LIBPQ),
}

const role = object({ ...credentials, ...CONNECTION_KEYS }).partial()

const program = used(nonEmptyText, 'Other name of the program')

const postgresql = object({
  listen: used(listenAddress(5432), 'Where PostgreSQL listens'),
  connect_address: used(address(5432), 'Where others reach PostgreSQL', 'listen, if that is one address'),
  proxy_address: later(address(5432), 'Address of a pooler beside PostgreSQL'),
  data_dir: used(absolutePath, 'Data directory'),
  config_dir: used(absolutePath, 'Directory of the configuration files', 'data_dir'),
  pgpass: used(absolutePath, 'File for passwords', 'in the state directory'),
  authentication: object({ superuser: role, replication: role, rewind: role }).partial(),
  ...sharedKeys(),
  bin_dir: used(path, 'Directory of the PostgreSQL programs', 'found by itself'),
  bin_name: object({
    pg_ctl: ignored(text, 'Not needed here'),
    initdb: program,
    pg_controldata: program,
    pg_basebackup: program,
    postgres: program,
    pg_isready: ignored(text, 'Not needed here'),
    pg_rewind: program,
  }).partial(),
  database: used(nonEmptyText, 'Database of the own connections', 'postgres'),
}).partial()

function sharedKeys() {
  return {
    parameters: shared('parameters'),
    pg_hba: shared('pg_hba'),
    pg_ident: shared('pg_ident'),
    recovery_conf: shared('recovery_conf'),
    use_slots: ignored(boolean, 'Only in the dynamic configuration'),
    use_pg_rewind: shared('use_pg_rewind'),
    remove_data_directory_on_rewind_failure: shared('remove_data_directory_on_rewind_failure'),
    remove_data_directory_on_diverged_timelines: shared('remove_data_directory_on_diverged_timelines'),
    parameters_primary: shared('parameters_primary'),
    parameters_replica: shared('parameters_replica'),
    parameters_standby_leader: shared('parameters_standby_leader'),
    create_replica_methods: shared('create_replica_methods'),
    create_replica_method: later(anything, 'Older name of create_replica_methods'),
    basebackup: used(DYNAMIC_POSTGRESQL_KEYS.basebackup.kind, 'Options of pg_basebackup'),
    rewind: shared('rewind'),
    callbacks: shared('callbacks'),
    pre_promote: shared('pre_promote'),
    before_stop: shared('before_stop'),
    pg_ctl_timeout: shared('pg_ctl_timeout'),
    krbsrvname: shared('krbsrvname'),
    use_unix_socket: shared('use_unix_socket'),
    use_unix_socket_repl: shared('use_unix_socket_repl'),
    config_base_name: used(nonEmptyText, 'Name of the configuration file without .conf', 'postgresql'),
    custom_conf: used(path, 'File to include instead of postgresql.base.conf'),
  }
}

const bootstrap = object({
  dcs: used(mapping, 'Dynamic configuration of a new cluster'),
  method: used(nonEmptyText, 'How a new cluster is made; only initdb yet', 'initdb'),
  initdb: used(initdbOptions, 'Options of initdb'),
  post_bootstrap: used(nonEmptyText, 'Command to run in a new cluster'),
  post_init: used(nonEmptyText, 'Older name of post_bootstrap'),
  pg_hba: used(textList, 'Becomes postgresql.pg_hba of the dynamic configuration, if that is given nowhere'),
  users: ignored(mapping, 'Patroni 4 does not create them either; use post_bootstrap'),
}).partial()

const watchdog = object({
  mode: used(
    oneOf('off', 'automatic', 'required', 'false'),
    'Whether a watchdog device guards the leader; required: without it this member never leads',
    'automatic',
  ),
  device: used(
    absolutePath,
    'Watchdog device, writable by the user that PostgreSQL runs as',
    '/dev/watchdog',
  ),
  safety_margin: used(
    integer({ min: -1 }),
    'Seconds between the reset and the end of the ttl; -1: half the ttl',
    '5',
  ),
  driver: ignored(text, 'The kernel has one way to talk to all of them'),
}).partial()

const tags = object({
  nofailover: used(boolean, 'Never becomes leader', 'false'),
  failover_priority: used(integer(), 'Among equally complete candidates the highest wins; 0: never', '1'),
  noloadbalance: used(boolean, 'No reads for this member', 'false'),
  clonefrom: used(boolean, 'Preferred as a source of clones', 'false'),
  replicatefrom: used(nonEmptyText, 'Member to stream from'),
  nosync: used(boolean, 'Never a synchronous standby'),
  sync_priority: used(integer(), 'Preference among synchronous standbys'),
  nostream: later(boolean, 'Follows the archive only'),
}).partial()

const vigil = object({
  state_dir: used(
    absolutePath,
    'Where this member remembers promises and terms',
    'vigil-SCOPE-NAME beside data_dir',
  ),
  evidence: used(
    boolean,
    'Before a rewind or a clone: keep the WAL, a list of the transactions and the rows that only the old copy has',
    'true',
  ),
  evidence_dir: used(absolutePath, 'Where they are kept', 'evidence in state_dir'),
  evidence_limit: used(
    bytes({ min: 1024 ** 2 }),
    'How much of it is kept: the oldest goes first, and of one copy the oldest WAL',
    '1GB',
  ),
  guard: later(mapping, 'Reserved: settings of the guard'),
  fencing: object({
    nftables: used(
      oneOf('auto', 'on', 'off'),
      'Whether the kernel shuts the database port when nobody renews the deadline; on: without it this member never leads',
      'auto',
    ),
  }).partial(),
}).partial()

/** Stores and parts that vigil does not speak yet: accepted whole. */
const otherParts = {
  consul: later(mapping, 'Consul as the store'),
  zookeeper: later(mapping, 'ZooKeeper as the store'),
  exhibitor: later(mapping, 'ZooKeeper behind Exhibitor'),
  kubernetes: later(mapping, 'Kubernetes as the store'),
  raft: later(mapping, "Patroni's own consensus, removed from Patroni"),
  citus: later(mapping, 'Citus'),
}

export const configSchema = object({
  scope: used(scopeName, 'Name of the cluster'),
  name: used(memberName, 'Name of this member'),
  namespace: used(namespace, 'Where in the store', '/service'),
  thread_pool_size: ignored(decimal(), 'There are no threads here'),
  thread_stack_size: ignored(bytes(), 'There are no threads here'),
  restapi,
  etcd3: etcd,
  etcd,
  bootstrap,
  postgresql,
  tags,
  log,
  ctl,
  watchdog,
  vigil,
  ...otherParts,
}).partial()

/** The file as it was written, each value read. */
export type WrittenConfig = output<typeof configSchema>

/** Sections where any further key is the operator's own. */
export const OPEN_SECTIONS: readonly string[] = ['tags']
