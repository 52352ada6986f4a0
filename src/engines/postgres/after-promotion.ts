// What a promotion leaves to be done on disk: the signal file, and the numbers it passed over for the archive.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Target, withConnection } from './connection.ts'
import { isMissing, readIfPresent, writeDurably } from './durable.ts'
import { historyName, numbersPassedOver } from './history.ts'
import type { PostgresHost } from './host.ts'
import { ARCHIVE_MODE } from './sql.ts'

const LIMIT_MS = 5000

/** Any later start is one as a standby (decision 0012). */
export async function ensureStandbySignal(dataDirectory: string): Promise<void> {
  const path = join(dataDirectory, 'standby.signal')
  if ((await readIfPresent(path)) === null) await writeDurably(path, '')
}

/**
 * PostgreSQL archives only histories that it made itself; a restore that finds a gap in the archive stops on the old
 * timeline and misses everything since (decision 0016).
 */
export async function archivePassedOver(host: PostgresHost): Promise<void> {
  const { dataDirectory } = host.options
  const status = join(dataDirectory, 'pg_wal', 'archive_status')
  const present = new Set(await namesIn(status))
  const names = (await numbersPassedOver(dataDirectory)).map(historyName)
  const missing = names.filter(name => !present.has(`${name}.ready`) && !present.has(`${name}.done`))
  const target = missing.length === 0 ? null : await host.local()
  if (target === null || !(await archives(target))) return
  for (const name of missing) await writeDurably(join(status, `${name}.ready`), '')
}

async function archives(target: Target): Promise<boolean> {
  const limit = AbortSignal.timeout(LIMIT_MS)
  const [row] = await withConnection(target, limit, query => query(ARCHIVE_MODE))
  return row?.['archive_mode'] !== 'off'
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
