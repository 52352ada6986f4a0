// Where the records of one cluster lie in the store: Patroni's paths, and ours below `vigil/`.

/** Every key of one cluster. `prefix` ends with a slash. */
export interface ClusterKeys {
  readonly prefix: string
  readonly term: string
  readonly leader: string
  readonly initialize: string
  readonly config: string
  readonly failover: string
  readonly sync: string
  readonly status: string
  readonly history: string
  readonly failsafe: string
  readonly members: string
  member(name: string): string
}

/** Repeated slashes are squeezed, as Patroni does: `namespace` may be written `/service/` or `service`. */
export function clusterKeys(namespace: string, scope: string): ClusterKeys {
  const prefix = `/${namespace}/${scope}/`.replace(/\/{2,}/g, '/')
  return {
    prefix,
    term: `${prefix}vigil/term`,
    leader: `${prefix}leader`,
    initialize: `${prefix}initialize`,
    config: `${prefix}config`,
    failover: `${prefix}failover`,
    sync: `${prefix}sync`,
    status: `${prefix}status`,
    history: `${prefix}history`,
    failsafe: `${prefix}failsafe`,
    members: `${prefix}members/`,
    member: name => `${prefix}members/${name}`,
  }
}

/** The member that a key belongs to; null for keys elsewhere and for deeper ones, which nobody reads. */
export function memberOf(keys: ClusterKeys, key: string): string | null {
  if (!key.startsWith(keys.members)) return null
  const name = key.slice(keys.members.length)
  return name === '' || name.includes('/') ? null : name
}
