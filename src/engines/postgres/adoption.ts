// The proof that every process has been told of the synchronous names (protocol A8, step 3).
import { type Lsn, parseLsn } from '../../kernel/lsn.ts'
import { withConnection } from './connection.ts'
import { localTarget, type PostgresHost } from './host.ts'
import * as sql from './sql.ts'

/**
 * The postmaster signals its children before it forks a session, so what a new one shows every process has been told;
 * and a walsender reads what it was told before it reads a reply to WAL that was written after that.
 */
export async function adoption(
  host: PostgresHost,
  signal: AbortSignal,
): Promise<{ readonly names: string; readonly lsn: Lsn | null }> {
  return withConnection(await localTarget(host), signal, async query => {
    await query(sql.WAIT_FOR_NOBODY)
    const [shown] = await query(sql.SYNCHRONOUS_NAMES)
    const names = shown?.['names'] ?? ''
    if (shown?.['standby'] === 'true') return { names, lsn: null }
    await query(sql.WRITE_PROBE)
    const [row] = await query(sql.FLUSHED)
    return { names, lsn: parseLsn(row?.['flushed'] ?? '') }
  })
}
