// What decisions and the engine work with: the dynamic and the local configuration, merged, checked, in one shape.
import type { Ms } from '../kernel/time.ts'
import {
  DYNAMIC_KEYS,
  DYNAMIC_POSTGRESQL_KEYS,
  DYNAMIC_VIGIL_KEYS,
  type DynamicKey,
  type IgnoredSlot,
  type PermanentSlot,
  type SynchronousMode,
} from './dynamic-keys.ts'
import { mergeParameters } from './server-parameters.ts'
import { isMapping, type SettingProblem } from './setting-kind.ts'
import { readTags, type Tags } from './tags.ts'
import { adjustTimeouts, TTL_FLOOR_MS } from './timeouts.ts'

export type { IgnoredSlot, PermanentSlot, SynchronousMode } from './dynamic-keys.ts'
export type { SettingProblem } from './setting-kind.ts'
export type { Tags } from './tags.ts'

type Raw = Readonly<Record<string, unknown>>

const NOTHING: Raw = {}

/** A renewal of the leadership each second (protocol A4). */
export const RENEWAL_MS: Ms = 1000

export interface Settings {
  /** What the holder writes into the record next; in force is the ttl in the record (protocol A10). */
  readonly ttlMs: Ms
  readonly loopWaitMs: Ms
  readonly retryTimeoutMs: Ms
  readonly renewalMs: Ms
  /** Bytes. */
  readonly maximumLagOnFailover: number
  /** Bytes; -1: no limit. */
  readonly maximumLagOnSyncnode: number
  readonly primaryStartTimeoutMs: Ms
  /** 0: no limit. */
  readonly primaryStopTimeoutMs: Ms
  readonly synchronousMode: SynchronousMode
  readonly synchronousModeStrict: boolean
  readonly synchronousNodeCount: number
  readonly failsafeMode: boolean
  /** Silence of the record before an early takeover (protocol A4). */
  readonly suspicionMs: Ms
  readonly earlyTakeover: boolean
  readonly strictReads: boolean
  readonly pause: boolean
  /** Rows; 0: all. */
  readonly maxTimelinesHistory: number
  readonly memberSlotsTtlMs: Ms
  readonly useSlots: boolean
  readonly useRewind: boolean
  readonly removeDataDirectoryOnRewindFailure: boolean
  readonly removeDataDirectoryOnDivergedTimelines: boolean
  readonly slots: Readonly<Record<string, PermanentSlot>>
  readonly ignoreSlots: readonly IgnoredSlot[]
  /** Not null: the cluster is meant to follow another one. Not supported yet, so nobody may be promoted in it. */
  readonly standbyCluster: Readonly<Record<string, unknown>> | null
  /** Without those that belong to the agent; names in lower case. */
  readonly parameters: Readonly<Record<string, string>>
  /** null: the file in the data directory is left as it is. */
  readonly hba: readonly string[] | null
  readonly ident: readonly string[] | null
  readonly tags: Tags
}

/** What the member's own file contributes. Its values are raw: a file that passed validation may still be edited. */
export interface LocalSettings {
  /** Lowest ttl that this machine's guard can hold (protocol A10). */
  readonly ttlFloorMs: Ms
  /** The keys of the local `postgresql` section that may also be dynamic. */
  readonly postgresql: Readonly<Record<string, unknown>>
  readonly tags: Readonly<Record<string, unknown>>
}

export const NO_LOCAL_SETTINGS: LocalSettings = { ttlFloorMs: TTL_FLOOR_MS, postgresql: {}, tags: {} }

export interface EffectiveSettings {
  readonly settings: Settings
  readonly problems: readonly SettingProblem[]
}

/** A value that cannot be used is reported; the last good one is kept, or else the default. */
export function effectiveSettings(
  dynamic: unknown,
  local: LocalSettings,
  lastGood?: Settings,
): EffectiveSettings {
  const problems: SettingProblem[] = []
  const report = (problem: SettingProblem) => problems.push(problem)
  const top = mappingOr(NOTHING, dynamic, 'the dynamic configuration', report)
  const shared = mappingOr(NOTHING, top['postgresql'], 'postgresql', report)
  const reader = { report, lastGood }
  const settings = {
    ...readTimeouts(top, local.ttlFloorMs, reader),
    ...readClusterSettings(top, reader),
    ...readVigilSettings(mappingOr(NOTHING, top['vigil'], 'vigil', report), reader),
    ...readPostgresqlSettings(shared, local.postgresql, reader),
    ...readTagSettings(local.tags, report),
    renewalMs: RENEWAL_MS,
  }
  return { settings, problems }
}

