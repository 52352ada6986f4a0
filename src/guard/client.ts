// The agent's side of the guard: finds or starts it, asks it, and knows when it can't be relied on.
import { setTimeout as delay } from 'node:timers/promises'
import { VigilError } from '../kernel/errors.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { Guard, GuardAnswer, GuardStatus } from '../ports/guard.ts'
import { type Connection, ECHO_AGE_MAX_MS, type Hello, isNoAnswer, openConnection } from './connection.ts'
import { resolveDirectory } from './data-files.ts'
import { killGuard, killInstanceWithoutGuard } from './kill.ts'
import { type LaunchedGuard, type LaunchOptions, launchGuard } from './launch.ts'
import type { GuardMessage } from './model.ts'
import { PROTOCOL_VERSION, socketPath } from './wire.ts'

const RETRY_MS = 25
const KILL_ATTEMPTS = 20
/** Two readings of the same clocks, one message apart. More means that somebody counts from another zero. */
const CLOCK_DIFFERENCE_MAX_MS = 10_000
/** These wait for the disk, or for the kernel to end processes. */
const SLOW_ANSWER_MS = 5000

export interface GuardClientOptions extends LaunchOptions {
  /** The machine's clocks (openMachineClock): deadlines are exchanged. */
  readonly now: () => Instant
}

export function createGuardClient(options: GuardClientOptions): Guard {
  const listeners = new Set<() => void>()
  let connection: Connection | null = null
  let launched: LaunchedGuard | null = null
  let ensuring: Promise<boolean> | null = null
  let seen = ''
  /** As the kernel names it; known beforehand, since fencing must not wait for a disk. */
  let directory = options.dataDirectory

  function changed(): void {
    const now = summary(connection?.heard()?.status)
    if (now === seen) return
    seen = now
    for (const listener of listeners) listener()
  }

  async function ensure(signal: AbortSignal): Promise<boolean> {
    if (connection?.open) return connection.heard() !== null
    while (!signal.aborted) {
      const tried = await tryConnect(options, changed)
      if (tried.kind === 'connected') {
        connection = tried.connection
        // It has started; if it dies from now on, that is another story.
        launched = null
        directory = await resolveDirectory(options.dataDirectory)
        changed()
        return true
      }
      // It is there and does not speak: stopped. Another beside it would help nobody.
      if (tried.kind === 'silent') return false
      await launchUnlessRunning()
      await delay(RETRY_MS)
    }
    return false
  }

  async function launchUnlessRunning(): Promise<void> {
    const code = launched?.exitCode()
    if (launched && code === null) return
    if (launched && code !== 0) {
      const failed = launched
      launched = null
      throw new VigilError('GUARD_UNAVAILABLE', {
        reason: (await failed.complaint()) || `exit status ${code}`,
      })
    }
    launched = await launchGuard(options)
  }

  async function ask(message: GuardMessage, limit: Ms = ECHO_AGE_MAX_MS): Promise<GuardAnswer> {
    return connection?.request(message, limit) ?? { kind: 'lost', reason: 'not connected to the guard' }
  }

  /** The instance first: what the guard would have done. Then the guard, which is of no use any more. */
  async function killWithoutGuard(): Promise<boolean> {
    let alive = killInstanceWithoutGuard(directory, connection?.last().status.postmaster ?? null)
    if (!connection?.heard()) killGuard(options.stateDirectory)
    for (let again = 0; alive && again < KILL_ATTEMPTS; again++) {
      await delay(RETRY_MS)
      alive = killInstanceWithoutGuard(directory, null)
    }
    return !alive
  }

  return {
    status: () => connection?.heard() ?? null,
    ensure(signal) {
      ensuring ??= ensure(signal).finally(() => {
        ensuring = null
      })
      return ensuring
    },
    arm: (term, deadline, ttl) => ask({ kind: 'arm', term, deadline, ttl }),
    lower: deadline => ask({ kind: 'lower', deadline }),
    drop: term => ask({ kind: 'drop', term }),
    unarm: term => ask({ kind: 'unarm', term }),
    async start(command) {
      directory = await resolveDirectory(options.dataDirectory)
      return ask({ kind: 'start', command }, SLOW_ANSWER_MS)
    },
    stop: mode => ask({ kind: 'stop', mode }),
    promote: term => ask({ kind: 'promote', term }, SLOW_ANSWER_MS),
    kill: () => ask({ kind: 'kill' }, SLOW_ANSWER_MS),
    killWithoutGuard,
    onChange: listener => void listeners.add(listener),
    async quit() {
      const answer = await ask({ kind: 'quit' })
      if (answer.kind === 'done') connection?.close()
    },
    detach: () => connection?.close(),
  }
}

type Attempt =
  | { readonly kind: 'connected'; readonly connection: Connection }
  | { readonly kind: 'absent' | 'silent' }

async function tryConnect(options: GuardClientOptions, changed: () => void): Promise<Attempt> {
  const { stateDirectory, now } = options
  let connection: Connection
  try {
    connection = await openConnection({ path: socketPath(stateDirectory), now, changed })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') throw new VigilError('GUARD_UNAVAILABLE', { reason: message })
    // A guard that is just dying may still accept, and hang up.
    return { kind: isNoAnswer(error) ? 'silent' : 'absent' }
  }
  const reason = mismatch(connection.hello, options)
  if (reason === null) return { kind: 'connected', connection }
  connection.close()
  throw new VigilError('GUARD_UNAVAILABLE', { reason })
}

/** Why the guard that answered is not the one to work with. */
function mismatch(hello: Hello, { stateDirectory, dataDirectory, now }: GuardClientOptions): string | null {
  if (hello.version !== PROTOCOL_VERSION)
    return `the running guard speaks version ${hello.version}, this agent ${PROTOCOL_VERSION}: stop PostgreSQL first`
  if (hello.dataDirectory !== dataDirectory)
    return `the guard in ${stateDirectory} watches over ${hello.dataDirectory}`
  if (elapsedAtMost(hello.now, now()) > CLOCK_DIFFERENCE_MAX_MS)
    return 'its clocks are not the ones of this process'
  return null
}

/** What is worth waking the agent for; the deadline it moves itself. */
function summary(status: GuardStatus | undefined): string {
  if (!status) return ''
  const { mode, term, postmaster, alive, exit, adopted, obstacles, forbids } = status
  return JSON.stringify([mode, term, postmaster, alive, exit, adopted, obstacles, forbids])
}
