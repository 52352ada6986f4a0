// A new cluster: initdb in the empty data directory, under a marker until somebody may have data in it.
import { chmod, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { VigilError } from '../../kernel/errors.ts'
import { emptyMarked, significantNames } from './data-directory.ts'
import { syncDirectory, writeDurably } from './durable.ts'
import { currentAccount, defaultHba } from './hba.ts'
import type { PostgresHost } from './host.ts'
import { readMarker, writeMarker } from './marker.ts'
import { programArguments } from './program-options.ts'
import { failureOf, run } from './run.ts'
import { withSecretFile } from './secret-file.ts'

const LIMIT_MS = 10 * 60_000
const REFUSED = [
  'pgdata',
  'nosync',
  'no-sync',
  'pwfile',
  'pwprompt',
  'sync-only',
  'version',
  'help',
  'username',
]

/**
 * initdb accepts only an empty directory and an interrupted one leaves rubbish; so it works in a folder below the
 * marker, and the result is moved up.
 */
export async function initialise(host: PostgresHost, signal: AbortSignal): Promise<void> {
  const { dataDirectory } = host.options
  await claimEmpty(dataDirectory, 'bootstrap')
  const folder = join(dataDirectory, 'vigil.new')
  await runInitdb(host, folder, signal)
  const access = { ...host.options, account: currentAccount() }
  await writeDurably(join(folder, 'pg_hba.conf'), defaultHba(access))
  await moveUp(folder, dataDirectory)
}

/** Marks the empty directory as ours, making it if need be. @throws VigilError DATA_DIRECTORY if it holds anything. */
export async function claimEmpty(dataDirectory: string, what: 'bootstrap' | 'clone'): Promise<void> {
  const fail = (reason: string) => new VigilError('DATA_DIRECTORY', { directory: dataDirectory, reason })
  const names = await significantNames(dataDirectory)
  if (names === null) {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 }).catch(error => {
      throw fail(`it can't be made (${String(error.code ?? error)})`)
    })
  } else if (names.length > 0) {
    if ((await readMarker(dataDirectory))?.what !== 'clone') throw fail('it is not empty')
    await emptyMarked(dataDirectory)
  }
  await makePrivate(dataDirectory)
  await writeMarker(dataDirectory, { what })
}

/** PostgreSQL starts on nothing that others may enter, and who makes a directory by hand seldom thinks of it. */
async function makePrivate(dataDirectory: string): Promise<void> {
  const { mode } = await stat(dataDirectory)
  if ((mode & 0o027) !== 0) await chmod(dataDirectory, 0o700)
}

/** The control file goes last: without it nothing takes the directory for a complete one. */
export async function moveUp(folder: string, target: string): Promise<void> {
  const names = await readdir(folder)
  const last = ['global', 'PG_VERSION']
  const ordered = [
    ...names.filter(name => !last.includes(name)),
    ...last.filter(name => names.includes(name)),
  ]
  for (const name of ordered) await rename(join(folder, name), join(target, name))
  await rmdir(folder)
  await syncDirectory(target)
}

async function runInitdb(host: PostgresHost, folder: string, signal: AbortSignal): Promise<void> {
  const { options } = host
  const program = await host.program('initdb')
  const configured = programArguments('bootstrap.initdb', options.initdb, REFUSED)
  const has = (name: string) =>
    configured.some(argument => argument === `--${name}` || argument.startsWith(`--${name}=`))
  // Rejecting until our own pg_hba.conf is in place: initdb's default trusts everybody on the machine.
  const own = has('auth')
    ? []
    : [
        ...(has('auth-local') ? [] : ['--auth-local=peer']),
        ...(has('auth-host') ? [] : ['--auth-host=reject']),
      ]
  const result = await withSecretFile(options.stateDirectory, options.superuser.password, async pwfile =>
    run(
      program,
      [
        ...configured,
        ...own,
        `--username=${options.superuser.username}`,
        ...(pwfile ? [`--pwfile=${pwfile}`] : []),
        `--pgdata=${folder}`,
      ],
      { environment: host.environment(), signal, limitMs: LIMIT_MS, diesWithUs: true },
    ),
  )
  if (result.code === 0) return
  await rm(folder, { recursive: true, force: true })
  throw new VigilError('POSTGRES_FAILED', { reason: `initdb failed: ${failureOf(result)}` })
}
