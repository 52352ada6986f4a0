// Positions in the write-ahead log.
import type { Brand } from './brand.ts'

/** Byte position in the write-ahead log. */
export type Lsn = Brand<bigint, 'Lsn'>

/** Number of a timeline; 1 is what initdb makes. */
export type Timeline = number

export function lsn(value: bigint | number): Lsn {
  return BigInt(value) as Lsn
}

/** Reads PostgreSQL's text form, `16/B374D848`; null when the text is not one. */
export function parseLsn(text: string): Lsn | null {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  if (!match) return null
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn
}

export function formatLsn(value: Lsn): string {
  return `${(value >> 32n).toString(16).toUpperCase()}/${(value & 0xffffffffn).toString(16).toUpperCase()}`
}

/**
 * A position: the timeline of the last flushed byte, and where it ends. Compared by timeline first, which is
 * sound only because timeline numbers are given out by the record (protocol A2, A6).
 */
export interface Position {
  readonly timeline: Timeline
  readonly lsn: Lsn
}

/** Negative when `a` is behind `b`, 0 when equal, positive when ahead. */
export function comparePositions(a: Position, b: Position): number {
  if (a.timeline !== b.timeline) return a.timeline - b.timeline
  return a.lsn < b.lsn ? -1 : a.lsn > b.lsn ? 1 : 0
}

export function formatPosition(position: Position): string {
  return `${position.timeline}:${formatLsn(position.lsn)}`
}
