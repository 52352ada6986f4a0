// pg_basebackup into an empty folder, with progress.
import { VigilError } from '../../kernel/errors.ts'
import type { CloneProgress, Upstream } from '../../ports/engine.ts'
import { formatConninfo, formatPassfileLine } from './conninfo.ts'
import type { PostgresHost } from './host.ts'
import type { Credentials } from './options.ts'
import { programArguments } from './program-options.ts'
import { describe } from './replication.ts'
import { failureOf, run } from './run.ts'
import { withSecretFile } from './secret-file.ts'

export interface CopyOrder {
  readonly source: Upstream
  readonly slot: string | null
  readonly progress: (progress: CloneProgress) => void
}

const REFUSED = [
  'pgdata',
  'format',
  'write-recovery-conf',
  'wal-method',
  'dbname',
  'host',
  'port',
  'username',
  'no-password',
  'password',
  'slot',
  'create-slot',
  'no-slot',
  'progress',
  'no-clean',
  'no-sync',
  'target',
  'waldir',
  'incremental',
]

/** @throws VigilError CLONE_FAILED */
export async function copyFrom(
  host: PostgresHost,
  order: CopyOrder,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const { options } = host
  const program = await host.program('pg_basebackup')
  const configured = programArguments('postgresql.basebackup', options.basebackup ?? [], REFUSED)
  const result = await withClientPassword(host, order.source, options.replication, environment =>
    run(
      program,
      [
        ...(configured.some(argument => argument.startsWith('--checkpoint')) ? [] : ['--checkpoint=fast']),
        ...configured,
        `--pgdata=${folder}`,
        '--format=plain',
        '--wal-method=stream',
        '--progress',
        '--no-password',
        ...(order.slot ? [`--slot=${order.slot}`] : []),
        `--dbname=${sourceConninfo(order.source, options.replication, `pg_basebackup of ${options.member}`)}`,
      ],
      {
        environment,
        signal,
        diesWithUs: true,
        onErrorLine: line => {
          const progress = parseProgress(line)
          if (progress) order.progress(progress)
        },
      },
    ),
  )
  if (result.code === 0) return
  throw new VigilError('CLONE_FAILED', { source: describe(order.source), reason: failureOf(result) })
}

/** `  1234/56789 kB (2%), 0/1 tablespace`. The total is an estimate and may be exceeded. */
export function parseProgress(line: string): CloneProgress | null {
  const match = /^\s*(\d+)\/(\d+) kB/.exec(line)
  return match ? { bytesDone: Number(match[1]) * 1024, bytesTotal: Number(match[2]) * 1024 } : null
}

/** Without a password, which comes from a private file. */
export function sourceConninfo(
  source: Upstream,
  credentials: Credentials,
  application: string,
  database?: string,
): string {
  const { sslpassword: _, ...connection } = credentials.connection ?? {}
  return formatConninfo({
    host: source.host,
    port: source.port,
    user: credentials.username,
    dbname: database,
    sslmode: 'prefer',
    connect_timeout: '10',
    keepalives_idle: '10',
    ...connection,
    application_name: application,
  })
}

/** Calls `use` with the environment of a client program; only that child knows where the password file is. */
export async function withClientPassword<T>(
  host: PostgresHost,
  source: Upstream,
  credentials: Credentials,
  use: (environment: Record<string, string>) => Promise<T>,
): Promise<T> {
  const { username: user, password } = credentials
  const line =
    password === null
      ? null
      : formatPassfileLine({ host: source.host, port: source.port, database: null, user, password })
  return withSecretFile(host.options.stateDirectory, line, passfile =>
    use(host.environment({ LC_ALL: 'C', PGPASSFILE: passfile ?? '/dev/null' })),
  )
}
