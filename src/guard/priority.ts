// Puts the guard before everything else that wants the processor (docs/decisions/0015): at the deadline it must not queue.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const LIMIT_MS = 2000

/**
 * Real-time class for this thread, ordinary for what it starts. Otherwise why not: it takes CAP_SYS_NICE, or a limit
 * for real-time priority; without it the guard queues behind busy backends for some tenths of a second.
 */
export async function raisePriority(): Promise<string | null> {
  try {
    const options = ['--reset-on-fork', '--fifo', '--pid', '1', `${process.pid}`]
    await promisify(execFile)('/usr/bin/chrt', options, { timeout: LIMIT_MS, env: {}, cwd: '/' })
    return null
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return absent ? 'chrt (util-linux) is not installed' : 'no right to (CAP_SYS_NICE, or LimitRTPRIO=1)'
  }
}
