// The agent's log: pino without a transport (a worker thread would lose the last lines), and its last lines at hand.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Log, LogFields } from '../ports/log.ts'

const LINES_KEPT = 1000

export interface LogOptions {
  readonly type: 'plain' | 'json'
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** A directory for vigild.log; null: standard output. */
  readonly dir: string | null
  readonly name: string
}

export interface KeptLog extends Log {
  /** The newest lines, oldest first. */
  last(lines: number): readonly string[]
}

export function openLog(options: LogOptions): KeptLog {
  if (options.dir) mkdirSync(options.dir, { recursive: true })
  const destination = pino.destination({
    dest: options.dir ? join(options.dir, 'vigild.log') : 1,
    sync: true,
  })
  const kept: string[] = []
  const render = options.type === 'json' ? (line: string) => line : plain
  const stream = {
    write(line: string) {
      const text = render(line)
      kept.push(text.trimEnd())
      if (kept.length > LINES_KEPT) kept.shift()
      destination.write(text)
    },
  }
  const logger = pino(
    { level: options.level, base: { member: options.name }, timestamp: pino.stdTimeFunctions.isoTime },
    stream,
  )
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: LogFields) =>
    logger[level](fields ?? {}, message)
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    last: lines => kept.slice(-lines),
  }
}

const LEVELS: Readonly<Record<number, string>> = {
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
}

/** `TIME LEVEL message key=value ...`; values with spaces are quoted, line breaks never reach the log. */
function plain(line: string): string {
  const { time, level, msg, member: _, ...fields } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}=${quoted(value)}`)
  return `${[time, LEVELS[level as number] ?? level, msg, ...pairs].join(' ')}\n`
}

function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w.:/+-]*$/.test(text) ? text : JSON.stringify(text)
}
