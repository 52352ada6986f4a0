// synchronous_standby_names as text: made from a rule, and read back.
import { NOBODYS_SEAT, type SeatSet } from './rule.ts'

/** What the file of a primary shall say. null: as the user configured it (asynchronous cluster). */
export type NamesInFile = Names | null

/** A setting of PostgreSQL, and what it means in terms of the record. */
export interface Names {
  readonly text: string
  /** Whose walsenders the names are; a name of nobody is a seat of nobody. */
  readonly set: SeatSet
}

/**
 * Nobody has this name, so nothing that waits is acknowledged. The large k keeps every mixture with another rule as
 * strict as that rule; PostgreSQL keeps a place in 8 bits somewhere, so not above 255 (protocol A8).
 */
export const NOBODY: Names = {
  text: 'ANY 200 ("vigil:not-leader")',
  set: { seats: [NOBODYS_SEAT], k: 200 },
}

/** No commit waits. */
export const EVERYBODY_ALONE: Names = { text: '', set: { seats: [], k: 0 } }

export interface NamedSeat {
  readonly name: string
  readonly seat: string
}

/** In order of preference where the method asks for it; with nobody to name nothing is acknowledged. */
export function namesOf(method: 'FIRST' | 'ANY', k: number, members: readonly NamedSeat[]): Names {
  if (members.length === 0 || k === 0) return NOBODY
  const list = members.map(({ name }) => quoted(name)).join(',')
  return { text: `${method} ${k} (${list})`, set: { seats: members.map(({ seat }) => seat), k } }
}

/** The names in it, as far as it is one of ours. */
export function listedNames(text: string): readonly string[] {
  return [...text.matchAll(/"((?:[^"]|"")*)"/g)].map(match => match[1]!.replaceAll('""', '"'))
}

/** PostgreSQL compares without regard to case, of ASCII letters only. */
export function sameName(a: string, b: string): boolean {
  return folded(a) === folded(b)
}

function folded(name: string): string {
  return name.replace(/[A-Z]/g, letter => letter.toLowerCase())
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
