// Which files of pg_wal hold a range of WAL, and a copy of as many of them as there is room for.
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '../../../kernel/errors.ts'
import { type Lsn, lsn, type Timeline } from '../../../kernel/lsn.ts'
import { errorCode, syncDirectory } from '../durable.ts'
import { historyName } from '../history.ts'
import type { WalRange } from './divergence.ts'

export interface Segment {
  readonly name: string
  readonly timeline: Timeline
  readonly start: Lsn
  readonly bytes: number
}

/** In order, those that certainly belong to the ranges: PostgreSQL keeps old ones under names of the future. */
export async function segmentsOf(
  pgWal: string,
  ranges: readonly WalRange[],
  segmentBytes: number,
): Promise<readonly Segment[]> {
  const names = (await readdir(pgWal)).filter(name => /^[0-9A-F]{24}(\.partial)?$/.test(name)).sort()
  const found: Segment[] = []
  for (const name of names) {
    const timeline = Number.parseInt(name.slice(0, 8), 16)
    const start = startOf(name, segmentBytes)
    const wanted = ranges.some(
      range =>
        range.timeline === timeline &&
        start + BigInt(segmentBytes) > range.from &&
        (range.to === null || start < range.to),
    )
    if (!wanted || (await pageAddress(join(pgWal, name))) !== start) continue
    found.push({ name, timeline, start, bytes: (await stat(join(pgWal, name))).size })
  }
  return found
}

/** The newest timeline that has WAL of its own here. */
export async function newestTimeline(pgWal: string, segmentBytes: number): Promise<Timeline | null> {
  const names = (await readdir(pgWal)).filter(name => /^[0-9A-F]{24}$/.test(name)).sort()
  for (const name of names.reverse()) {
    if ((await pageAddress(join(pgWal, name))) === startOf(name, segmentBytes))
      return Number.parseInt(name.slice(0, 8), 16)
  }
  return null
}

function startOf(name: string, segmentBytes: number): Lsn {
  const perFile = 0x1_0000_0000n / BigInt(segmentBytes)
  const high = BigInt(`0x${name.slice(8, 16)}`)
  const low = BigInt(`0x${name.slice(16, 24)}`)
  return lsn((high * perFile + low) * BigInt(segmentBytes))
}

/** From the header of the first page: where in the WAL it was written. null: no header. */
async function pageAddress(path: string): Promise<Lsn | null> {
  const file = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(16), 0, 16, 0)
    return bytesRead === 16 ? lsn(buffer.readBigUInt64LE(8)) : null
  } finally {
    await file.close()
  }
}

export interface CopyLimits {
  readonly bytes: number
  readonly signal: AbortSignal
}

export interface Copied {
  readonly names: readonly string[]
  readonly bytes: number
  /** Why it ended early; null: everything is there. */
  readonly stopped: string | null
}

/** The newest first, until room or time is used up. */
export async function copyNewestFirst(
  from: string,
  to: string,
  segments: readonly Segment[],
  limits: CopyLimits,
): Promise<Copied> {
  const names: string[] = []
  let bytes = 0
  let stopped: string | null = null
  for (const segment of [...segments].reverse()) {
    if (limits.signal.aborted) stopped = 'the time was over'
    else if (bytes + segment.bytes > limits.bytes) stopped = 'there was no room for more'
    else stopped = await copyOne(join(from, segment.name), join(to, segment.name), limits.signal)
    if (stopped !== null) break
    names.push(segment.name)
    bytes += segment.bytes
  }
  await syncDirectory(to)
  return { names: names.sort(), bytes, stopped }
}

/** The histories of these timelines, as far as they are there. */
export async function copyHistories(
  from: string,
  to: string,
  timelines: readonly Timeline[],
): Promise<readonly string[]> {
  const names: string[] = []
  for (const name of timelines.map(historyName)) {
    if ((await stat(join(from, name)).catch(() => null)) === null) continue
    if ((await copyOne(join(from, name), join(to, name))) === null) names.push(name)
  }
  return names
}

const CHUNK = 1024 * 1024

/** null: done. What could not be written whole is taken away. */
async function copyOne(from: string, to: string, signal?: AbortSignal): Promise<string | null> {
  try {
    await copyDurably(from, to, signal)
    return null
  } catch (error) {
    await rm(to, { force: true })
    return signal?.aborted ? 'the time was over' : failureOf(error)
  }
}

async function copyDurably(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const source = await open(from, 'r')
  try {
    const target = await open(to, 'wx', 0o600)
    try {
      const chunk = Buffer.alloc(CHUNK)
      for (;;) {
        signal?.throwIfAborted()
        const { bytesRead } = await source.read(chunk, 0, CHUNK)
        if (bytesRead === 0) break
        await target.writeFile(chunk.subarray(0, bytesRead))
      }
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

export function failureOf(error: unknown): string {
  return errorCode(error) === 'ENOSPC' ? 'the file system is full' : reasonOf(error)
}
