// Looks at the machine before an agent does anything, and for `vigild --validate-config`.
import { type Finding, formatFinding } from '../config/finding.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { LocalConfig } from '../config/local-config.ts'
import { checkEnvironment, type EnvironmentCheck } from '../config/validate.ts'
import { MARKER_FILE } from '../engines/postgres/marker.ts'
import { readPostmasterFile, runsOn } from '../engines/postgres/postmaster-file.ts'
import { findProgram, type ProgramName } from '../engines/postgres/programs.ts'
import { environmentChecks } from '../host/environment-checks.ts'
import { isLocked } from '../host/lock.ts'
import { become, futureUser } from '../host/privileges.ts'
import { isVigilError, reasonOf } from '../kernel/errors.ts'
import { clusterKeys } from '../stores/cluster-store.ts'
import { openEtcd } from '../stores/etcd/etcd.ts'
import { storeOptions } from './store-options.ts'

const STORE_LIMIT_MS = 5000

type Environment = Readonly<Record<string, string | undefined>>

export interface StartChecks {
  /** As whoever starts the agent. */
  readonly before: readonly EnvironmentCheck[]
  /** As the user that PostgreSQL runs as, before anything of its own is made. */
  readonly data: readonly EnvironmentCheck[]
  /** With the state directory locked: no other agent of this member runs. */
  readonly rest: readonly EnvironmentCheck[]
}

/** Not the store: an agent waits for it. */
export function startChecks(environment: Environment): StartChecks {
  const checks = environmentChecks(surroundings(environment))
  return {
    before: [checks.stateDirectory],
    data: [checks.dataDirectory],
    // Locked by this very process, so an agent runs; whoever holds the port now is not one of this member.
    rest: [
      checks.programs,
      environmentChecks({ ...surroundings(environment), agentRuns: async () => false }).ports,
      checks.tlsFiles,
    ],
  }
}

/** One check that is all of them. As root it gives up root on the way, as the agent would. */
export function validationChecks(environment: Environment): readonly EnvironmentCheck[] {
  const checks = environmentChecks(surroundings(environment))
  return [
    async config => {
      const first = await checks.stateDirectory(config)
      const user = await futureUser(config.postgresql.dataDir)
      if (user) become(user)
      const { dataDirectory, programs, ports, tlsFiles, store } = checks
      const others = [dataDirectory, programs, ports, tlsFiles, store]
      const found = await Promise.all(others.map(check => check(config)))
      return [...first, ...found.flat()]
    },
  ]
}

/**
 * False when the agent must not start. Where PostgreSQL runs already it is adopted whatever was found: ending would
 * cost an outage that the finding may not be worth.
 */
export async function passes(
  loaded: LoadedConfig,
  checks: readonly EnvironmentCheck[],
  print: (line: string) => void,
): Promise<boolean> {
  const found = await checkEnvironment(loaded, checks)
  const adopting = loaded.config !== null && (await instanceRuns(loaded.config.postgresql.dataDir))
  const judged = found.map((finding): Finding => (adopting ? { ...finding, severity: 'warning' } : finding))
  for (const finding of judged) print(formatFinding(finding))
  return judged.every(finding => finding.severity !== 'error')
}

async function instanceRuns(dataDirectory: string): Promise<boolean> {
  const file = await readPostmasterFile(dataDirectory).catch(() => null)
  return file !== null && (await runsOn(file.pid, dataDirectory))
}

function surroundings(environment: Environment): Parameters<typeof environmentChecks>[0] {
  return {
    programObstacle: (name, config) => programObstacle(name as ProgramName, config, environment),
    storeObstacle,
    instanceRuns,
    agentRuns: isLocked,
    unfinishedMarker: MARKER_FILE,
  }
}

async function programObstacle(
  name: ProgramName,
  { postgresql }: LocalConfig,
  environment: Environment,
): Promise<string | null> {
  try {
    await findProgram(name, {
      binDirectory: postgresql.binDir,
      programNames: postgresql.binNames,
      dataDirectory: postgresql.dataDir,
      path: environment['PATH'],
    })
    return null
  } catch (error) {
    return isVigilError(error, 'BINARIES_NOT_FOUND') ? String(error.details['directory']) : reasonOf(error)
  }
}

async function storeObstacle(config: LocalConfig): Promise<string | null> {
  const store = openEtcd(await storeOptions(config))
  try {
    await store.list(clusterKeys(config.namespace, config.scope).prefix, AbortSignal.timeout(STORE_LIMIT_MS))
    return null
  } catch (error) {
    const code = isVigilError(error) ? String(error.details['reason'] ?? '') : ''
    return code || reasonOf(error)
  } finally {
    store.close()
  }
}
