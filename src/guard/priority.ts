// Puts the guard before everything else that wants the processor (docs/decisions/0015): at the deadline it must not queue.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const LIMIT_MS = 2000

/**
 * Real-time class for this thread, ordinary for what it starts. False when it is not allowed (CAP_SYS_NICE, or a limit
 * for real-time priority): then the guard queues behind busy backends for some tenths of a second.
 */
export async function raisePriority(): Promise<boolean> {
  try {
    const options = ['--reset-on-fork', '--fifo', '--pid', '1', `${process.pid}`]
    await promisify(execFile)('/usr/bin/chrt', options, { timeout: LIMIT_MS, env: {}, cwd: '/' })
    return true
  } catch {
    return false
  }
}
