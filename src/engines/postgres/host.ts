// What every part of the engine needs: the options, the programs, the environment of children, the local connection.
import { VigilError } from '../../kernel/errors.ts'
import type { Target } from './connection.ts'
import { unknownParameters } from './known-parameters.ts'
import type { Credentials, PostgresOptions } from './options.ts'
import { type PostmasterFile, postmasterFileReader } from './postmaster-file.ts'
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
  /** Of the data directory, as the file says now. */
  postmaster(): Promise<PostmasterFile | null>
  /** The instance that runs on the data directory, whoever started it; null when there is none. */
  local(change?: Partial<Target>): Promise<Target | null>
}

export function postgresHost(options: PostgresOptions): PostgresHost {
  const unknownOf = unknownParameters()
  const warned = new Set<string>()
  const postmaster = sharedReading(options.dataDirectory)
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
    postmaster,
    async local(change = {}) {
      const running = await postmaster()
      return running === null ? null : targetOf(options, running, change)
    },
  }
}

export function targetOf(
  { superuser, database }: PostgresOptions,
  { host, port }: PostmasterFile,
  change: Partial<Target> = {},
): Target {
  return { host, port, credentials: superuser, database, ...change }
}

/** Several that ask at the same time, as each look does, share one reading. */
function sharedReading(dataDirectory: string): () => Promise<PostmasterFile | null> {
  const read = postmasterFileReader(dataDirectory)
  let reading: Promise<PostmasterFile | null> | null = null
  return () => {
    reading ??= read().finally(() => {
      reading = null
    })
    return reading
  }
}

/** Whom pg_rewind and SQL on other members run as. */
export function rewindCredentials(options: PostgresOptions): Credentials {
  return options.rewind ?? options.superuser
}

/** @throws VigilError POSTGRES_FAILED when nothing runs */
export async function localTarget(host: PostgresHost, change: Partial<Target> = {}): Promise<Target> {
  const target = await host.local(change)
  if (target === null) throw new VigilError('POSTGRES_FAILED', { reason: nothingRuns(host) })
  return target
}

export function nothingRuns({ options }: PostgresHost): string {
  return `no instance runs on ${options.dataDirectory}`
}
