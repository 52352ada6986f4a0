// What guard and agent say to each other: one JSON object a line. Everything that arrives is checked here.
import { join } from 'node:path'
import type { Instant } from '../kernel/time.ts'
import type { GuardStatus, StartCommand } from '../ports/guard.ts'
import type { GuardMessage } from './model.ts'

/** sockaddr_un holds 108 bytes, the last of them zero. */
export const SOCKET_PATH_MAX = 107

export function socketPath(stateDirectory: string): string {
  return join(stateDirectory, 'guard.sock')
}

export const PROTOCOL_VERSION = 1
export const LINE_BYTES_MAX = 256 * 1024

export interface Request {
  readonly id: number
  readonly message: GuardMessage
}

/** `now`: when the guard said it, on the machine's clocks. An old line read late is an old echo. */
export type Reply =
  | {
      readonly kind: 'hello'
      readonly version: number
      readonly dataDirectory: string
      readonly pid: number
      readonly now: Instant
      readonly status: GuardStatus
    }
  | { readonly kind: 'status'; readonly now: Instant; readonly status: GuardStatus }
  | { readonly kind: 'done'; readonly to: number; readonly now: Instant; readonly status: GuardStatus }
  | {
      readonly kind: 'refused'
      readonly to: number
      readonly reason: string
      readonly now: Instant
      readonly status: GuardStatus
    }

export function encode(value: Request | Reply): string {
  return `${JSON.stringify(value)}\n`
}

/** Splits a stream into lines; null once a line is longer than anything that we say. */
export function lineReader(): (chunk: string) => string[] | null {
  let rest = ''
  return chunk => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    return rest.length > LINE_BYTES_MAX ? null : parts
  }
}

/** null: not a request. The agent is trusted to mean it, not to be of our version. */
export function parseRequest(line: string): Request | null {
  const value = parseObject(line)
  const id = value?.['id']
  const message = asObject(value?.['message'])
  if (!Number.isSafeInteger(id) || !message) return null
  const parsed = parseMessage(message)
  return parsed && { id: id as number, message: parsed }
}

/** A guard is spawned from the same program; its word is not checked field by field. */
export function parseReply(line: string): Reply | null {
  const value = parseObject(line)
  const whole =
    value && typeof value['kind'] === 'string' && asInstant(value['now']) && asObject(value['status'])
  return whole ? (value as unknown as Reply) : null
}

function parseMessage(fields: Record<string, unknown>): GuardMessage | null {
  switch (fields['kind']) {
    case 'hello':
    case 'kill':
    case 'quit':
      return { kind: fields['kind'] }
    case 'arm': {
      const [term, deadline, ttl] = [asTerm(fields['term']), asInstant(fields['deadline']), fields['ttl']]
      return term && deadline && isPositive(ttl) ? { kind: 'arm', term, deadline, ttl } : null
    }
    case 'lower': {
      const deadline = asInstant(fields['deadline'])
      return deadline && { kind: 'lower', deadline }
    }
    case 'drop':
    case 'unarm':
    case 'promote': {
      const term = asTerm(fields['term'])
      return term === null ? null : { kind: fields['kind'], term }
    }
    case 'start': {
      const command = asCommand(fields['command'])
      return command && { kind: 'start', command }
    }
    case 'stop': {
      const mode = fields['mode']
      return mode === 'fast' || mode === 'immediate' ? { kind: 'stop', mode } : null
    }
    default:
      return null
  }
}

function asCommand(value: unknown): StartCommand | null {
  const fields = asObject(value)
  const [program, list, environment] = [
    fields?.['program'],
    fields?.['arguments'],
    asObject(fields?.['environment']),
  ]
  const absolute = typeof program === 'string' && program.startsWith('/')
  const isList = Array.isArray(list) && list.every(item => typeof item === 'string')
  const isRecord = environment !== null && Object.values(environment).every(item => typeof item === 'string')
  if (!absolute || !isList || !isRecord) return null
  return { program, arguments: list as string[], environment: environment as Record<string, string> }
}

function asTerm(value: unknown): number | null {
  return Number.isSafeInteger(value) && isPositive(value) ? value : null
}

function asInstant(value: unknown): Instant | null {
  const fields = asObject(value)
  const [mono, boot] = [fields?.['mono'], fields?.['boot']]
  return Number.isFinite(mono) && Number.isFinite(boot)
    ? { mono: mono as number, boot: boot as number }
    : null
}

function isPositive(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) > 0
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(line))
  } catch {
    return null
  }
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}
