// The lines of pg_waldump, one after the other: its output may be longer than memory.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { formatLsn, type Lsn } from '../../../kernel/lsn.ts'
import type { PostgresHost } from '../host.ts'
import type { WalRange } from './divergence.ts'

const ERRORS_KEPT = 2048

/**
 * Calls `each` for every record from `begin` on and waits for it. Returns what the program said at its end: that the WAL
 * ends is an error to it. @throws when it can't be started or the signal ends it
 */
export async function dumpWal(
  host: PostgresHost,
  range: WalRange & { readonly begin: Lsn },
  each: (line: string) => Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  const program = await host.program('pg_waldump')
  const wal = `${host.options.dataDirectory}/pg_wal`
  const args = ['-p', wal, '-t', String(range.timeline), '-s', formatLsn(range.begin)]
  const child = spawn(program, range.to === null ? args : [...args, '-e', formatLsn(range.to)], {
    env: host.environment({ LC_ALL: 'C', TZ: 'UTC' }),
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stop = () => child.kill('SIGKILL')
  signal.addEventListener('abort', stop, { once: true })
  let errors = ''
  child.stderr.on('data', data => {
    errors = (errors + String(data)).slice(-ERRORS_KEPT)
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
  ended.catch(() => {})
  try {
    signal.throwIfAborted()
    for await (const line of createInterface({ input: child.stdout })) await each(line)
    await ended
    signal.throwIfAborted()
    return errors.trim().split('\n').at(-1) ?? ''
  } finally {
    stop()
    signal.removeEventListener('abort', stop)
  }
}
