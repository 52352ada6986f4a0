// The machine's own dead-man's switch, /dev/watchdog: it resets the machine when nobody has written to it for a while.
// Written to only while the deadline leaves that much time, and switched off only when the instance is dead.
import { execFile } from 'node:child_process'
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import { reasonOf } from '../kernel/errors.ts'
import { elapsedAtLeast, type Instant, later, type Ms, reached } from '../kernel/time.ts'
import type { GuardEvent, GuardState } from './model.ts'

/** The margin F of the deadline: the guard's own kill has ended by then, and nobody else leads yet. */
const AFTER_DEADLINE_MS: Ms = 1000
const PING_MS: Ms = 150
/** From a renewal until the guard hears of it, and until the next: a timeout must leave that much of the ttl. */
const RENEWAL_MS: Ms = 2000
const SET_LIMIT_MS: Ms = 2000
const AGAIN_MS: Ms = 10_000
/** Tells the driver that closing is meant. */
const MAGIC_CLOSE = 'V'

export interface WatchdogSettings {
  readonly mode: 'off' | 'automatic' | 'required'
  readonly device: string
  /** The reset comes so long before the ttl is over; null: when half of it is. */
  readonly safetyMarginMs: Ms | null
}

export interface Watchdog {
  /** After each step of the guard: switches on, writes, switches off. */
  follow(event: GuardEvent, state: GuardState, now: Instant): void
  /** A dead guard may have left it running, and nothing is alive that it would be needed for. */
  disarmLeftover(): void
  /** Once in a while: whether it could be used. */
  inspect(): void
  /** Resolves when switching on has ended one way or the other. */
  settled(): Promise<void>
  obstacle(): string | null
  /** Why this member may not try to lead; null: it may. */
  forbids(): string | null
  /** Why it may not be promoted at this moment. */
  forbidsPromotion(): string | null
}

interface Running {
  readonly file: number
  readonly timeoutMs: Ms
}

export function createWatchdog({ mode, device, safetyMarginMs }: WatchdogSettings): Watchdog {
  let running: Running | null = null
  let opening: Promise<void> | null = null
  let obstacle: string | null = 'not looked at yet'
  /** Of the last attempt to switch it on. */
  let failure: { readonly reason: string; readonly at: Instant } | null = null
  let pingedAt: Instant | null = null
  let leading = false

  function inspect(): void {
    if (mode === 'off') obstacle = 'switched off (watchdog.mode)'
    else if (running === null && opening === null)
      obstacle = accessObstacle(device) ?? failure?.reason ?? null
  }

  function wantedMs(ttl: Ms): Ms {
    const wanted = safetyMarginMs === null ? ttl / 2 : ttl - safetyMarginMs
    return Math.max(1000, Math.floor((wanted >= 1000 ? wanted : ttl / 2) / 1000) * 1000)
  }

  async function open(ttl: Ms, now: Instant): Promise<void> {
    const unusable = accessObstacle(device)
    try {
      if (unusable !== null) throw new Error(unusable)
      const timeoutMs = await setTimeoutOf(device, wantedMs(ttl))
      if (timeoutMs > ttl - RENEWAL_MS)
        throw new Error(`its timeout of ${timeoutMs / 1000} s is too long for a ttl of ${ttl / 1000} s`)
      // It may have been a long time: the leadership may be over.
      if (!leading) return
      running = { file: openDevice(device), timeoutMs }
      failure = null
      obstacle = null
    } catch (error) {
      obstacle = reasonOf(error)
      failure = { reason: obstacle, at: now }
    } finally {
      opening = null
    }
  }

  function ping(deadline: Instant, now: Instant): void {
    if (!running || (pingedAt && elapsedAtLeast(pingedAt, now) < PING_MS)) return
    // Were this the last write, the reset would come when the deadline and the margin are over at the latest.
    if (reached(later(deadline, AFTER_DEADLINE_MS), later(now, running.timeoutMs))) return
    pingedAt = now
    try {
      writeSync(running.file, '1')
    } catch (error) {
      obstacle = reasonOf(error)
    }
  }

  function disarm(): void {
    if (!running) return
    const { file } = running
    running = null
    pingedAt = null
    try {
      writeSync(file, MAGIC_CLOSE)
    } finally {
      closeSync(file)
    }
  }

  return {
    follow(event, state, now) {
      if (mode === 'off') return
      leading = state.mode === 'armed' || (leading && state.mode !== 'unarmed' && state.alive)
      if (!leading) return disarm()
      if (state.mode !== 'armed') return
      const ttl = event.kind === 'message' && event.message.kind === 'arm' ? event.message.ttl : null
      // A ttl that became shorter than the timeout allows: it has to be set anew, which takes a moment without it.
      if (ttl !== null && running && running.timeoutMs > Math.max(wantedMs(ttl), ttl - RENEWAL_MS)) disarm()
      const tried = failure !== null && elapsedAtLeast(failure.at, now) < AGAIN_MS
      if (ttl !== null && !running && !tried) opening ??= open(ttl, now)
      ping(state.deadline!, now)
    },
    disarmLeftover() {
      if (mode === 'off' || running || accessObstacle(device) !== null) return
      try {
        running = { file: openDevice(device), timeoutMs: 0 }
        disarm()
      } catch {
        // Somebody else has it, or nobody; it will be seen when it is needed.
      }
    },
    inspect,
    settled: async () => opening ?? undefined,
    obstacle: () => obstacle,
    forbids: () => (mode === 'required' && obstacle !== null ? `a watchdog is required: ${obstacle}` : null),
    forbidsPromotion: () =>
      mode === 'required' && running === null
        ? `a watchdog is required: ${obstacle ?? 'it is not switched on'}`
        : null,
  }
}

function accessObstacle(device: string): string | null {
  try {
    accessSync(device, constants.W_OK)
    return null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return `there is no ${device}`
    return code === 'EACCES' ? `no right to write to ${device}` : reasonOf(error)
  }
}

/** Opening starts it. Never waits: a device is there or is busy. */
function openDevice(device: string): number {
  try {
    const file = openSync(device, constants.O_WRONLY | constants.O_NONBLOCK)
    fstatSync(file)
    return file
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EBUSY') throw new Error(`something else uses ${device}`)
    throw error
  }
}

/**
 * Node has no ioctl; wdctl (util-linux) sets the timeout and leaves the device off. What is then in force is what the
 * kernel says. A device that is none, a pipe for instance, has no timeout: it is taken to be what was wanted.
 */
async function setTimeoutOf(device: string, wanted: Ms): Promise<Ms> {
  const about = statSync(device)
  if (!about.isCharacterDevice()) return wanted
  const inForce = timeoutOf(device, about)
  if (inForce === wanted) return wanted
  const set = await promisify(execFile)('wdctl', ['--settimeout', `${wanted / 1000}`, device], {
    timeout: SET_LIMIT_MS,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
  }).then(
    () => true,
    () => false,
  )
  const now = timeoutOf(device, about)
  if (now !== null) return now
  if (set) return wanted
  throw new Error('its timeout can neither be set nor be read (wdctl, package util-linux)')
}

/** null: the kernel does not tell. */
function timeoutOf(device: string, about: Stats): Ms | null {
  // The first one is also there under an old name and number.
  const name = about.rdev === OLD_NUMBER ? 'watchdog0' : basename(device)
  try {
    return Number(readFileSync(`/sys/class/watchdog/${name}/timeout`, 'latin1')) * 1000
  } catch {
    return null
  }
}

/** Major 10, minor 130. */
const OLD_NUMBER = (10 << 8) | 130
