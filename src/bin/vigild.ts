// The agent's composition root: `vigild CONFIG.yml`.
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { startAgent } from '../agent/agent.ts'
import { createPeers, type PeerOptions } from '../api/peers-client.ts'
import { openApi } from '../api/server.ts'
import { formatAddress } from '../config/address.ts'
import { formatFinding } from '../config/finding.ts'
import { loadConfig } from '../config/load.ts'
import { type LocalConfig, localSettings } from '../config/local-config.ts'
import { generateSampleConfig } from '../config/sample.ts'
import { validateConfig } from '../config/validate.ts'
import { newClusterConfig } from '../core/dynamic-config.ts'
import type { FencingObstacles } from '../core/guard-status.ts'
import { TTL_FLOOR_FENCED_MS, TTL_FLOOR_MS } from '../core/timeouts.ts'
import { answersConnections } from '../engines/postgres/accepts.ts'
import { openPostgres } from '../engines/postgres/engine.ts'
import { createGuardClient } from '../guard/client.ts'
import { openMachineClock } from '../guard/clock.ts'
import { guardCommand } from '../guard/launch.ts'
import { openDecisionFile } from '../host/decision-file.ts'
import { openJournal } from '../host/file-journal.ts'
import { keepRights, resignExemption } from '../host/kept-rights.ts'
import { lockStateDirectory } from '../host/lock.ts'
import { machineIdentity } from '../host/machine.ts'
import type { NftShell } from '../host/nft-shell.ts'
import { become, futureUser, makeStateDirectory, makeStateDirectoryAsRoot } from '../host/privileges.ts'
import { openServiceManager } from '../host/service-manager.ts'
import { createSystemClock } from '../host/system-clock.ts'
import { readTlsFiles } from '../host/tls-files.ts'
import { isVigilError, reasonOf } from '../kernel/errors.ts'
import type { Instant } from '../kernel/time.ts'
import { createDesk } from '../operations/desk.ts'
import type { Guard } from '../ports/guard.ts'
import { createClusterRecords } from '../stores/cluster-records.ts'
import { clusterKeys } from '../stores/cluster-store.ts'
import { openEtcd } from '../stores/etcd/etcd.ts'
import { createLeaderStore } from '../stores/leader-store.ts'
import { openLog } from '../telemetry/log.ts'
import { passes, startChecks, validationChecks } from './checks.ts'
import { openNft, withGate } from './gate.ts'
import { storeOptions } from './store-options.ts'
import { tellManager } from './tell-manager.ts'
import { VERSION } from './version.ts'

const USAGE = `Usage: vigild [CONFIG.yml]
       vigild --validate-config CONFIG.yml [--json]
       vigild --generate-sample-config
       vigild --version`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'validate-config': { type: 'boolean', default: false },
      'generate-sample-config': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const file = positionals[0] ?? null
  if (values.help) return print(USAGE, 0)
  if (values.version) return print(`vigild ${VERSION}`, 0)
  if (values['generate-sample-config']) return print(generateSampleConfig(), 0)
  if (values['validate-config']) {
    const { env: environment } = process
    const checks = validationChecks(environment)
    const report = await validateConfig({ file, environment, json: values.json, checks })
    return print(report.text, report.exitCode)
  }
  if (file === null && !process.env['PATRONI_CONFIGURATION'] && !process.env['PATRONI_SCOPE'])
    return print(USAGE, 1)
  return runAgent(file)
}

async function runAgent(file: string | null): Promise<number> {
  process.umask(0o077)
  const environment = { ...process.env }
  const loaded = await loadConfig({ file, environment })
  for (const finding of loaded.findings) printError(formatFinding(finding))
  let config = loaded.config
  if (!config) return 1
  const checks = startChecks(environment)
  if (!(await passes(loaded, checks.before, printError))) return 1
  const nft = await becomeOwner(config)
  if (!(await passes(loaded, checks.data, printError))) return 1
  await makeStateDirectory(config.stateDir)
  const lock = await lockStateDirectory(config.stateDir)
  if (!(await passes(loaded, checks.rest, printError))) return 1
  const log = openLog({ ...config.log, name: config.name })
  const clock = createSystemClock(openMachineClock())
  const kv = openEtcd(await storeOptions(config), clock)
  const keys = clusterKeys(config.namespace, config.scope)
  const journal = await openJournal(config.stateDir, await machineIdentity())
  const peers = createPeers({
    tls: await peerTls(config),
    credentials: () => config?.restapi.authentication ?? null,
    serverAnswers: answersConnections,
    scope: config.scope,
    own: { conn_url: connUrlOf(config), api_url: apiUrlOf(config) },
  })
  const guard = openGuard(config, { environment, nft, now: () => clock.now() })
  let obstacles: FencingObstacles = {}
  const engine = await openPostgres(engineOptions(config, environment, log))
  // Before the agent acts: whoever can't be reached over REST can't be judged by the others.
  let ready: Parameters<typeof createDesk>[0]['agent'] | null = null
  const desk = createDesk({
    scope: config.scope,
    agent: {
      latest: () => ready?.latest() ?? null,
      decisions: () => ready?.decisions() ?? [],
      evidence: () => ready?.evidence() ?? [],
      request: request => ready?.request(request) ?? Promise.resolve({ kind: 'refused', text: 'starting' }),
      wake: () => ready?.wake(),
    },
    records: createClusterRecords(kv, keys),
    peers,
    clock,
    logs: lines => log.last(lines),
  })
  const api = await openApi(desk, config.restapi, log)
  const reloadFiles = () => {
    void loadConfig({ file, environment }).then(async next => {
      for (const finding of next.findings) log.warn('configuration', { finding: formatFinding(finding) })
      if (!next.config) return log.error('configuration not usable, the old one stays in force')
      config = next.config
      await api.reload(next.config.restapi)
      agent.wake()
    })
  }
  const agent = startAgent(
    {
      clock,
      store: createLeaderStore(kv, keys),
      guard,
      engine,
      peers,
      journal,
      log,
      keepDecision: openDecisionFile(config.stateDir),
    },
    {
      me: {
        name: config.name,
        install: journal.read().install,
        machine: journal.read().machine,
        connUrl: connUrlOf(config),
        apiUrl: apiUrlOf(config),
        version: VERSION,
        mayBootstrap: config.bootstrap.method === 'initdb',
        bootstrapConfig: newClusterConfig(config.bootstrap.dcs),
        tags: config.tags,
      },
      local: () => {
        // As it was last said: a guard that is away for a moment changes no timeouts.
        obstacles = guard.status()?.status.obstacles ?? obstacles
        return localSettings(config as LocalConfig, ttlFloorOf(obstacles))
      },
      reloadFiles,
    },
  )
  ready = agent
  log.info('vigild started', { version: VERSION, scope: config.scope, pid: process.pid })
  process.on('SIGTERM', () => agent.end('stop'))
  process.on('SIGINT', () => agent.end('stop'))
  // An upgrade of the agent: PostgreSQL goes on under the guard, and the next agent adopts it.
  process.on('SIGUSR2', () => agent.end('leave'))
  process.on('SIGHUP', () => {
    void agent.request({ kind: 'reload', id: randomBytes(8).toString('hex') })
  })
  const manager = openServiceManager(environment, process.pid)
  const pulse = manager && tellManager(manager, agent, () => clock.now())
  const end = await agent.ended
  if (pulse) clearInterval(pulse)
  manager?.tell('STOPPING=1')
  await api.close()
  peers.close()
  if (typeof nft !== 'string') nft.close()
  lock.release()
  if (end.status === 0) log.info('vigild ends', { reason: end.reason })
  else process.stderr.write(`vigild: ${end.reason}\n`)
  return end.status
}

