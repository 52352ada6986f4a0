// What one setting may be: how a value is read, and the words that say what was expected.
import type { Ms } from '../kernel/time.ts'

export interface Kind<T> {
  /** Completes "expected ...". */
  readonly expected: string
  /** Read from the characters that were written, so that `0042` and `1e3` stay what they are. */
  readonly text?: true
  /** What it is in YAML, if not a single value. */
  readonly shape?: 'list' | 'mapping'
  /** undefined: not such a value. */
  readonly read: (raw: unknown) => T | undefined
}

/** A value that cannot be used as it is, and what is used instead. */
export interface SettingProblem {
  readonly key: string
  readonly found: unknown
  readonly expected: string
  /** In words: a value, "the default", "nothing". */
  readonly used: string
  /** The value is fine, but nothing may set it there. */
  readonly misplaced?: true
  /** The value is fine by itself, and was changed to fit the others. */
  readonly adjusted?: true
}

interface Range {
  readonly min?: number
  readonly max?: number
}

export const anything: Kind<unknown> = { expected: 'any value', read: raw => raw }

export const boolean: Kind<boolean> = { expected: 'true or false', read: readBoolean }

export function integer(range: Range = {}): Kind<number> {
  return {
    expected: `a whole number${rangeText(range, '')}`,
    read: raw => inRange(readInteger(raw, {}), range),
  }
}

export function decimal(range: Range = {}): Kind<number> {
  return {
    expected: `a number${rangeText(range, '')}`,
    read: raw => inRange(readNumber(raw), range),
  }
}

/** Whole seconds, or with a unit (`30`, `30s`, `5min`); gives milliseconds. The range is in seconds. */
export function seconds(range: Range = {}): Kind<Ms> {
  const read = (raw: unknown) => {
    const ms = readInteger(typeof raw === 'number' ? `${raw}s` : raw, TIME_UNITS)
    return ms === undefined || ms % 1000 !== 0 || inRange(ms / 1000, range) === undefined ? undefined : ms
  }
  return { expected: `a number of seconds${rangeText(range, ' s')}`, read }
}

/** Seconds with a fraction; gives milliseconds. */
export function decimalSeconds(range: Range = {}): Kind<Ms> {
  const read = (raw: unknown) => {
    const value = inRange(readNumber(raw), range)
    return value === undefined ? undefined : Math.round(value * 1000)
  }
  return { expected: `a number of seconds${rangeText(range, ' s')}`, read }
}

/** Bytes, or with a unit (`1048576`, `1MB`). */
export function bytes(range: Range = {}): Kind<number> {
  return {
    expected: `a number of bytes${rangeText(range, '')}, for example 1048576 or 1MB`,
    read: raw => inRange(readInteger(raw, MEMORY_UNITS), range),
  }
}

export function oneOf<const T extends string>(...choices: readonly T[]): Kind<T> {
  const read = (raw: unknown) => choices.find(choice => choice.toLowerCase() === String(raw).toLowerCase())
  return { expected: `one of ${choices.join(', ')}`, text: true, read }
}

export const text: Kind<string> = { expected: 'text on one line', text: true, read: readText }

export const nonEmptyText: Kind<string> = {
  expected: 'text that is not empty',
  text: true,
  read: raw => readText(raw) || undefined,
}

export const path: Kind<string> = {
  expected: 'a path',
  text: true,
  read: raw => readText(raw)?.trim() || undefined,
}

export const textList: Kind<readonly string[]> = {
  expected: 'a list of text',
  text: true,
  shape: 'list',
  read: raw => {
    if (!Array.isArray(raw)) return undefined
    const items = raw.map(readText)
    return items.every(item => item !== undefined) ? items : undefined
  },
}

export const mapping: Kind<Readonly<Record<string, unknown>>> = {
  expected: 'a mapping (key: value)',
  shape: 'mapping',
  read: raw => (isMapping(raw) ? raw : undefined),
}

/** A flag, or a mapping of options to values. */
export type ProgramOption = string | Readonly<Record<string, string>>

/** Options of a program: a list of flags and one-entry mappings, or one mapping. */
export function programOptions(refused: readonly string[]): Kind<readonly ProgramOption[]> {
  const without = refused.length === 0 ? '' : `, without ${refused.join(', ')}`
  return {
    expected: `a list of options such as "verbose" or "max-rate: 100M"${without}`,
    text: true,
    shape: 'list',
    read: raw => {
      const items = isMapping(raw) ? [raw] : raw
      if (!Array.isArray(items)) return undefined
      const options = items.map(item => readOption(item, refused))
      return options.every(option => option !== undefined) ? options : undefined
    },
  }
}

function readOption(item: unknown, refused: readonly string[]): ProgramOption | undefined {
  if (!isMapping(item)) {
    const flag = readText(item)
    const name = flag?.replace(/^--/, '').replace(/=.*$/s, '')
    return name !== undefined && isOptionName(name, refused) ? flag : undefined
  }
  const entries = Object.entries(item).map(
    ([name, value]) => [name, value === null ? 'true' : readText(value)] as const,
  )
  const readable = entries.every(([name, value]) => isOptionName(name, refused) && value !== undefined)
  return readable ? (Object.fromEntries(entries) as Readonly<Record<string, string>>) : undefined
}

function isOptionName(name: string, refused: readonly string[]): boolean {
  return /^[a-z0-9][a-z0-9-]*$/i.test(name) && !refused.includes(name)
}

/** A plain JSON object: not null, not a list. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** PostgreSQL's spelling, case-sensitive as there. The empty unit is what a plain number means. */
const TIME_UNITS: Readonly<Record<string, Ms>> = {
  '': 1000,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const MEMORY_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
}

function readInteger(raw: unknown, units: Readonly<Record<string, number>>): number | undefined {
  const match = typeof raw === 'string' ? /^\s*([-+]?\d+)\s*([A-Za-z]*)\s*$/.exec(raw) : null
  const unit = match?.[2] ?? ''
  const factor = Object.hasOwn(units, unit) ? units[unit]! : unit === '' ? 1 : Number.NaN
  const value = match ? Number(match[1]) * factor : raw
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
}

function readNumber(raw: unknown): number | undefined {
  const value = typeof raw === 'string' && /^\s*[-+]?\d+(\.\d+)?\s*$/.test(raw) ? Number(raw) : raw
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function readBoolean(raw: unknown): boolean | undefined {
  if (typeof raw === 'boolean') return raw
  const word = typeof raw === 'string' || typeof raw === 'number' ? String(raw).trim().toLowerCase() : ''
  if (['true', 'on', 'yes', '1'].includes(word)) return true
  if (['false', 'off', 'no', '0'].includes(word)) return false
  return undefined
}

/** Text that a file or a message can carry: no control characters (a tab is one too many nowhere, and allowed). */
function readText(raw: unknown): string | undefined {
  if (typeof raw === 'number' || typeof raw === 'boolean') return String(raw)
  if (typeof raw !== 'string' || hasControlCharacter(raw)) return undefined
  return raw
}

/** Whether a value could break out of its line in a file, a log or a message. Tabs are harmless. */
export function hasControlCharacter(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return /[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)
}

function inRange(value: number | undefined, range: Range): number | undefined {
  if (value === undefined || value < (range.min ?? -Infinity) || value > (range.max ?? Infinity))
    return undefined
  return value
}

function rangeText({ min, max }: Range, unit: string): string {
  if (min !== undefined && max !== undefined) return `, ${min} to ${max}${unit}`
  if (min !== undefined) return `, at least ${min}${unit}`
  return max === undefined ? '' : `, at most ${max}${unit}`
}
