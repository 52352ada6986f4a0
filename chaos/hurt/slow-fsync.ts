// Every fsync of some processes takes longer: strace holds it up.
import { spawn } from 'node:child_process'

/** Until the returned function is called; the processes then go on at their own pace. */
export function slowFsync(pids: readonly number[], delayMs: number): () => Promise<void> {
  const calls = 'fsync,fdatasync,sync_file_range'
  const args = [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:delay_enter=${delayMs * 1000}`,
    ...pids.flatMap(pid => ['-p', String(pid)]),
  ]
  const tracer = spawn('strace', args, { stdio: 'ignore' })
  const ended = new Promise<void>(resolve => {
    tracer.once('error', () => resolve())
    tracer.once('exit', () => resolve())
  })
  return async () => {
    tracer.kill('SIGTERM')
    await ended
  }
}
