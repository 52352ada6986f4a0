// What every part of the engine needs: the options, the programs, the environment of children, the local connection.
import { VigilError } from '../../kernel/errors.ts'
import type { Target } from './connection.ts'
import { unknownParameters } from './known-parameters.ts'
import type { Credentials, PostgresOptions } from './options.ts'
import { readPostmasterFile } from './postmaster-file.ts'
import { dataVersion, findProgram, type ProgramName } from './programs.ts'
import { childEnvironment } from './run.ts'

export interface PostgresHost {
  readonly options: PostgresOptions
  /** Where postgresql.conf lies. */
  readonly configDirectory: string
  /** @throws VigilError BINARIES_NOT_FOUND */
  program(name: ProgramName): Promise<string>
  dataVersion(): Promise<number | null>
  /** Those of the names that this PostgreSQL does not know. */
  unknownParameters(names: readonly string[]): Promise<readonly string[]>
  /** For clients of PostgreSQL and helpers. */
  environment(extra?: Readonly<Record<string, string>>): Record<string, string>
  /** The instance that runs on the data directory, whoever started it; null when there is none. */
  local(change?: Partial<Target>): Promise<Target | null>
}

export function postgresHost(options: PostgresOptions): PostgresHost {
  const unknownOf = unknownParameters()
  const warned = new Set<string>()
  const program = (name: ProgramName) =>
    findProgram(name, {
      binDirectory: options.binDirectory,
      programNames: options.programNames,
      dataDirectory: options.dataDirectory,
      path: options.environment['PATH'],
    })
  return {
    options,
    configDirectory: options.configDirectory ?? options.dataDirectory,
    program,
    async unknownParameters(names) {
      const { dataDirectory } = options
      const environment = childEnvironment(options.environment, { LC_ALL: 'C' })
      const unknown = await unknownOf(names, {
        program: await program('postgres'),
        dataDirectory,
        environment,
      })
      for (const name of unknown) {
        if (!warned.has(name)) options.log.warn('PostgreSQL does not know this parameter, left out', { name })
        warned.add(name)
      }
      return unknown
    },
    dataVersion: () => dataVersion(options.dataDirectory),
    environment: extra => childEnvironment(options.environment, extra),
    async local(change = {}) {
      const postmaster = await readPostmasterFile(options.dataDirectory)
      if (postmaster === null) return null
      const { host, port } = postmaster
      return { host, port, credentials: options.superuser, database: options.database, ...change }
    },
  }
}

/** Whom pg_rewind and SQL on other members run as. */
export function rewindCredentials(options: PostgresOptions): Credentials {
  return options.rewind ?? options.superuser
}

/** @throws VigilError POSTGRES_FAILED when nothing runs */
export async function localTarget(host: PostgresHost, change: Partial<Target> = {}): Promise<Target> {
  const target = await host.local(change)
  if (target === null)
    throw new VigilError('POSTGRES_FAILED', { reason: `no instance runs on ${host.options.dataDirectory}` })
  return target
}
