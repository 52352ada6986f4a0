// What must be right on this machine before an agent touches anything: directories, programs, ports, files, the store.
import { access, constants, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { LocalConfig, TlsFiles } from '../config/local-config.ts'
import type { EnvironmentCheck, EnvironmentProblem } from '../config/validate.ts'
import { reasonOf } from '../kernel/errors.ts'
import { ownName } from './accounts.ts'
import { dataDirectoryProblems } from './data-directory-check.ts'
import { listenObstacle } from './listen.ts'

/** What the checks need to know from parts that they can't see. */
export interface Surroundings {
  /** Why a program of PostgreSQL can't be used; null: it can. */
  readonly programObstacle: (name: string, config: LocalConfig) => Promise<string | null>
  /** Why the store does not answer; null: it does. Has its own time limit. */
  readonly storeObstacle: (config: LocalConfig) => Promise<string | null>
  /** A PostgreSQL runs on the data directory: its port is in use by right. */
  readonly instanceRuns: (dataDirectory: string) => Promise<boolean>
  /** An agent works with the state directory: its port is in use by right. */
  readonly agentRuns: (stateDirectory: string) => Promise<boolean>
  /** Name of the file that marks a directory as begun by us and not finished. */
  readonly unfinishedMarker: string
}

export interface EnvironmentChecks {
  /** For whoever starts the agent, who may be root. */
  readonly stateDirectory: EnvironmentCheck
  /** For the user that PostgreSQL runs as. */
  readonly dataDirectory: EnvironmentCheck
  readonly programs: EnvironmentCheck
  readonly ports: EnvironmentCheck
  readonly tlsFiles: EnvironmentCheck
  readonly store: EnvironmentCheck
}

export function environmentChecks(surroundings: Surroundings): EnvironmentChecks {
  return {
    stateDirectory: checkStateDirectory,
    dataDirectory: config => dataDirectoryProblems(config.postgresql.dataDir, surroundings.unfinishedMarker),
    programs: config => checkPrograms(config, surroundings),
    ports: config => checkPorts(config, surroundings),
    tlsFiles: checkTlsFiles,
    store: config => checkStore(config, surroundings),
  }
}

async function checkStateDirectory({ stateDir }: LocalConfig): Promise<readonly EnvironmentProblem[]> {
  const me = await ownName()
  const problem = (found: string, hint: string): readonly EnvironmentProblem[] => {
    const expected = `a directory that user ${me} can write, or can make`
    const key = ['vigil', 'state_dir']
    return [{ severity: 'error', key, found: `${JSON.stringify(stateDir)}, ${found}`, expected, hint }]
  }
  for (let path = stateDir; ; path = dirname(path)) {
    try {
      const about = await stat(path)
      if (!about.isDirectory())
        return problem(`where the file ${path} is in the way`, 'Move it away, or set vigil.state_dir.')
      await access(path, constants.W_OK | constants.X_OK)
      return []
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if ((code === 'ENOENT' || code === 'ENOTDIR') && path !== dirname(path)) continue
      const found = path === stateDir ? `which ${me} can't write` : `which can't be made in ${path}`
      const hint = 'Make it and give it to that user (chown), or set vigil.state_dir to a place of its own.'
      return problem(`${found} (${code})`, hint)
    }
  }
}

const PROGRAMS = ['postgres', 'initdb', 'pg_controldata', 'pg_basebackup', 'pg_rewind', 'pg_waldump']

async function checkPrograms(
  config: LocalConfig,
  { programObstacle }: Surroundings,
): Promise<readonly EnvironmentProblem[]> {
  const obstacles = await Promise.all(PROGRAMS.map(name => programObstacle(name, config)))
  const missing = PROGRAMS.filter((_, index) => obstacles[index] !== null)
  const [first] = obstacles.filter(obstacle => obstacle !== null)
  if (missing.length === 0 || first === undefined) return []
  const { binDir } = config.postgresql
  const place = binDir === null ? first : JSON.stringify(binDir)
  return [
    {
      severity: 'error',
      key: ['postgresql', 'bin_dir'],
      found: `${place} without ${missing.join(', ')}`,
      expected: 'a directory with the programs of PostgreSQL',
      hint: 'Install PostgreSQL (Debian: package postgresql), or set postgresql.bin_dir to where it is.',
    },
  ]
}

async function checkPorts(
  { postgresql, restapi, stateDir }: LocalConfig,
  { instanceRuns, agentRuns }: Surroundings,
): Promise<readonly EnvironmentProblem[]> {
  const [instance, agent] = await Promise.all([instanceRuns(postgresql.dataDir), agentRuns(stateDir)])
  const rest = agent ? [] : await portProblems(['restapi', 'listen'], restapi.listen, 'another address')
  const cluster = `another address; a new Debian machine may have a cluster of its own there, see pg_lsclusters`
  const postgres = instance ? [] : await portProblems(['postgresql', 'listen'], postgresql.listen, cluster)
  return [...rest, ...postgres]
}

async function portProblems(
  key: readonly string[],
  { hosts, port }: LocalConfig['restapi']['listen'],
  otherwise: string,
): Promise<readonly EnvironmentProblem[]> {
  const problems: EnvironmentProblem[] = []
  for (const host of hosts) {
    const code = await listenObstacle(host, port)
    if (code === null) continue
    const taken = code === 'EADDRINUSE'
    const found = taken
      ? `${host}:${port}, which is already in use`
      : `${host}:${port}, where this machine can't listen (${code})`
    const hint = taken
      ? `Stop what listens there (ss -ltnp shows it), or set ${key.join('.')} to ${otherwise}.`
      : `Set ${key.join('.')} to an address of this machine, and a port above 1023.`
    problems.push({ severity: 'error', key, found, expected: 'a free address', hint })
  }
  return problems
}

async function checkTlsFiles(config: LocalConfig): Promise<readonly EnvironmentProblem[]> {
  const files = [
    ...named('restapi', { ca: 'cafile', certificate: 'certfile', key: 'keyfile' }, config.restapi.tls),
    ...named('etcd3', { ca: 'cacert', certificate: 'cert', key: 'key' }, config.store.tls),
    ...named('ctl', { ca: 'cacert', certificate: 'certfile', key: 'keyfile' }, config.ctl.tls),
  ]
  const problems = await Promise.all(
    files.map(async ({ key, path }): Promise<readonly EnvironmentProblem[]> => {
      try {
        const text = await readFile(path, 'latin1')
        return text.includes('-----BEGIN') ? [] : [unusable(key, path, 'which holds no PEM')]
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        return [unusable(key, path, code === 'ENOENT' ? 'which does not exist' : `unreadable (${code})`)]
      }
    }),
  )
  const me = await ownName()
  return problems.flat().map(problem => ({ ...problem, expected: `a PEM file that user ${me} can read` }))
}

function unusable(key: readonly string[], path: string, what: string): EnvironmentProblem {
  const hint = `Put the file there, or correct ${key.join('.')}. Nothing was started.`
  return { severity: 'error', key, found: `${JSON.stringify(path)}, ${what}`, expected: '', hint }
}

function named(
  section: string,
  keys: { readonly ca: string; readonly certificate: string; readonly key: string },
  files: TlsFiles,
): readonly { readonly key: readonly string[]; readonly path: string }[] {
  const found = [
    { key: [section, keys.ca], path: files.caFile },
    { key: [section, keys.certificate], path: files.certificateFile },
    { key: [section, keys.key], path: files.keyFile },
  ]
  return found.flatMap(({ key, path }) => (path === null ? [] : [{ key, path }]))
}

async function checkStore(
  config: LocalConfig,
  { storeObstacle }: Surroundings,
): Promise<readonly EnvironmentProblem[]> {
  const obstacle = await storeObstacle(config).catch(reasonOf)
  if (obstacle === null) return []
  return [
    {
      severity: 'error',
      key: ['etcd3', 'hosts'],
      found: `${config.store.endpoints.join(', ')}, where the store does not answer (${obstacle})`,
      expected: 'at least one endpoint of a running etcd',
      hint: 'Start etcd, or correct the addresses. An agent that runs keeps trying and promotes nobody meanwhile.',
    },
  ]
}
