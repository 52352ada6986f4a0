// Slots, and what other members say over the replication protocol.
import { VigilError } from '../../kernel/errors.ts'
import type { Timeline } from '../../kernel/lsn.ts'
import type { HistoryLine, Upstream } from '../../ports/engine.ts'
import { sqlState, type Target, withConnection } from './connection.ts'
import { parseHistory } from './history.ts'
import { localTarget, type PostgresHost } from './host.ts'
import * as sql from './sql.ts'

const DUPLICATE_OBJECT = '42710'
const UNDEFINED_FILE = '58P01'
const OBJECT_IN_USE = '55006'

/** Creates what is missing and drops what is named and idle; neither minds that it was done before. */
export async function ensureSlots(
  host: PostgresHost,
  wanted: readonly string[],
  drop: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const name of [...wanted, ...drop]) checkSlotName(name)
  await withConnection(await localTarget(host), signal, async query => {
    const present = new Map(
      (await query(sql.SLOT_NAMES)).map(row => [row['name'], row['active'] === 'true'] as const),
    )
    for (const name of wanted) {
      if (!present.has(name)) await ignoring(DUPLICATE_OBJECT, query(sql.CREATE_SLOT, [name]))
    }
    for (const name of drop) {
      if (present.get(name) === false) await ignoring(OBJECT_IN_USE, query(sql.DROP_SLOT, [name]))
    }
  })
}

export async function historyOf(
  host: PostgresHost,
  source: Upstream,
  timeline: Timeline,
  signal: AbortSignal,
): Promise<readonly HistoryLine[] | null> {
  if (timeline === 1) return []
  return withConnection(walSenderTarget(host, source), signal, async query => {
    try {
      const [row] = await query(sql.timelineHistory(timeline))
      return parseHistory(row?.['content'] ?? '')
    } catch (error) {
      if (sqlState(error) === UNDEFINED_FILE) return null
      throw error
    }
  })
}

export interface SourceIdentity {
  readonly systemIdentifier: string
  readonly timeline: Timeline
}

/** @throws VigilError FOREIGN_SOURCE when the server is not of this cluster */
export async function identifySource(
  host: PostgresHost,
  source: Upstream,
  expected: string,
  signal: AbortSignal,
): Promise<SourceIdentity> {
  const [row] = await withConnection(walSenderTarget(host, source), signal, query =>
    query(sql.IDENTIFY_SYSTEM),
  )
  const systemIdentifier = row?.['systemid'] ?? 'unknown'
  if (systemIdentifier !== expected) {
    throw new VigilError('FOREIGN_SOURCE', { source: describe(source), found: systemIdentifier, expected })
  }
  return { systemIdentifier, timeline: Number(row?.['timeline']) }
}

export function describe(source: Upstream): string {
  return `${source.name} (${source.host}:${source.port})`
}

function walSenderTarget(host: PostgresHost, source: Upstream): Target {
  const { replication, database } = host.options
  return { host: source.host, port: source.port, credentials: replication, database, replication: 'true' }
}

function checkSlotName(name: string): void {
  if (!/^[a-z0-9_]{1,63}$/.test(name))
    throw new VigilError('REQUEST_REFUSED', {
      reason: `"${name.replace(/[^\x20-\x7e]/g, '?')}" can't be the name of a slot`,
    })
}

async function ignoring(state: string, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (sqlState(error) !== state) throw error
  }
}
