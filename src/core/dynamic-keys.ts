// The keys of the dynamic configuration (`/config`): what each may be, its default, whether it is used.
import {
  anything,
  boolean,
  bytes,
  decimalSeconds,
  integer,
  isMapping,
  type Kind,
  mapping,
  path,
  programOptions,
  seconds,
  text,
  textList,
} from './setting-kind.ts'

/**
 * `used`: does what its name says. `later`: Patroni has it, it changes nothing here yet.
 * `ignored`: belongs to a part of Patroni that has no counterpart here.
 */
export type Use = 'used' | 'later' | 'ignored'

export interface DynamicKey<T> {
  readonly kind: Kind<T>
  readonly default: T
  readonly use: Use
  readonly about: string
  /** Older names of the same key. */
  readonly aliases?: readonly string[]
}

export type SynchronousMode = 'off' | 'on' | 'quorum'

/** A replication slot that exists for an outside consumer. */
export type PermanentSlot =
  | { readonly type: 'physical' }
  | { readonly type: 'logical'; readonly database: string; readonly plugin: string }

/** A slot is left alone when every given field agrees with it. */
export interface IgnoredSlot {
  readonly name?: string
  readonly type?: string
  readonly database?: string
  readonly plugin?: string
}

const synchronousMode: Kind<SynchronousMode> = {
  expected: 'off, on or quorum',
  read: raw => (String(raw).toLowerCase() === 'quorum' ? 'quorum' : fromBoolean(boolean.read(raw))),
}

const slots: Kind<Readonly<Record<string, PermanentSlot>>> = {
  expected:
    'a mapping of slot names (a-z, 0-9, _) to {type: physical} or {type: logical, database: ..., plugin: ...}',
  shape: 'mapping',
  read: raw => {
    if (!isMapping(raw)) return undefined
    const read = Object.entries(raw).map(([name, slot]) => [name, readSlot(name, slot)] as const)
    const wanted = read.filter((entry): entry is [string, PermanentSlot] => entry[1] !== undefined)
    return wanted.length === read.length ? Object.fromEntries(wanted) : undefined
  },
}

const ignoredSlots: Kind<readonly IgnoredSlot[]> = {
  expected: 'a list of mappings with name, type, database, plugin',
  shape: 'list',
  read: raw => {
    if (!Array.isArray(raw)) return undefined
    return raw.every(item => isMapping(item) && Object.values(item).every(value => typeof value === 'string'))
      ? (raw as readonly IgnoredSlot[])
      : undefined
  },
}

/** A mapping, or null for absent. */
const optionalMapping: Kind<Readonly<Record<string, unknown>> | null> = {
  expected: mapping.expected,
  text: true,
  shape: 'mapping',
  read: raw => (raw === null ? null : mapping.read(raw)),
}

const optionalList: Kind<readonly string[] | null> = {
  expected: 'a list of text, one line of the file each',
  text: true,
  shape: 'list',
  // An empty list would lock everybody out; Patroni takes it for "not given" too.
  read: raw => (raw === null || (Array.isArray(raw) && raw.length === 0) ? null : textList.read(raw)),
}

function key<T>(
  kind: Kind<T>,
  fallback: T,
  use: Use,
  about: string,
  aliases?: readonly string[],
): DynamicKey<T> {
  return { kind, default: fallback, use, about, ...(aliases && { aliases }) }
}

/** Top-level keys. */
export const DYNAMIC_KEYS = {
  ttl: key(seconds({ min: 1, max: 3600 }), 30_000, 'used', 'How long a leadership lasts without renewal'),
  loop_wait: key(
    seconds({ min: 1, max: 3600 }),
    10_000,
    'used',
    'Longest pause between two looks at the cluster',
  ),
  retry_timeout: key(
    seconds({ min: 1, max: 3600 }),
    10_000,
    'used',
    'How long the store or PostgreSQL may take before an operation counts as failed',
  ),
  maximum_lag_on_failover: key(
    bytes({ min: 0 }),
    1_048_576,
    'used',
    'A standby further behind than this does not take over',
  ),
  maximum_lag_on_syncnode: key(
    bytes({ min: -1 }),
    -1,
    'used',
    'A synchronous standby further behind is replaced',
  ),
  max_timelines_history: key(integer({ min: 0 }), 0, 'used', 'Rows kept in the history; 0 keeps all'),
  primary_start_timeout: key(
    seconds({ min: 0 }),
    300_000,
    'used',
    'How long a crashed primary may take to start',
    ['master_start_timeout'],
  ),
  primary_stop_timeout: key(seconds({ min: 0 }), 0, 'later', 'How long a stop may take in synchronous mode', [
    'master_stop_timeout',
  ]),
  primary_race_backoff: key(seconds({ min: 0 }), 0, 'later', 'Waits before a race while WAL still arrives'),
  check_timeline: key(boolean, false, 'ignored', 'Timelines are always compared'),
  synchronous_mode: key(synchronousMode, 'off', 'used', 'Whether commits wait for standbys'),
  synchronous_mode_strict: key(boolean, false, 'used', 'Commits wait even when no standby is there'),
  synchronous_node_count: key(integer({ min: 1 }), 1, 'used', 'How many standbys a commit waits for'),
  failsafe_mode: key(boolean, false, 'used', 'The primary goes on without the store if all members agree'),
  pause: key(boolean, false, 'used', 'Maintenance: nothing is started, stopped or promoted by itself'),
  member_slots_ttl: key(
    seconds({ min: 0 }),
    1_800_000,
    'used',
    'How long the slot of an absent member is kept',
  ),
  slots: key(slots, {}, 'used', 'Permanent replication slots', [
    'permanent_slots',
    'permanent_replication_slots',
  ]),
  ignore_slots: key(ignoredSlots, [], 'used', 'Slots that are left alone'),
  standby_cluster: key(optionalMapping, null, 'later', 'This cluster follows another one'),
  postgresql: key(mapping, {}, 'used', 'See the keys of postgresql below'),
  vigil: key(mapping, {}, 'used', 'See the keys of vigil below; Patroni ignores them'),
} satisfies Readonly<Record<string, DynamicKey<unknown>>>

