// Tells a service manager (systemd) that the agent is ready, how it is and that it goes on: sd_notify without a library.
// Node can't send to a Unix datagram socket; a file descriptor that is connected to one it can write to like to any other.
import { execFile } from 'node:child_process'
import { accessSync, constants, write } from 'node:fs'

const LIMIT_MS = 5000
const FIRST_PASSED_FD = 3
const PROGRAMS = ['/usr/bin/systemd-notify', '/bin/systemd-notify']

type Environment = Readonly<Record<string, string | undefined>>

export interface ServiceManager {
  /** How often it wants to hear that the agent goes on, already with time to spare; null: not at all. */
  readonly aliveEveryMs: number | null
  /** `READY=1`, `STATUS=...`, `WATCHDOG=1`, ... Never throws and never waits; dropped while the last is under way. */
  tell(...words: readonly string[]): void
}

/** null: nobody listens. */
export function openServiceManager(environment: Environment, pid: number): ServiceManager | null {
  const socket = environment['NOTIFY_SOCKET']
  const descriptor = passedDescriptor(environment, pid)
  const program = PROGRAMS.find(executable)
  if (descriptor === null && (!socket || program === undefined)) return null
  let busy = false
  const sent = () => {
    busy = false
  }
  return {
    aliveEveryMs: watchdogMs(environment, pid),
    tell(...words) {
      if (busy) return
      busy = true
      // One datagram, one line for each word.
      if (descriptor !== null) write(descriptor, words.join('\n'), sent)
      else execFile(program!, words, { env: { NOTIFY_SOCKET: socket }, cwd: '/', timeout: LIMIT_MS }, sent)
    },
  }
}

/** `OpenFile=/run/systemd/notify:notify` (systemd 253): connected by the manager, and nothing has to be started. */
function passedDescriptor(environment: Environment, pid: number): number | null {
  if (environment['LISTEN_PID'] !== `${pid}`) return null
  const index = (environment['LISTEN_FDNAMES'] ?? '').split(':').indexOf('notify')
  return index < 0 ? null : FIRST_PASSED_FD + index
}

/** A third of what it allows: one word may be late, and one may be lost. */
function watchdogMs(environment: Environment, pid: number): number | null {
  const [microseconds, whose] = [Number(environment['WATCHDOG_USEC']), environment['WATCHDOG_PID']]
  const ours = whose === undefined || whose === `${pid}`
  return ours && microseconds > 0 ? microseconds / 1000 / 3 : null
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
