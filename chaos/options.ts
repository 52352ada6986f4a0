// What a run is asked for on the command line.
import { parseArgs } from 'node:util'
import { FAULTS } from './faults/table.ts'
import { ISOLATION_LEVELS, type IsolationLevel } from './list-append/history.ts'

export const MODES = ['async', 'on', 'quorum'] as const
export type Mode = (typeof MODES)[number]

export interface Options {
  readonly minutes: number
  readonly seed: number
  readonly members: number
  readonly mode: Mode
  readonly ttlSeconds: number
  readonly isolation: IsolationLevel
  /** Names of faults to draw from; empty: all that fit. */
  readonly faults: readonly string[]
  /** Only prints the faults that would be drawn. */
  readonly list: boolean
  readonly reportDirectory: string | null
  /** Keeps the logs of a good run too. */
  readonly keep: boolean
}

export const HELP = `npm run chaos -- [options]
  --minutes N      how long faults go on (2)
  --seed S         which faults, in which order (from the clock)
  --members N      3 to 5 (3)
  --mode MODE      ${MODES.join(', ')} (async)
  --ttl SECONDS    (7)
  --isolation L    of the list transactions: ${ISOLATION_LEVELS.join(', ')} (serializable)
  --faults A,B     only these: ${FAULTS.map(({ name }) => name).join(', ')}
  --list           prints the faults of this seed and ends
  --report DIR     where report.json and report.html go (a new directory below the temporary one)
  --keep           keeps logs and decisions also when nothing is found
It needs root, for network namespaces. Exit code 1: something happened that never may.`

/** @throws with a sentence when something is wrong; null when only help was asked for. */
export function readOptions(args: readonly string[], defaultSeed: number): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: String(defaultSeed) },
      members: { type: 'string', default: '3' },
      mode: { type: 'string', default: 'async' },
      ttl: { type: 'string', default: '7' },
      isolation: { type: 'string', default: 'serializable' },
      faults: { type: 'string', default: '' },
      list: { type: 'boolean', default: false },
      report: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const faults = values.faults.split(',').filter(Boolean)
  const unknown = faults.find(name => !FAULTS.some(fault => fault.name === name))
  if (unknown !== undefined) throw new Error(`there is no fault "${unknown}"`)
  return {
    minutes: number('minutes', values.minutes, 0.1, 24 * 60),
    seed: wholeNumber('seed', values.seed, 0, 0xffff_ffff),
    members: wholeNumber('members', values.members, 3, 5),
    mode: oneOf('mode', values.mode, MODES),
    ttlSeconds: wholeNumber('ttl', values.ttl, 5, 300),
    isolation: oneOf('isolation', values.isolation, ISOLATION_LEVELS),
    faults,
    list: values.list,
    reportDirectory: values.report ?? null,
    keep: values.keep,
  }
}

function number(name: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= low && value <= high) return value
  throw new Error(`--${name} is a number from ${low} to ${high}, not "${text}"`)
}

function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = number(name, text, low, high)
  if (Number.isInteger(value)) return value
  throw new Error(`--${name} is a whole number, not "${text}"`)
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find(value => value === text)
  if (found) return found
  throw new Error(`--${name} is one of ${allowed.join(', ')}, not "${text}"`)
}
