// Starts a guard process that outlives whoever starts it.
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf, VigilError } from '../kernel/errors.ts'
import type { WatchdogSettings } from './watchdog.ts'
import { SOCKET_PATH_MAX, socketPath } from './wire.ts'

const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants

/** All that a guard may inherit: the agent's environment may hold passwords, and it lives long. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ']
const COMPLAINT_BYTES_MAX = 2000

/** It makes little garbage: a small nursery keeps its memory small for months. */
const NODE_FLAGS = ['--max-semi-space-size=1']

/** How Node runs the guard's bundle. */
export function guardCommand(node: string, bundle: string): readonly [string, ...string[]] {
  return [node, ...NODE_FLAGS, bundle]
}

export interface LaunchOptions {
  readonly stateDirectory: string
  readonly dataDirectory: string
  /** Node, its flags and the guard's bundle. */
  readonly command: readonly [program: string, ...rest: string[]]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Not given: none. */
  readonly watchdog?: WatchdogSettings
}

export interface LaunchedGuard {
  /** null while it runs. After 0 another guard was there first. */
  exitCode(): number | null
  /** Its last words, after it failed. */
  complaint(): Promise<string>
}

/** @throws VigilError GUARD_UNAVAILABLE */
export async function launchGuard(options: LaunchOptions): Promise<LaunchedGuard> {
  const { stateDirectory, dataDirectory, command } = options
  if (Buffer.byteLength(socketPath(stateDirectory)) > SOCKET_PATH_MAX)
    throw new VigilError('GUARD_UNAVAILABLE', {
      reason: `the path ${socketPath(stateDirectory)} is too long for a socket (${SOCKET_PATH_MAX} bytes)`,
    })
  const complaints = join(stateDirectory, 'guard.err')
  await using file = await openComplaints(stateDirectory, complaints)
  const [program, ...rest] = command
  const own = ['--state', stateDirectory, '--data', dataDirectory, ...watchdogArguments(options.watchdog)]
  const child = spawn(program, [...rest, ...own], {
    cwd: '/',
    env: inherited(options.environment),
    stdio: ['ignore', 'ignore', file.fd],
    // A session of its own: no signal to the agent's group or terminal reaches it.
    detached: true,
  })
  child.unref()
  const exitCode = await watchExit(child)
  return {
    exitCode,
    complaint: async () => (await readFile(complaints, 'utf8')).slice(0, COMPLAINT_BYTES_MAX).trim(),
  }
}

function watchdogArguments(settings: WatchdogSettings | undefined): readonly string[] {
  if (!settings || settings.mode === 'off') return []
  const { mode, device, safetyMarginMs } = settings
  const margin = safetyMarginMs === null ? [] : ['--margin', `${safetyMarginMs}`]
  return ['--watchdog', mode, '--device', device, ...margin]
}

async function openComplaints(stateDirectory: string, path: string): Promise<FileHandle> {
  try {
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
    // A new file: the old one may be another user's, or a link that somebody put there.
    await rm(path, { force: true })
    return await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600)
  } catch (error) {
    throw new VigilError('GUARD_UNAVAILABLE', { reason: reasonOf(error) }, { cause: error })
  }
}

function inherited(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = INHERITED.flatMap(name => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(kept)
}

function watchExit(child: ChildProcess): Promise<() => number | null> {
  const KILLED = 128
  let code: number | null = null
  child.once('exit', (status, signal) => {
    code = status ?? (signal ? KILLED : 0)
  })
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(() => code))
    child.once('error', error => reject(new VigilError('GUARD_UNAVAILABLE', { reason: error.message })))
  })
}
