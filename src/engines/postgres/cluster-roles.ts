// What a new cluster needs before anybody uses it: passwords, the roles for replication and rewind, post_bootstrap.
import { VigilError } from '../../kernel/errors.ts'
import { type Row, withConnection } from './connection.ts'
import { formatPassfileLine } from './conninfo.ts'
import { localTarget, type PostgresHost } from './host.ts'
import { readMarker, writeMarker } from './marker.ts'
import type { Credentials } from './options.ts'
import { failureOf, run } from './run.ts'
import { scramVerifier, verifies } from './scram.ts'
import { withSecretFile } from './secret-file.ts'
import * as sql from './sql.ts'

type Query = (text: string, values?: readonly (string | null)[]) => Promise<readonly Row[]>

const POST_BOOTSTRAP_LIMIT_MS = 10 * 60_000

/** Can be repeated: it changes only what differs. */
export async function prepareCluster(host: PostgresHost, signal: AbortSignal): Promise<void> {
  const { superuser, replication, rewind } = host.options
  await withConnection(await localTarget(host), signal, async query => {
    await query(sql.WAIT_FOR_NOBODY)
    if (superuser.password !== null) await ensureRole(query, superuser, 'SUPERUSER LOGIN')
    if (replication.username !== superuser.username) await ensureRole(query, replication, 'LOGIN REPLICATION')
    if (rewind && rewind.username !== superuser.username) {
      if (rewind.username !== replication.username) await ensureRole(query, rewind, 'LOGIN')
      for (const grant of sql.rewindGrants(rewind.username)) await query(grant)
    }
  })
  await runPostBootstrap(host, signal)
}

async function ensureRole(
  query: Query,
  { username, password }: Credentials,
  attributes: string,
): Promise<void> {
  const [role] = await query(sql.ROLE_PASSWORD, [username])
  const fits = password === null || (await verifies(role?.['verifier'] ?? null, password))
  const verifier = fits && role ? null : password === null ? null : await scramVerifier(password)
  await query(
    role ? sql.alterRole(username, attributes, verifier) : sql.createRole(username, attributes, verifier),
  )
}

/** Once in the life of a cluster: remembered in the bootstrap marker, which goes when the cluster is served. */
async function runPostBootstrap(host: PostgresHost, signal: AbortSignal): Promise<void> {
  const { postBootstrap, dataDirectory, stateDirectory, superuser } = host.options
  const marker = await readMarker(dataDirectory)
  if (!postBootstrap || marker?.what !== 'bootstrap' || marker.postBootstrapDone) return
  const [program, ...args] = words(postBootstrap)
  if (!program) return
  const target = await localTarget(host)
  const place = `host=${encodeURIComponent(target.host)}&port=${target.port}`
  const uri = `postgresql://${encodeURIComponent(superuser.username)}@/${encodeURIComponent(target.database)}?${place}`
  const secret =
    superuser.password === null
      ? null
      : formatPassfileLine({
          host: null,
          port: null,
          database: null,
          user: superuser.username,
          password: superuser.password,
        })
  const result = await withSecretFile(stateDirectory, secret, passfile =>
    run(program, [...args, uri], {
      environment: host.environment({
        PGOPTIONS: '-c synchronous_commit=local',
        ...(passfile && { PGPASSFILE: passfile }),
      }),
      signal,
      limitMs: POST_BOOTSTRAP_LIMIT_MS,
    }),
  )
  if (result.code !== 0)
    throw new VigilError('POSTGRES_FAILED', { reason: `post_bootstrap failed: ${failureOf(result)}` })
  await writeMarker(dataDirectory, { ...marker, postBootstrapDone: true })
}

/** Splits as a shell would, quotes and backslashes included, without giving the text to one. */
export function words(command: string): readonly string[] {
  const result: string[] = []
  const pattern = /\s*((?:[^\s'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+)\s*/y
  while (pattern.lastIndex < command.length) {
    const match = pattern.exec(command)
    if (!match)
      throw new VigilError('CONFIG_INVALID', { message: 'bootstrap.post_bootstrap: a quote is not closed.' })
    result.push(
      match[1]!.replace(
        /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])/g,
        (_, single, double, escaped) =>
          single ?? (double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : escaped),
      ),
    )
  }
  return result
}
