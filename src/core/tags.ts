// A member's tags: what it may do in the cluster, and labels of the operator's own.
import { boolean, integer, type Kind, nonEmptyText, type SettingProblem } from './setting-kind.ts'

export interface Tags {
  /** Never becomes leader. */
  readonly nofailover: boolean
  /** Higher is preferred among equally complete candidates; 0 or less: never. */
  readonly failoverPriority: number
  /** Never counted on by synchronous commits. */
  readonly nosync: boolean
  readonly syncPriority: number
  readonly noloadbalance: boolean
  /** Preferred as a source for clones. */
  readonly clonefrom: boolean
  /** Archive only, no streaming. Not used yet. */
  readonly nostream: boolean
  /** Streams from this member rather than from the leader. */
  readonly replicatefrom: string | null
  /** What the operator added. */
  readonly others: Readonly<Record<string, unknown>>
}

export const NO_TAGS: Tags = {
  nofailover: false,
  failoverPriority: 1,
  nosync: false,
  syncPriority: 1,
  noloadbalance: false,
  clonefrom: false,
  nostream: false,
  replicatefrom: null,
  others: {},
}

export const TAG_KINDS = {
  nofailover: boolean,
  failover_priority: integer(),
  nosync: boolean,
  sync_priority: integer(),
  noloadbalance: boolean,
  clonefrom: boolean,
  nostream: boolean,
  replicatefrom: nonEmptyText,
} satisfies Readonly<Record<string, Kind<unknown>>>

/** The flag wins over its priority, as in Patroni; a value that cannot be read counts as absent and is reported. */
export function readTags(raw: Readonly<Record<string, unknown>>): {
  readonly tags: Tags
  readonly problems: readonly SettingProblem[]
} {
  const problems: SettingProblem[] = []
  const read = <T>(name: string, kind: Kind<T>): T | undefined => {
    const found = raw[name]
    if (found === undefined || found === null) return undefined
    const value = kind.read(found)
    if (value === undefined)
      problems.push({ key: `tags.${name}`, found, expected: kind.expected, used: 'nothing' })
    return value
  }
  const failoverPriority = read('failover_priority', TAG_KINDS.failover_priority)
  const syncPriority = read('sync_priority', TAG_KINDS.sync_priority)
  const nofailover = read('nofailover', boolean) ?? (failoverPriority !== undefined && failoverPriority <= 0)
  const nosync = read('nosync', boolean) ?? (syncPriority !== undefined && syncPriority <= 0)
  const tags: Tags = {
    nofailover,
    failoverPriority: nofailover ? 0 : Math.max(failoverPriority ?? 1, 1),
    nosync,
    syncPriority: nosync ? 0 : Math.max(syncPriority ?? 1, 1),
    noloadbalance: read('noloadbalance', boolean) ?? false,
    clonefrom: read('clonefrom', boolean) ?? false,
    nostream: read('nostream', boolean) ?? false,
    replicatefrom: read('replicatefrom', nonEmptyText) ?? null,
    others: Object.fromEntries(Object.entries(raw).filter(([name]) => !Object.hasOwn(TAG_KINDS, name))),
  }
  return { tags, problems }
}

/** As Patroni publishes them in the member key: flags that are off are left out. */
export function publishedTags(tags: Tags): Readonly<Record<string, unknown>> {
  const published: Record<string, unknown> = { ...tags.others }
  if (tags.nofailover) published['nofailover'] = true
  if (tags.failoverPriority !== 1 && !tags.nofailover) published['failover_priority'] = tags.failoverPriority
  if (tags.nosync) published['nosync'] = true
  if (tags.syncPriority !== 1 && !tags.nosync) published['sync_priority'] = tags.syncPriority
  if (tags.noloadbalance) published['noloadbalance'] = true
  if (tags.clonefrom) published['clonefrom'] = true
  if (tags.nostream) published['nostream'] = true
  if (tags.replicatefrom !== null) published['replicatefrom'] = tags.replicatefrom
  return published
}