/** Settings of a cluster that nobody has configured, as Patroni's defaults have them. */
export const DEFAULT_SETTINGS: Settings = effectiveSettings({}, NO_LOCAL_SETTINGS).settings

interface Reader {
  readonly report: (problem: SettingProblem) => void
  readonly lastGood: Settings | undefined
}

type ClusterKey = keyof typeof DYNAMIC_KEYS
type PostgresqlKey = keyof typeof DYNAMIC_POSTGRESQL_KEYS

function readTimeouts(top: Raw, ttlFloorMs: Ms, { report, lastGood }: Reader) {
  const value = clusterReader(top, report)
  const asked = {
    ttlMs: value('ttl', lastGood?.ttlMs),
    loopWaitMs: value('loop_wait', lastGood?.loopWaitMs),
    retryTimeoutMs: value('retry_timeout', lastGood?.retryTimeoutMs),
  }
  const { timeouts, adjustments } = adjustTimeouts(asked, ttlFloorMs)
  for (const { key, from, to, why } of adjustments)
    report({ key, found: `${from / 1000} s`, expected: why, used: `${to / 1000} s`, adjusted: true })
  return timeouts
}

function readClusterSettings(top: Raw, { report, lastGood }: Reader) {
  const value = clusterReader(top, report)
  return {
    maximumLagOnFailover: value('maximum_lag_on_failover', lastGood?.maximumLagOnFailover),
    maximumLagOnSyncnode: value('maximum_lag_on_syncnode', lastGood?.maximumLagOnSyncnode),
    primaryStartTimeoutMs: value('primary_start_timeout', lastGood?.primaryStartTimeoutMs),
    primaryStopTimeoutMs: value('primary_stop_timeout', lastGood?.primaryStopTimeoutMs),
    synchronousMode: value('synchronous_mode', lastGood?.synchronousMode),
    synchronousModeStrict: value('synchronous_mode_strict', lastGood?.synchronousModeStrict),
    synchronousNodeCount: value('synchronous_node_count', lastGood?.synchronousNodeCount),
    failsafeMode: value('failsafe_mode', lastGood?.failsafeMode),
    pause: value('pause', lastGood?.pause),
    maxTimelinesHistory: value('max_timelines_history', lastGood?.maxTimelinesHistory),
    memberSlotsTtlMs: value('member_slots_ttl', lastGood?.memberSlotsTtlMs),
    slots: value('slots', lastGood?.slots),
    ignoreSlots: value('ignore_slots', lastGood?.ignoreSlots),
    standbyCluster: readStandbyCluster(top),
  }
}

function readVigilSettings(own: Raw, { report, lastGood }: Reader) {
  const value = <K extends keyof typeof DYNAMIC_VIGIL_KEYS, V>(name: K, last: V | undefined): V => {
    const found = isGiven(own[name]) ? { name: `vigil.${name}`, value: own[name] } : null
    return readValue(DYNAMIC_VIGIL_KEYS[name], found, last, report) as V
  }
  return {
    suspicionMs: value('suspicion', lastGood?.suspicionMs) as Ms,
    earlyTakeover: value('early_takeover', lastGood?.earlyTakeover) as boolean,
    strictReads: value('strict_reads', lastGood?.strictReads) as boolean,
  }
}

/** Whatever stands there other than nothing forbids promotions, so a wrong type counts too. */
function readStandbyCluster(top: Raw): Raw | null {
  const found = top['standby_cluster']
  if (found === undefined || found === null) return null
  return isMapping(found) ? found : {}
}

