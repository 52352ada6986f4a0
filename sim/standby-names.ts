// synchronous_standby_names as PostgreSQL reads it, and what one walsender makes of it (syncrep.c).
import { assert } from '../src/kernel/assert.ts'

export interface StandbyNames {
  readonly method: 'first' | 'any'
  readonly k: number
  readonly names: readonly string[]
}

/** What a walsender has in shared memory for the others to see. */
export interface SenderState {
  /** 0: asynchronous. By the names in force in its own process. */
  readonly priority: number
  /** By the standby's last reply; 0: none yet. */
  readonly flushed: number
}

const understood = new Map<string, StandbyNames | null>()

/** null: nobody is waited for. */
export function parseStandbyNames(text: string): StandbyNames | null {
  const known = understood.get(text)
  if (known !== undefined) return known
  const parsed = parse(text)
  understood.set(text, parsed)
  return parsed
}

function parse(text: string): StandbyNames | null {
  if (text.trim() === '') return null
  const match = /^\s*(ANY|FIRST)?\s*(\d+)\s*\((.*)\)\s*$/i.exec(text)
  const list = match ? match[3]! : text
  const names = list.split(',').map(name =>
    name
      .trim()
      .replace(/^"(.*)"$/, '$1')
      .replaceAll('""', '"'),
  )
  assert(!names.includes(''), `a name is missing in synchronous_standby_names: ${text}`)
  return {
    method: match?.[1]?.toUpperCase() === 'ANY' ? 'any' : 'first',
    k: match ? Number(match[2]) : 1,
    names,
  }
}

/** 0: not listed. */
export function priorityOf(names: StandbyNames | null, name: string): number {
  if (names === null) return 0
  const index = names.names.findIndex(listed => listed === '*' || listed === name)
  if (index < 0) return 0
  return names.method === 'any' ? 1 : index + 1
}

/**
 * Up to where the walsender `me` may release commits: by the names in force in its own process, over the priorities
 * that the others have set by theirs. That is how mixtures of two settings come about (experiment E5).
 */
export function releasableBy<T extends SenderState>(
  me: T,
  names: StandbyNames | null,
  senders: Iterable<T>,
): number | null {
  if (names === null || me.priority === 0 || me.flushed === 0) return null
  const listed = [...senders].filter(sender => sender.priority > 0 && sender.flushed > 0)
  const first = names.method === 'first'
  const candidates = first ? listed.sort((a, b) => a.priority - b.priority).slice(0, names.k) : listed
  if (candidates.length < names.k || !candidates.includes(me)) return null
  const ends = candidates.map(sender => sender.flushed).sort((a, b) => b - a)
  return ends[names.k - 1]!
}
