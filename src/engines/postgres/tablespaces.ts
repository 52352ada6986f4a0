// User tablespaces lie at the same path on every member, so a copy can't be made where that path is in use.
import { VigilError } from '../../kernel/errors.ts'
import type { Upstream } from '../../ports/engine.ts'
import { type Row, withConnection } from './connection.ts'
import { significantNames } from './data-directory.ts'
import { type PostgresHost, rewindCredentials } from './host.ts'
import { describe } from './replication.ts'
import { TABLESPACES } from './sql.ts'

/** @throws VigilError CLONE_FAILED naming the paths */
export async function refuseOccupiedTablespaces(
  host: PostgresHost,
  source: Upstream,
  signal: AbortSignal,
): Promise<void> {
  const occupied: string[] = []
  for (const { location } of await tablespaces(host, source, signal)) {
    const names = await significantNames(location ?? '').catch(() => ['unreadable'])
    if (names !== null && names.length > 0) occupied.push(String(location))
  }
  if (occupied.length === 0) return
  throw new VigilError('CLONE_FAILED', {
    source: describe(source),
    reason: `the source has tablespaces at paths that are in use here (${occupied.join(', ')}). Move what lies there away, then the copy is made`,
  })
}

/** Empty when SQL is not allowed to us: pg_basebackup then refuses an occupied path by itself, only later. */
async function tablespaces(
  host: PostgresHost,
  source: Upstream,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const { database } = host.options
  const target = {
    host: source.host,
    port: source.port,
    credentials: rewindCredentials(host.options),
    database,
  }
  try {
    return await withConnection(target, signal, query => query(TABLESPACES))
  } catch (error) {
    if (signal.aborted) throw error
    return []
  }
}
