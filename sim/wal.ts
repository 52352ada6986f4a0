// The write-ahead log as what it is for the protocol: a tree of branches, one a promotion, each a list of records.
// A copy of the data is a branch and how much of it is there; everything before the fork is there too.

import type { HistoryLine } from '../src/core/instance.ts'
import { type Lsn, lsn, type Position, type Timeline } from '../src/kernel/lsn.ts'

export type RecordKind = 'commit' | 'shutdown' | 'checkpoint' | 'recovery-end' | 'message'

export interface WalRecord {
  readonly kind: RecordKind
  readonly end: number
  /** When it was acknowledged to its client, in true time. */
  acknowledgedAt: number | null
}

export interface Branch {
  readonly id: number
  readonly systemIdentifier: string
  readonly timeline: Timeline
  /** Where it leaves its parent; null for what initdb made. */
  readonly fork: Copy | null
  readonly start: number
  readonly writer: string
  readonly records: WalRecord[]
}

export interface Copy {
  readonly branch: Branch
  /** Records of `branch` that are there. */
  readonly count: number
}

const FIRST_LSN = 0x1000000
const COMMIT_BYTES = 168
const OTHER_BYTES = 104

export function firstBranch(id: number, systemIdentifier: string, writer: string): Branch {
  return { id, systemIdentifier, timeline: 1, fork: null, start: FIRST_LSN, writer, records: [] }
}

export function forkBranch(id: number, from: Copy, timeline: Timeline, writer: string): Branch {
  const { systemIdentifier } = from.branch
  return { id, systemIdentifier, timeline, fork: from, start: endOf(from), writer, records: [] }
}

/** Appends at the end of the branch and returns the copy that has it. */
export function append(branch: Branch, kind: RecordKind): Copy {
  const end = endOf(tipOf(branch)) + (kind === 'commit' ? COMMIT_BYTES : OTHER_BYTES)
  branch.records.push({ kind, end, acknowledgedAt: null })
  return tipOf(branch)
}

export function tipOf(branch: Branch): Copy {
  return { branch, count: branch.records.length }
}

export function endOf(copy: Copy): number {
  return copy.count > 0 ? copy.branch.records[copy.count - 1]!.end : copy.branch.start
}

export function positionOf(copy: Copy): Position {
  // The number of the timeline is that of the last byte, not of the file it will be written to.
  const ahead = copy.count > 0 || copy.branch.fork === null
  return {
    timeline: ahead ? copy.branch.timeline : copy.branch.fork!.branch.timeline,
    lsn: lsnOf(endOf(copy)),
  }
}

export function lsnOf(bytes: number): Lsn {
  return lsn(bytes)
}

/** Whether everything in `small` is in `big` too. */
export function contains(big: Copy, small: Copy): boolean {
  let at: Copy | null = big
  while (at !== null) {
    if (at.branch === small.branch) return at.count >= small.count
    at = at.branch.fork
  }
  return false
}

/** What both have. null: nothing, they are of different clusters. */
export function commonPart(a: Copy, b: Copy): Copy | null {
  const limits = new Map<Branch, number>()
  for (let at: Copy | null = a; at !== null; at = at.branch.fork) limits.set(at.branch, at.count)
  for (let at: Copy | null = b; at !== null; at = at.branch.fork) {
    const limit = limits.get(at.branch)
    if (limit !== undefined) return { branch: at.branch, count: Math.min(limit, at.count) }
  }
  return null
}

/** Records in `copy` that are not in `base`, which is a part of it. Oldest branch last. */
export function recordsBeyond(copy: Copy, base: Copy | null): readonly WalRecord[] {
  const found: WalRecord[] = []
  for (let at: Copy | null = copy; at !== null; at = at.branch.fork) {
    if (at.branch === base?.branch) return [...found, ...at.branch.records.slice(base.count, at.count)]
    found.push(...at.branch.records.slice(0, at.count))
  }
  return found
}

/** As a history file has it, oldest line first. */
export function historyLines(branch: Branch): readonly HistoryLine[] {
  const lines: HistoryLine[] = []
  for (let at = branch; at.fork !== null; at = at.fork.branch)
    lines.unshift({ timeline: at.fork.branch.timeline, end: lsnOf(at.start) })
  return lines
}

/** The branch of this timeline among the ancestors, itself included. */
export function ancestorOf(copy: Copy, timeline: Timeline): Branch | null {
  for (let at: Copy | null = copy; at !== null; at = at.branch.fork)
    if (at.branch.timeline === timeline) return at.branch
  return null
}

export function describeCopy(copy: Copy): string {
  return `${copy.branch.timeline}:${endOf(copy).toString(16)}`
}
