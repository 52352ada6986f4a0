// PostgreSQL's parameters for one member: dynamic, then local, minus those that belong to the agent.
import {
  boolean,
  bytes,
  hasControlCharacter,
  integer,
  type Kind,
  oneOf,
  type SettingProblem,
} from './setting-kind.ts'

type Parameters = Readonly<Record<string, string>>

interface Owned {
  readonly kind: Kind<unknown>
  readonly default: string
  /** The local file may set it too. */
  readonly local?: true
}

/** Must be alike on all members, so they come from the dynamic configuration only; Patroni's list and minimums. */
const CLUSTER_PARAMETERS: Readonly<Record<string, Owned>> = {
  wal_level: { kind: oneOf('replica', 'hot_standby', 'logical'), default: 'replica' },
  hot_standby: { kind: oneOf('on', 'true'), default: 'on' },
  max_connections: { kind: integer({ min: 25, max: 262_143 }), default: '100' },
  max_wal_senders: { kind: integer({ min: 3, max: 262_143 }), default: '10' },
  max_prepared_transactions: { kind: integer({ min: 0, max: 262_143 }), default: '0' },
  max_locks_per_transaction: {
    kind: integer({ min: 32, max: 2_147_483_647 }),
    default: '64',
  },
  track_commit_timestamp: { kind: boolean, default: 'off' },
  max_replication_slots: { kind: integer({ min: 4, max: 262_143 }), default: '10' },
  max_worker_processes: { kind: integer({ min: 2, max: 262_143 }), default: '8' },
  wal_log_hints: { kind: boolean, default: 'on', local: true },
  wal_keep_size: { kind: megabytes(16), default: '128MB' },
}

/** Never from the configuration, and who sets them. */
const AGENT_PARAMETERS: Readonly<Record<string, string>> = {
  listen_addresses: 'it follows from postgresql.listen',
  port: 'it follows from postgresql.listen',
  cluster_name: 'it is the scope',
  restart_after_crash: 'it is off: a crashed primary starts as a standby',
  primary_conninfo: 'the agent sets it',
  primary_slot_name: 'the agent sets it',
  promote_trigger_file: 'promotion belongs to the guard',
  recovery_target: 'it would stop a standby',
  recovery_target_action: 'it would stop a standby',
  recovery_target_inclusive: 'it would stop a standby',
  recovery_target_lsn: 'it would stop a standby',
  recovery_target_name: 'it would stop a standby',
  recovery_target_time: 'it would stop a standby',
  recovery_target_timeline: 'it is always latest',
  recovery_target_xid: 'it would stop a standby',
  include: 'put the parameters here',
  include_dir: 'put the parameters here',
  include_if_exists: 'put the parameters here',
  standby_mode: 'PostgreSQL 12 and newer do not have it',
  trigger_file: 'PostgreSQL 12 and newer do not have it',
  data_directory: 'it is postgresql.data_dir',
  config_file: 'the agent sets it',
  wal_keep_segments: 'PostgreSQL 13 and newer have wal_keep_size',
}

export interface ParameterSources {
  readonly dynamic: Readonly<Record<string, unknown>>
  readonly local: Readonly<Record<string, unknown>>
  /** In force before: better than a default where a value cannot be used, since standbys may depend on it. */
  readonly lastGood?: Parameters | undefined
}

/** Names in lower case, as PostgreSQL compares them. What cannot be used is left out or set to its default, and reported. */
export function mergeParameters({ dynamic, local, lastGood = {} }: ParameterSources): {
  readonly parameters: Parameters
  readonly problems: readonly SettingProblem[]
} {
  const problems: SettingProblem[] = []
  const merged = new Map<string, string>()
  for (const [name, owned] of Object.entries(CLUSTER_PARAMETERS)) merged.set(name, owned.default)
  for (const [origin, source] of [
    ['dynamic', dynamic],
    ['local', local],
  ] as const) {
    for (const [spelled, found] of Object.entries(source)) {
      if (found === null || found === undefined) continue
      const name = spelled.toLowerCase()
      const judged = judgeParameter(name, found, origin)
      if ('value' in judged) {
        merged.set(name, judged.value)
        continue
      }
      // Only a bad value falls back on the one before; what must not be set here stays unset.
      const before = judged.misplaced || !Object.hasOwn(lastGood, name) ? undefined : lastGood[name]
      if (before !== undefined) merged.set(name, before)
      const used = judged.misplaced ? 'its own value' : (merged.get(name) ?? 'nothing')
      problems.push({ key: `postgresql.parameters.${spelled}`, found, used, ...judged })
    }
  }
  return { parameters: Object.fromEntries(merged), problems }
}

type Judgement = { readonly value: string } | { readonly expected: string; readonly misplaced?: true }

function judgeParameter(name: string, found: unknown, origin: 'dynamic' | 'local'): Judgement {
  if (!/^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$/.test(name))
    return { expected: 'the name of a PostgreSQL parameter' }
  if (Object.hasOwn(AGENT_PARAMETERS, name))
    return { expected: `no value here, ${AGENT_PARAMETERS[name]}`, misplaced: true }
  const value = parameterText(found)
  if (value === undefined) return { expected: 'text, a number or true/false, on one line' }
  const owned = Object.hasOwn(CLUSTER_PARAMETERS, name) ? CLUSTER_PARAMETERS[name]! : null
  if (owned === null) return { value }
  if (origin === 'local' && !owned.local)
    return { expected: 'this in the dynamic configuration, alike for all members', misplaced: true }
  if (owned.kind.read(value) === undefined) return { expected: owned.kind.expected }
  return { value: name === 'wal_level' && value.toLowerCase() === 'hot_standby' ? 'replica' : value }
}

function parameterText(found: unknown): string | undefined {
  if (typeof found === 'boolean') return found ? 'on' : 'off'
  if (typeof found === 'number' && Number.isFinite(found)) return String(found)
  return typeof found === 'string' && !hasControlCharacter(found) ? found : undefined
}

/** A size whose plain number means megabytes. */
function megabytes(min: number): Kind<number> {
  const kind = bytes({ min: min * 1024 ** 2 })
  return {
    expected: `a size of at least ${min}MB`,
    read: raw => kind.read(/^\s*\d+\s*$/.test(String(raw)) ? `${String(raw).trim()}MB` : raw),
  }
}
