// An etcd cluster with one node on each member's host.
import { join } from 'node:path'
import type { Host, Launched } from './host.ts'
import { waitFor } from './wait.ts'

export interface EtcdNode {
  readonly name: string
  readonly host: Host
  readonly endpoint: string
  start(): void
  /** Ends it and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT: it answers nothing, its connections stay open. */
  pause(): void
  resume(): void
  /** Whether its process is there, stopped or not. */
  alive(): boolean
  pid(): number
  healthy(): Promise<boolean>
  leads(): Promise<boolean>
}

export interface EtcdCluster {
  readonly nodes: readonly EtcdNode[]
  /** `address:port` of each, for a configuration. */
  readonly hosts: readonly string[]
  startAll(): void
  waitUntilHealthy(limitMs?: number): Promise<void>
  leader(): Promise<EtcdNode>
  /** How often the cluster has written so far: revisions of keys, and entries of its log, which leases are part of. */
  writes(): Promise<EtcdWrites>
  /** Keys that start with `prefix`, as text, over any node that answers. */
  list(prefix: string): Promise<ReadonlyMap<string, string>>
  /** Removes one key, over any node that answers. */
  remove(key: string): Promise<void>
  /** Makes another node the leader, as an operator's `etcdctl move-leader` does. Returns its name. */
  moveLeader(): Promise<string>
}

export interface EtcdWrites {
  readonly revisions: number
  readonly logEntries: number
}

const ANSWER_LIMIT_MS = 1000

export function etcdOn(hosts: readonly Host[]): EtcdCluster {
  const initialCluster = hosts.map(host => `${host.name}=${peerUrl(host)}`).join(',')
  const nodes = hosts.map(host => makeNode(host, initialCluster))
  const anyHealthy = async () => {
    for (const node of nodes) if (await node.healthy()) return node
    return null
  }
  return {
    nodes,
    hosts: hosts.map(host => `${host.address}:${host.port('etcd')}`),
    startAll: () => {
      for (const node of nodes) node.start()
    },
    waitUntilHealthy: async (limitMs = 30_000) => {
      await waitFor('every etcd node is healthy', limitMs, async () => {
        const states = await Promise.all(nodes.map(node => node.healthy()))
        return states.every(Boolean)
      })
    },
    leader: () =>
      waitFor('an etcd node leads', 15_000, async () => {
        for (const node of nodes) if (await node.leads()) return node
        return null
      }),
    writes: async () => {
      const node = await waitFor('an etcd node answers', 15_000, anyHealthy)
      const status = (await post(node.endpoint, '/v3/maintenance/status', {})) as {
        raftIndex: string
        header: { revision: string }
      }
      return { revisions: Number(status.header.revision), logEntries: Number(status.raftIndex) }
    },
    list: async prefix => {
      const node = await waitFor('an etcd node answers', 15_000, anyHealthy)
      return listKeys(node.endpoint, prefix)
    },
    remove: async key => {
      const node = await waitFor('an etcd node answers', 15_000, anyHealthy)
      await post(node.endpoint, '/v3/kv/deleterange', { key: Buffer.from(key).toString('base64') })
    },
    moveLeader: () => moveLeader(nodes),
  }
}

/** Only the leader takes the request, and only for a node that it knows. */
async function moveLeader(nodes: readonly EtcdNode[]): Promise<string> {
  const known = await Promise.all(nodes.map(async node => ({ node, id: await memberId(node.endpoint) })))
  for (const { node } of known) {
    const target = known.find(other => other.node !== node && other.id !== null)
    if (!target || !(await node.leads())) continue
    await post(node.endpoint, '/v3/maintenance/transfer-leadership', { targetID: target.id })
    return target.node.name
  }
  throw new Error('no etcd node leads')
}

async function memberId(endpoint: string): Promise<string | null> {
  try {
    const status = (await post(endpoint, '/v3/maintenance/status', {})) as { header: { member_id: string } }
    return status.header.member_id
  } catch {
    return null
  }
}

function makeNode(host: Host, initialCluster: string): EtcdNode {
  const endpoint = `http://${host.address}:${host.port('etcd')}`
  const args = [
    ['--name', host.name],
    ['--data-dir', join(host.directory, 'etcd')],
    ['--listen-client-urls', endpoint],
    ['--advertise-client-urls', endpoint],
    ['--listen-peer-urls', peerUrl(host)],
    ['--initial-advertise-peer-urls', peerUrl(host)],
    ['--initial-cluster', initialCluster],
    ['--initial-cluster-state', 'new'],
    ['--initial-cluster-token', 'vigil-lab'],
    ['--auto-compaction-mode', 'periodic'],
    ['--auto-compaction-retention', '5m'],
    ['--log-level', 'warn'],
  ].flat()
  let running: Launched | null = null
  const alive = () => {
    if (running === null) throw new Error(`etcd on ${host.name} was not started`)
    return running
  }
  return {
    name: host.name,
    host,
    endpoint,
    start: () => {
      if (running?.alive()) throw new Error(`etcd on ${host.name} runs already`)
      running = host.launch('etcd', ['etcd', ...args])
    },
    kill: async () => {
      alive().signal('SIGKILL')
      await alive().ended
    },
    pause: () => {
      alive().signal('SIGSTOP')
    },
    resume: () => {
      alive().signal('SIGCONT')
    },
    alive: () => running?.alive() ?? false,
    pid: () => alive().pid,
    healthy: async () => {
      try {
        const answer = await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
        return ((await answer.json()) as { health?: string }).health === 'true'
      } catch {
        return false
      }
    },
    leads: async () => {
      try {
        const status = (await post(endpoint, '/v3/maintenance/status', {})) as {
          leader?: string
          header: { member_id: string }
        }
        return status.leader === status.header.member_id
      } catch {
        return false
      }
    },
  }
}

async function listKeys(endpoint: string, prefix: string): Promise<ReadonlyMap<string, string>> {
  const encode = (text: string) => Buffer.from(text).toString('base64')
  const decode = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString()
  const afterPrefix = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
  const answer = (await post(endpoint, '/v3/kv/range', {
    key: encode(prefix),
    range_end: encode(afterPrefix),
  })) as {
    kvs?: readonly { key: string; value?: string }[]
  }
  return new Map((answer.kvs ?? []).map(({ key, value }) => [decode(key), decode(value)]))
}

async function post(endpoint: string, path: string, body: unknown): Promise<unknown> {
  const answer = await fetch(`${endpoint}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  })
  if (!answer.ok) throw new Error(`${endpoint}${path} answered ${answer.status}`)
  return answer.json()
}

function peerUrl(host: Host): string {
  return `http://${host.address}:${host.port('etcdPeer')}`
}
