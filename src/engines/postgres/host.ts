// What every part of the engine needs: the options, the programs, the environment of children, the local connection.
import { VigilError } from '../../kernel/errors.ts'
import type { Target } from './connection.ts'
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
  /** For clients of PostgreSQL and helpers. */
  environment(extra?: Readonly<Record<string, string>>): Record<string, string>
  /** The instance that runs on the data directory, whoever started it; null when there is none. */
  local(change?: Partial<Target>): Promise<Target | null>
}

export function postgresHost(options: PostgresOptions): PostgresHost {
  return {
    options,
    configDirectory: options.configDirectory ?? options.dataDirectory,
    program: name =>
      findProgram(name, {
        binDirectory: options.binDirectory,
        programNames: options.programNames,
        dataDirectory: options.dataDirectory,
        path: options.environment['PATH'],
      }),
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
