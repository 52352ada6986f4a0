// Runs a program of PostgreSQL: no shell, a time limit, the last lines of its output, nothing secret inherited.
import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { reasonOf } from '../../kernel/errors.ts'
import type { Ms } from '../../kernel/time.ts'

export interface RunOptions {
  readonly environment: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly limitMs?: Ms
  /** Called with each line of the error output: where the programs print their progress. */
  readonly onErrorLine?: (line: string) => void
  readonly directory?: string
  /** Ends the program when this process dies: a copy must not go on writing behind a new one. */
  readonly diesWithUs?: boolean
}

export interface RunResult {
  /** null: ended by a signal. */
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
  /** The last lines of the error output. */
  readonly errors: string
  /** Ended by us, on the caller's signal or at the limit. */
  readonly stopped: boolean
}

const OUTPUT_KEPT = 256 * 1024
const ERRORS_KEPT = 8 * 1024
const TERM_GRACE_MS: Ms = 3000
const LINE_KEPT = 4096

/** Never rejects for what the program does; rejects when it cannot be started. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const [file, argv] = options.diesWithUs ? await withDeathSignal(program, args) : [program, args]
  if (options.signal.aborted)
    return { code: null, signal: null, output: '', errors: 'not started', stopped: true }
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...argv], {
      env: { ...options.environment },
      cwd: options.directory ?? '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: pg_basebackup forks, and what it forked outlives it with our pipe in its hand.
      detached: true,
    })
    const output = keepTail(OUTPUT_KEPT)
    const errors = keepTail(ERRORS_KEPT)
    const lines = splitLines(options.onErrorLine)
    child.stdout.on('data', (data: Buffer) => output.add(data))
    child.stderr.on('data', (data: Buffer) => {
      errors.add(data)
      lines(data)
    })
    const stop = stopOnce(child)
    const limit = options.limitMs === undefined ? null : setTimeout(stop.now, options.limitMs)
    options.signal.addEventListener('abort', stop.now, { once: true })
    const tidy = () => {
      if (limit) clearTimeout(limit)
      stop.done()
      options.signal.removeEventListener('abort', stop.now)
    }
    child.on('error', error => {
      tidy()
      reject(new Error(`${program} could not be started: ${reasonOf(error)}`, { cause: error }))
    })
    child.on('exit', () => signalGroup(child.pid, 'SIGKILL'))
    child.on('close', (code, signal) => {
      tidy()
      resolve({ code, signal, output: output.text(), errors: errors.text().trim(), stopped: stop.wanted() })
    })
  })
}

/** The last line that says what went wrong; programs print hints and context around it. */
export function failureOf(result: RunResult): string {
  if (result.stopped) return 'stopped before it ended'
  const lines = result.errors.split('\n').filter(line => line.trim() !== '')
  const telling = lines.filter(line => /\b(error|fatal|panic|could not)\b/i.test(line))
  const line = telling.at(-1) ?? lines.at(-1)
  const ending = result.signal ? `ended by ${result.signal}` : `ended with status ${result.code}`
  return line ? line.trim() : ending
}

/**
 * What children inherit: everything except our own and others' secrets, the settings of clients of PostgreSQL, and
 * what changes how programs are loaded.
 */
export function childEnvironment(
  inherited: Readonly<Record<string, string | undefined>>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept = Object.entries(inherited).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      !/^(PATRONI_|VIGIL_|KUBERNETES_|NODE_|npm_|PG)|^LD_PRELOAD$|^LD_AUDIT$|^NOTIFY_SOCKET$/.test(entry[0]),
  )
  return { ...Object.fromEntries(kept), ...extra }
}

const SETPRIV = '/usr/bin/setpriv'

async function withDeathSignal(
  program: string,
  args: readonly string[],
): Promise<readonly [string, readonly string[]]> {
  const wraps = await access(SETPRIV, constants.X_OK).then(
    () => true,
    () => false,
  )
  return wraps ? [SETPRIV, ['--pdeathsig', 'KILL', program, ...args]] : [program, args]
}

function stopOnce(child: ReturnType<typeof spawn>) {
  let wanted = false
  let escalation: ReturnType<typeof setTimeout> | null = null
  return {
    now: () => {
      if (wanted) return
      wanted = true
      signalGroup(child.pid, 'SIGTERM')
      escalation = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), TERM_GRACE_MS)
    },
    done: () => {
      if (escalation) clearTimeout(escalation)
    },
    wanted: () => wanted,
  }
}

function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, signal)
  } catch {
    // Nobody of the group is left.
  }
}

function keepTail(limit: number) {
  const decoder = new StringDecoder('utf8')
  let kept = ''
  return {
    add: (data: Buffer) => {
      kept = (kept + decoder.write(data)).slice(-limit)
    },
    text: () => kept,
  }
}

function splitLines(onLine: ((line: string) => void) | undefined): (data: Buffer) => void {
  if (!onLine) return () => {}
  const decoder = new StringDecoder('utf8')
  let rest = ''
  return data => {
    const pieces = (rest + decoder.write(data)).split(/[\r\n]/)
    rest = (pieces.pop() ?? '').slice(-LINE_KEPT)
    for (const piece of pieces) if (piece !== '') onLine(piece)
  }
}