/** Keys under `vigil`: what Patroni has no word for. */
export const DYNAMIC_VIGIL_KEYS = {
  suspicion: key(
    decimalSeconds({ min: 2.5, max: 3600 }),
    2500,
    'used',
    'Synchronous modes: how long a leader may be silent before a sealed standby replaces it',
  ),
  early_takeover: key(
    boolean,
    true,
    'used',
    'Synchronous modes: replace a silent leader with sealed standbys instead of waiting for the ttl',
  ),
  strict_reads: key(
    boolean,
    false,
    'used',
    'Synchronous modes: a leader that cannot renew stops by the suspicion, so that nobody reads old data for longer',
  ),
} satisfies Readonly<Record<string, DynamicKey<unknown>>>

/** Set by the agent itself. */
const BASEBACKUP_REFUSED = ['pgdata', 'format', 'wal-method', 'xlog-method', 'gzip', 'version', 'compress']

/** Keys under `postgresql` that may be set for all members at once, and locally too. */
export const DYNAMIC_POSTGRESQL_KEYS = {
  use_slots: key(boolean, true, 'used', 'A physical slot for each member (dynamic only)'),
  use_pg_rewind: key(boolean, false, 'used', 'A former primary is rewound rather than cloned'),
  remove_data_directory_on_rewind_failure: key(
    boolean,
    false,
    'used',
    'After a failed rewind, clone. Here the old directory is replaced only by a complete new one',
  ),
  remove_data_directory_on_diverged_timelines: key(
    boolean,
    false,
    'used',
    'Clone when the histories differ and rewind is off. The old directory is replaced by a complete new one',
  ),
  parameters: key(optionalMapping, null, 'used', 'PostgreSQL parameters'),
  pg_hba: key(optionalList, null, 'used', 'Lines of pg_hba.conf; replaces the file'),
  pg_ident: key(optionalList, null, 'used', 'Lines of pg_ident.conf; replaces the file'),
  recovery_conf: key(optionalMapping, null, 'used', 'Recovery parameters, such as restore_command'),
  pg_ctl_timeout: key(seconds({ min: 0 }), 60_000, 'later', 'How long a start or stop may take'),
  parameters_primary: key(optionalMapping, null, 'later', 'Parameters of the primary only'),
  parameters_replica: key(optionalMapping, null, 'later', 'Parameters of standbys only'),
  parameters_standby_leader: key(
    optionalMapping,
    null,
    'later',
    'Parameters of the leader of a standby cluster',
  ),
  create_replica_methods: key(anything, null, 'later', 'How a new standby is made'),
  basebackup: key(
    programOptions(BASEBACKUP_REFUSED),
    [],
    'later',
    'Options of pg_basebackup; set them locally',
  ),
  rewind: key(anything, null, 'later', 'Options of pg_rewind'),
  callbacks: key(anything, null, 'later', 'Commands to run on events'),
  pre_promote: key(path, '', 'later', 'Command to run before a promotion'),
  before_stop: key(path, '', 'later', 'Command to run before a stop'),
  bin_dir: key(path, '', 'later', 'Directory of the PostgreSQL programs; set it locally'),
  bin_name: key(optionalMapping, null, 'later', 'Other names of the PostgreSQL programs'),
  database: key(text, 'postgres', 'later', 'Database of the own connections; set it locally'),
  krbsrvname: key(text, '', 'later', 'Kerberos service name'),
  use_unix_socket: key(boolean, false, 'later', 'Own connections through the socket'),
  use_unix_socket_repl: key(boolean, false, 'later', 'Own replication connections through the socket'),
  config_base_name: key(text, 'postgresql', 'later', 'Name of the configuration file without .conf'),
  custom_conf: key(path, '', 'later', 'File to include instead of postgresql.base.conf'),
} satisfies Readonly<Record<string, DynamicKey<unknown>>>

/** Patroni keeps these out of the dynamic configuration: they differ from member to member. */
export const LOCAL_ONLY_POSTGRESQL_KEYS = [
  'listen',
  'connect_address',
  'proxy_address',
  'config_dir',
  'data_dir',
  'pgpass',
  'authentication',
] as const

function readSlot(name: string, raw: unknown): PermanentSlot | undefined {
  if (!/^[a-z0-9_]{1,63}$/.test(name)) return undefined
  if (raw === null || raw === 0 || (isMapping(raw) && Object.keys(raw).length === 0))
    return { type: 'physical' }
  if (!isMapping(raw)) return undefined
  if (raw['type'] === 'physical') return { type: 'physical' }
  const { database, plugin } = raw
  const logical = raw['type'] === 'logical' || raw['type'] === undefined
  if (!logical || typeof database !== 'string' || typeof plugin !== 'string') return undefined
  return { type: 'logical', database, plugin }
}

function fromBoolean(value: boolean | undefined): SynchronousMode | undefined {
  return value === undefined ? undefined : value ? 'on' : 'off'
}
