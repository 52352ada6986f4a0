// Real etcd nodes on free ports of this machine, for the store's contract: started, stopped, frozen, killed by pid.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '../lab/free-ports.ts'
import { waitFor } from '../lab/wait.ts'

export interface EtcdNode {
  readonly port: number
  pid(): number
  /** SIGSTOP, SIGCONT: connections stay open, nothing is answered. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
  start(): void
}

export interface EtcdNodes {
  readonly nodes: readonly EtcdNode[]
  readonly scheme: 'http' | 'https'
  /** Every node answers and sees a leader. */
  healthy(): Promise<void>
  /** Index of the node that leads. */
  leader(): Promise<number>
  etcdctl(args: readonly string[]): Promise<string>
  /** Kills what is left and removes everything. */
  destroy(): Promise<void>
}

export interface NodesOptions {
  readonly count: number
  /** Further arguments for each node. */
  readonly extra?: readonly string[]
  /** Files for TLS on the clients' side; etcdctl uses the same. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

const START_LIMIT_MS = 60_000

export async function startEtcd(options: NodesOptions): Promise<EtcdNodes> {
  const programs = { etcd: await programOrAdvice('etcd'), etcdctl: await programOrAdvice('etcdctl') }
  const directory = await mkdtemp(join(tmpdir(), 'vigil-etcd-'))
  const scheme = options.tls ? 'https' : 'http'
  const ports = freePorts(options.count * 2)
  const peers = ports.slice(options.count).map(port => `http://127.0.0.1:${port}`)
  const initialCluster = peers.map((peer, index) => `n${index}=${peer}`).join(',')
  const nodes = peers.map((peer, index) => {
    const client = `${scheme}://127.0.0.1:${ports[index]}`
    const args = [
      ['--name', `n${index}`],
      ['--data-dir', join(directory, `n${index}`)],
      ['--listen-client-urls', client],
      ['--advertise-client-urls', client],
      ['--listen-peer-urls', peer],
      ['--initial-advertise-peer-urls', peer],
      ['--initial-cluster', initialCluster],
      ['--log-level', 'error'],
      ...(options.tls ? [['--cert-file', options.tls.cert, '--key-file', options.tls.key]] : []),
      options.extra ?? [],
    ].flat()
    return oneNode(programs.etcd, args, ports[index]!)
  })
  const endpoints = nodes.map(node => `${scheme}://127.0.0.1:${node.port}`)
  const secure = options.tls
    ? ['--cacert', options.tls.ca, '--cert', options.tls.cert, '--key', options.tls.key]
    : []
  const etcdctl = async (args: readonly string[]): Promise<string> => {
    const all = ['--endpoints', endpoints.join(','), ...secure, ...args]
    const run = await promisify(execFile)(programs.etcdctl, all, {
      env: { ...process.env, ETCDCTL_API: '3' },
      timeout: 20_000,
    })
    return run.stdout
  }
  const status = async (): Promise<readonly NodeStatus[]> =>
    JSON.parse(await etcdctl(['endpoint', 'status', '-w', 'json'])) as readonly NodeStatus[]
  const cluster: EtcdNodes = {
    nodes,
    scheme,
    etcdctl,
    healthy: async () => {
      await waitFor('every etcd node sees a leader', START_LIMIT_MS, async () => {
        const seen = await status()
        return seen.length === options.count && seen.every(node => node.Status.leader > 0)
      })
    },
    leader: () =>
      waitFor('an etcd node leads', START_LIMIT_MS, async () => {
        const seen = await status()
        const index = endpoints.findIndex(endpoint =>
          seen.some(
            node => node.Endpoint === endpoint && node.Status.leader === node.Status.header.member_id,
          ),
        )
        return index < 0 ? null : { index }
      }).then(found => found.index),
    destroy: async () => {
      await Promise.all(nodes.map(node => node.kill()))
      await rm(directory, { recursive: true, force: true })
    },
  }
  for (const node of nodes) node.start()
  try {
    await cluster.healthy()
  } catch (error) {
    await cluster.destroy()
    throw error
  }
  return cluster
}

interface NodeStatus {
  readonly Endpoint: string
  readonly Status: { readonly leader: number; readonly header: { readonly member_id: number } }
}

function oneNode(
  program: string,
  args: readonly string[],
  port: number,
): EtcdNode & { kill(): Promise<void> } {
  let child: ChildProcess | null = null
  const running = (): ChildProcess => {
    if (child === null) throw new Error(`the etcd node on port ${port} does not run`)
    return child
  }
  const end = async (signal: NodeJS.Signals) => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
    child = null
  }
  return {
    port,
    pid: () => running().pid!,
    start: () => {
      child = spawn(program, args, { stdio: 'ignore' })
    },
    freeze: () => void running().kill('SIGSTOP'),
    thaw: () => void running().kill('SIGCONT'),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}

/** A test that needs etcd never passes without it. */
async function programOrAdvice(program: string): Promise<string> {
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    const path = join(directory, program)
    const found = await access(path).then(
      () => true,
      () => false,
    )
    if (found) return path
  }
  throw new Error(`"${program}" was not found. Run "npm test" once: its set-up installs it.`)
}

/** Certificates of an authority made for this run: `server` and `client` for 127.0.0.1, and one of a stranger. */
export async function makeCertificates(): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'vigil-certificates-'))
  const file = (name: string) => join(directory, name)
  const openssl = async (...args: string[]) => {
    await promisify(execFile)('openssl', args, { cwd: directory })
  }
  for (const authority of ['ca', 'stranger']) {
    const subject = ['-subj', `/CN=${authority}`, '-days', '2', '-nodes', '-newkey', 'rsa:2048']
    await openssl('req', '-x509', ...subject, '-keyout', `${authority}.key`, '-out', `${authority}.pem`)
  }
  await openssl(
    'req',
    '-new',
    '-nodes',
    '-newkey',
    'rsa:2048',
    '-subj',
    '/CN=node',
    '-keyout',
    'node.key',
    '-out',
    'node.csr',
  )
  const extensions = 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n'
  await promisify(execFile)('bash', ['-c', 'printf "%s" "$1" > extensions', '-', extensions], {
    cwd: directory,
  })
  const sign = [
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'extensions',
  ]
  await openssl('x509', '-req', '-in', 'node.csr', ...sign, '-out', 'node.pem')
  const text = (name: string) => readFile(file(name), 'utf8')
  return {
    files: { ca: file('ca.pem'), cert: file('node.pem'), key: file('node.key') },
    ca: await text('ca.pem'),
    cert: await text('node.pem'),
    key: await text('node.key'),
    stranger: await text('stranger.pem'),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

export interface Certificates {
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly stranger: string
  remove(): Promise<void>
}
