// Whether a new connection gets a record into the WAL: the health of a primary (protocol A12-1).
import { reasonOf } from '../../kernel/errors.ts'
import type { WriteAnswer } from '../../ports/engine.ts'
import { connect, sqlState } from './connection.ts'
import { localTarget, type PostgresHost } from './host.ts'
import { WRITE_PROBE } from './sql.ts'

/** Not yet or not any more (57P03), no session left (53300), a password or pg_hba.conf: says nothing of the disk. */
const KEPT_OUT = /^(57P0.|53300|28...|42501|25006)$/

/** Given up by the signal only: its session may wait for a disk, and a second one would wait beside it. */
export async function probeWrite(host: PostgresHost, signal: AbortSignal): Promise<WriteAnswer> {
  let connected = false
  try {
    const parameters = { synchronous_commit: 'local' }
    const target = await localTarget(host, { parameters, statementTimeoutMs: 0 })
    const connection = await connect(target, signal)
    connected = true
    try {
      await connection.query(WRITE_PROBE, [], signal)
      return { kind: 'written' }
    } finally {
      connection.close()
    }
  } catch (error) {
    const state = sqlState(error)
    if (signal.aborted) return { kind: 'failed', reason: 'no answer' }
    // Whether somebody answers at all is for the other probes to say.
    if (!connected || state === null || KEPT_OUT.test(state))
      return { kind: 'kept-out', reason: reasonOf(error) }
    return { kind: 'failed', reason: reasonOf(error) }
  }
}
