// Judges a run by what its clients were told and what is left in the table: rows lost, stall, and whether two servers
// ever acknowledged at the same time. Pure: the record and the survivor in, a verdict out.
import type { Lsn } from '../../src/kernel/lsn.ts'
import { parseLsn } from '../../src/kernel/lsn.ts'
import { type Acknowledged, type Entry, type Failed, FIRST_PINNED_CLIENT, type ServerName } from './record.ts'

/** What the last primary has, read after every client has ended or while nothing it judges can still change. */
export interface Survivor {
  readonly server: ServerName
  readonly timeline: number
  /** `client:sequence` of every row in the table. */
  readonly rows: ReadonlySet<string>
  /** Ancestors of its timeline, and where each was left. */
  readonly history: readonly { readonly timeline: number; readonly end: Lsn }[]
}

/** The part of a run that one fault is answerable for. */
export interface Window {
  /** Acknowledgements count from here: the end of the window before. */
  readonly fromNs: number
  /** When the fault happened. */
  readonly faultNs: number
  readonly untilNs: number
}

export interface Verdict {
  readonly acknowledged: number
  /** Acknowledged, and not in the table. */
  readonly lost: readonly string[]
  /** Lost although their commit had certainly reached the WAL that the survivor goes on from: never allowed. */
  readonly lostAfterReplication: readonly string[]
  /** Acknowledged by a server or timeline after a later one's first acknowledgement: never allowed. */
  readonly lateAcknowledgements: readonly string[]
  /** Refused for certain, and in the table all the same: never allowed. */
  readonly phantoms: readonly string[]
  /** Statements without a known result; either outcome is right. */
  readonly unknown: number
  /** What an application would have had to handle: refused, unknown, and broken sessions. */
  readonly errors: number
  /** The longest time in which no roaming session was acknowledged, around or after the fault. */
  readonly stallSeconds: number
}

export function judge(record: readonly Entry[], survivor: Survivor, window: Window): Verdict {
  const within = record.filter(entry => entry.atNs > window.fromNs && entry.atNs <= window.untilNs)
  const acknowledged = within.filter(entry => entry.kind === 'acknowledged')
  const failed = within.filter(isFailure)
  const lost = acknowledged.filter(row => !survivor.rows.has(rowName(row)))
  const committedBy = certainCommits(record)
  return {
    acknowledged: acknowledged.length,
    lost: lost.map(rowName),
    lostAfterReplication: lost.filter(row => reached(row, committedBy, survivor)).map(rowName),
    lateAcknowledgements: lateAcknowledgements(acknowledgedBefore(record, window.untilNs), window.fromNs),
    phantoms: failed
      .filter(entry => entry.kind === 'refused' && survivor.rows.has(rowName(entry)))
      .map(rowName),
    unknown: failed.filter(entry => entry.kind === 'unknown').length,
    errors: failed.filter(entry => entry.client < FIRST_PINNED_CLIENT).length,
    stallSeconds: longestStall(record, window),
  }
}

/** What a verdict must never contain, as sentences; empty when the run was safe. */
export function violations(verdict: Verdict): readonly string[] {
  const some = (rows: readonly string[]) =>
    `${rows.slice(0, 5).join(', ')}${rows.length > 5 ? `, and ${rows.length - 5} more` : ''}`
  const found: string[] = []
  if (verdict.lostAfterReplication.length > 0) {
    found.push(`rows lost that the new primary's WAL had: ${some(verdict.lostAfterReplication)}`)
  }
  if (verdict.lateAcknowledgements.length > 0) {
    found.push(
      `acknowledged by an old primary after the new one's first: ${some(verdict.lateAcknowledgements)}`,
    )
  }
  if (verdict.phantoms.length > 0)
    found.push(`rows in the table that were refused: ${some(verdict.phantoms)}`)
  return found
}

export function rowName(row: { readonly client: number; readonly sequence: number }): string {
  return `${row.client}:${row.sequence}`
}

/** Ancestors from a timeline history file. */
export function parseHistory(text: string): Survivor['history'] {
  return text.split('\n').flatMap(line => {
    const [timeline, end] = line.trim().split(/\s+/)
    const position = end === undefined ? null : parseLsn(end)
    return position === null ? [] : [{ timeline: Number(timeline), end: position }]
  })
}

function acknowledgedBefore(record: readonly Entry[], untilNs: number): readonly Acknowledged[] {
  return record.filter(entry => entry.kind === 'acknowledged').filter(({ atNs }) => atNs <= untilNs)
}

function isFailure(entry: Entry): entry is Failed {
  return entry.kind === 'refused' || entry.kind === 'unknown' || entry.kind === 'broken'
}

/**
 * For each acknowledged row a position by which its commit was certainly in the WAL: where the same client's next row
 * on the same server and timeline was inserted, which it sent only after the acknowledgement.
 */
function certainCommits(record: readonly Entry[]): ReadonlyMap<string, Lsn> {
  const bounds = new Map<string, Lsn>()
  const previous = new Map<string, Acknowledged>()
  for (const entry of record) {
    if (entry.kind !== 'acknowledged') continue
    const lane = `${entry.client} ${reign(entry)}`
    const before = previous.get(lane)
    const position = parseLsn(entry.insertedAt)
    if (before && position !== null) bounds.set(rowName(before), position)
    previous.set(lane, entry)
  }
  return bounds
}

/** Whether the survivor's history contains the place where this row was committed. */
function reached(row: Acknowledged, committedBy: ReadonlyMap<string, Lsn>, survivor: Survivor): boolean {
  // Its own timeline, and still lost: no fork explains that.
  if (row.timeline === survivor.timeline) return true
  const ancestor = survivor.history.find(({ timeline }) => timeline === row.timeline)
  const bound = committedBy.get(rowName(row))
  return ancestor !== undefined && bound !== undefined && bound <= ancestor.end
}

/** A reign is one server on one timeline; each must have ended before the next begins. */
function reign(entry: Acknowledged): string {
  return `${entry.server} on timeline ${entry.timeline}`
}

/** In the order of time a reign that was followed by another never comes back, nor does a lower timeline. */
function lateAcknowledgements(acknowledged: readonly Acknowledged[], fromNs: number): readonly string[] {
  const firsts = new Map<string, Acknowledged>()
  let latest: Acknowledged | null = null
  const late: string[] = []
  for (const entry of acknowledged.toSorted((a, b) => a.atNs - b.atNs)) {
    const name = reign(entry)
    const begins = !firsts.has(name)
    if (begins) firsts.set(name, entry)
    if (latest === null || (begins && entry.timeline >= latest.timeline)) {
      latest = entry
    } else if (name !== reign(latest) && entry.atNs > fromNs) {
      late.push(
        `${rowName(entry)} by ${name}, ${((entry.atNs - latest.atNs) / 1e9).toFixed(3)} s after ${reign(latest)}`,
      )
    }
  }
  return late
}

/** The longest gap between acknowledgements that ends after the fault; an unended one lasts until the window does. */
function longestStall(record: readonly Entry[], window: Window): number {
  const times = record
    .filter(
      entry =>
        entry.kind === 'acknowledged' && entry.client < FIRST_PINNED_CLIENT && entry.atNs <= window.untilNs,
    )
    .map(entry => entry.atNs)
    .sort((a, b) => a - b)
  const before = times.findLast(at => at <= window.faultNs) ?? window.faultNs
  const after = times.filter(at => at > window.faultNs)
  let longest = 0
  let last = before
  for (const at of [...after, window.untilNs]) {
    longest = Math.max(longest, at - last)
    last = at
  }
  return longest / 1e9
}