function connUrlOf({ postgresql }: LocalConfig): string {
  return `postgres://${formatAddress(postgresql.connectAddress)}/${postgresql.database}`
}

function apiUrlOf({ restapi }: LocalConfig): string {
  return `${restapi.scheme}://${formatAddress(restapi.connectAddress)}/patroni`
}

function engineOptions(
  config: LocalConfig,
  environment: Readonly<Record<string, string | undefined>>,
  log: ReturnType<typeof openLog>,
): Parameters<typeof openPostgres>[0] {
  const { postgresql, bootstrap } = config
  return {
    scope: config.scope,
    member: config.name,
    dataDirectory: postgresql.dataDir,
    configDirectory: postgresql.configDir,
    configBaseName: postgresql.configBaseName,
    customConfiguration: postgresql.customConf,
    binDirectory: postgresql.binDir,
    programNames: postgresql.binNames,
    listen: { addresses: postgresql.listen.hosts.join(','), port: postgresql.listen.port },
    database: postgresql.database,
    socketDirectory: null,
    stateDirectory: config.stateDir,
    passfile: postgresql.passFile,
    superuser: postgresql.superuser,
    replication: postgresql.replication,
    rewind: postgresql.rewind,
    initdb: bootstrap.initdb as Parameters<typeof openPostgres>[0]['initdb'],
    postBootstrap: bootstrap.postBootstrap,
    evidence: config.evidence,
    basebackup: postgresql.basebackup as Parameters<typeof openPostgres>[0]['basebackup'],
    environment,
    log,
  }
}

/** What it may do about nftables, or why nothing: as root that is decided before root is given up. */
async function becomeOwner(config: LocalConfig): Promise<NftShell | string> {
  const { postgresql, stateDir } = config
  const user = await futureUser(postgresql.dataDir)
  const nft = await openNft(config, user)
  if (!user) {
    await resignExemption()
    return nft
  }
  await makeStateDirectoryAsRoot(stateDir, postgresql.dataDir, user)
  const asThatUser = await keepRights(user, `${config.scope}-${config.name}`)
  become(user)
  await asThatUser()
  return nft
}

interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly nft: NftShell | string
  readonly now: () => Instant
}

function openGuard(config: LocalConfig, { environment, nft, now }: Surroundings): Guard {
  const guard = createGuardClient({
    stateDirectory: config.stateDir,
    dataDirectory: config.postgresql.dataDir,
    command: guardCommand(process.execPath, new URL('./guard.mjs', import.meta.url).pathname),
    environment,
    watchdog: config.fencing.watchdog,
    now,
  })
  return withGate(guard, config, { nft, now })
}

/** Protocol A10. */
function ttlFloorOf(obstacles: FencingObstacles): number {
  return obstacles['cgroup.kill'] === null || obstacles.nftables === null ? TTL_FLOOR_FENCED_MS : TTL_FLOOR_MS
}

/** Members ask each other as clients of the REST interface. */
async function peerTls(config: LocalConfig): Promise<NonNullable<PeerOptions['tls']>> {
  const files = config.ctl.tls.caFile
    ? config.ctl.tls
    : { ...config.ctl.tls, caFile: config.restapi.tls.caFile }
  return { ...(await readTlsFiles(files)), insecure: config.ctl.insecure }
}

function printError(line: string): void {
  process.stderr.write(`${line}\n`)
}

function print(text: string, status: number): number {
  process.stdout.write(`${text}\n`)
  return status
}

main()
  .then(status => process.exit(status))
  .catch(error => {
    process.stderr.write(
      `vigild: ${isVigilError(error) ? error.message : (error?.stack ?? reasonOf(error))}\n`,
    )
    process.exit(isVigilError(error) ? error.exitStatus : 70)
  })