function readPostgresqlSettings(shared: Raw, local: Raw, { report, lastGood }: Reader) {
  const value = postgresqlReader(shared, local, report)
  return {
    // Dynamic only, as in Patroni: members that disagree about slots would lose WAL.
    useSlots: postgresqlReader(shared, {}, report)('use_slots', lastGood?.useSlots),
    useRewind: value('use_pg_rewind', lastGood?.useRewind),
    removeDataDirectoryOnRewindFailure: value(
      'remove_data_directory_on_rewind_failure',
      lastGood?.removeDataDirectoryOnRewindFailure,
    ),
    removeDataDirectoryOnDivergedTimelines: value(
      'remove_data_directory_on_diverged_timelines',
      lastGood?.removeDataDirectoryOnDivergedTimelines,
    ),
    hba: value('pg_hba', lastGood?.hba),
    ident: value('pg_ident', lastGood?.ident),
    parameters: readParameters(shared, local, { report, lastGood }),
  }
}

/** `recovery_conf` is an older place for what are ordinary parameters today. */
function readParameters(
  shared: Raw,
  local: Raw,
  { report, lastGood }: Reader,
): Readonly<Record<string, string>> {
  const section = (source: Raw, name: PostgresqlKey): Raw | null =>
    source[name] === undefined || source[name] === null
      ? {}
      : mappingOr(null, source[name], `postgresql.${name}`, report)
  const sections = [shared, local].map(source => ({
    parameters: section(source, 'parameters'),
    recovery: section(source, 'recovery_conf'),
  }))
  const damaged = sections.some(({ parameters, recovery }) => parameters === null || recovery === null)
  if (damaged && lastGood) return lastGood.parameters
  const [dynamic, own] = sections.map(({ parameters, recovery }) => ({ ...recovery, ...parameters }))
  const { parameters, problems } = mergeParameters({
    dynamic: dynamic!,
    local: own!,
    lastGood: lastGood?.parameters,
  })
  problems.forEach(report)
  return parameters
}

function readTagSettings(raw: Raw, report: Reader['report']): { readonly tags: Tags } {
  const { tags, problems } = readTags(raw)
  problems.forEach(report)
  return { tags }
}

type ClusterValue<K extends ClusterKey> = (typeof DYNAMIC_KEYS)[K]['default']

function clusterReader(top: Raw, report: Reader['report']) {
  return <K extends ClusterKey>(name: K, last: ClusterValue<K> | undefined): ClusterValue<K> => {
    const key: DynamicKey<unknown> = DYNAMIC_KEYS[name]
    const spelled = [name, ...(key.aliases ?? [])].find(alias => isGiven(top[alias]))
    const found = spelled === undefined ? null : { name: spelled, value: top[spelled] }
    return readValue(key, found, last, report) as ClusterValue<K>
  }
}

type PostgresqlValue<K extends PostgresqlKey> = (typeof DYNAMIC_POSTGRESQL_KEYS)[K]['default']

/** Local before dynamic. */
function postgresqlReader(shared: Raw, local: Raw, report: Reader['report']) {
  return <K extends PostgresqlKey>(name: K, last: PostgresqlValue<K> | undefined): PostgresqlValue<K> => {
    const value = isGiven(local[name]) ? local[name] : shared[name]
    const found = isGiven(value) ? { name: `postgresql.${name}`, value } : null
    return readValue(DYNAMIC_POSTGRESQL_KEYS[name], found, last, report) as PostgresqlValue<K>
  }
}

function readValue(
  key: DynamicKey<unknown>,
  found: { readonly name: string; readonly value: unknown } | null,
  last: unknown,
  report: Reader['report'],
): unknown {
  if (found === null) return key.default
  const value = key.kind.read(found.value)
  if (value !== undefined) return value
  const used = last === undefined ? 'the default' : 'the value before'
  report({ key: found.name, found: found.value, expected: key.kind.expected, used })
  return last === undefined ? key.default : last
}

/** null in the dynamic configuration means the same as nothing. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function mappingOr<T extends Raw | null>(
  fallback: T,
  value: unknown,
  key: string,
  report: Reader['report'],
): Raw | T {
  if (!isGiven(value)) return fallback
  if (isMapping(value)) return value
  report({ key, found: value, expected: 'a mapping (key: value)', used: 'nothing' })
  return fallback
}
