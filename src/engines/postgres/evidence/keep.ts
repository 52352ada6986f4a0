// Keeps what only this copy of the data has, before a rewind or a clone destroys it (decision 0062): its WAL, a list
// of its transactions, and their rows when it runs.
import { join } from 'node:path'
import { type Evidence, evidenceDocument } from '../../../core/evidence.ts'
import { isVigilError, reasonOf, VigilError } from '../../../kernel/errors.ts'
import { formatLsn, type Lsn, parseLsn, type Timeline } from '../../../kernel/lsn.ts'
import type { EvidenceOrder } from '../../../ports/engine.ts'
import type { ControlReader } from '../control-data.ts'
import type { ControlFile } from '../control-file.ts'
import { writeDurably } from '../durable.ts'
import { readHistory } from '../history.ts'
import type { PostgresHost } from '../host.ts'
import { rewindMarker } from '../marker.ts'
import type { EvidenceOptions } from '../options.ts'
import { historyOf, identifySource } from '../replication.ts'
import { readSeat } from '../seat.ts'
import { type Divergence, divergenceOf } from './divergence.ts'
import { type LimitedFile, openLimitedFile } from './limited-file.ts'
import { type LostRows, readLostRows } from './lost-rows.ts'
import {
  type LostTransactions,
  parseRecord,
  readTransactions,
  transactionLines,
} from './lost-transactions.ts'
import {
  evidenceIn,
  finish,
  MANIFEST,
  makeRoom,
  type Place,
  placeFor,
  placesOf,
  unfinishedIn,
} from './shelf.ts'
import { dumpWal } from './wal-dump.ts'
import { copyHistories, copyNewestFirst, newestTimeline, type Segment, segmentsOf } from './wal-files.ts'

const DUMP_LIMIT_MS = 60_000
const ROWS_LIMIT_MS = 60_000
const COPY_LIMIT_MS = 120_000
/** Of the room that there is: the rest is for the WAL, from which everything else can be had again. */
const RECORDS_SHARE = 0.2
const ROWS_SHARE = 0.2
const LIST_SHARE = 0.05
/** Beside the WAL. */
const TEXT_BYTES = 4 * 1024 * 1024
const TEXTS = ['transactions.txt', 'records.txt', 'rows.jsonl']

/** null: there was nothing to keep, or it was kept before. @throws VigilError EVIDENCE_NOT_KEPT */
export async function keepEvidence(
  host: PostgresHost,
  control: ControlReader,
  order: EvidenceOrder,
  signal: AbortSignal,
): Promise<Evidence | null> {
  const { evidence: options } = host.options
  if (!options) return null
  try {
    return await attempt(host, control, { ...order, options }, signal)
  } catch (error) {
    if (isVigilError(error)) throw error
    throw new VigilError('EVIDENCE_NOT_KEPT', { reason: reasonOf(error) }, { cause: error })
  }
}

/** Oldest first, wherever it found room. */
export async function evidenceOf(host: PostgresHost): Promise<readonly Evidence[]> {
  const places = placesOf(host.options, host.options.evidence ?? null)
  const kept = (await Promise.all(places.map(evidenceIn))).flat()
  return kept.sort((a, b) => (a.keptAt < b.keptAt ? -1 : 1))
}

interface Order extends EvidenceOrder {
  readonly options: EvidenceOptions
}

async function attempt(
  host: PostgresHost,
  control: ControlReader,
  order: Order,
  signal: AbortSignal,
): Promise<Evidence | null> {
  const { dataDirectory, stateDirectory } = host.options
  if ((await host.dataVersion()) === null) return null
  // A rewind that was cut off has changed the WAL already, and was preceded by this.
  if (await rewindMarker(stateDirectory, dataDirectory).present()) return null
  const found = await control.read(signal)
  if (found.systemIdentifier !== order.expected) return null
  const { timeline: acceptedTimeline } = await identifySource(host, order.source, order.expected, signal)
  const accepted = await historyOf(host, order.source, acceptedTimeline, signal)
  if (accepted === null) throw new Error(`the leader has no history of its timeline ${acceptedTimeline}`)
  const pgWal = join(dataDirectory, 'pg_wal')
  const ownTimeline = await ownTimelineOf(pgWal, found)
  const own = { timeline: ownTimeline, history: (await readHistory(dataDirectory, ownTimeline)) ?? [] }
  const divergence = divergenceOf(own, { timeline: acceptedTimeline, history: accepted }, order.suspect)
  if (!divergence) return null
  const seat = await readSeat(dataDirectory)
  const about = { seat, ownTimeline, acceptedTimeline, divergence }
  if (await keptBefore(host, about)) return null
  const segments = await segmentsOf(pgWal, divergence.ranges, found.walSegmentBytes)
  return keep({ host, order, pgWal, segments, segmentBytes: found.walSegmentBytes, about, signal })
}

interface About {
  readonly seat: string | null
  readonly ownTimeline: Timeline
  readonly acceptedTimeline: Timeline
  readonly divergence: Divergence
}

interface Work {
  readonly host: PostgresHost
  readonly order: Order
  readonly pgWal: string
  readonly segments: readonly Segment[]
  readonly segmentBytes: number
  readonly about: About
  readonly signal: AbortSignal
}

async function keep(work: Work): Promise<Evidence | null> {
  const { host, order, segments, about, signal } = work
  const { limitBytes } = order.options
  const found = await readWal(work)
  // Known to be complete, and nobody's commit is in it.
  if (found.lost.commits === 0 && found.leftOut.length === 0) return null
  const wanted = segments.reduce((sum, { bytes }) => sum + bytes, 0) + TEXT_BYTES
  const places = placesOf(host.options, order.options)
  const chosen = await placeFor(places, Math.min(limitBytes, wanted), limitBytes)
  const place = { ...chosen, roomBytes: Math.min(chosen.roomBytes, wanted) }
  await makeRoom(place, limitBytes)
  const name = `${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}-timeline-${about.ownTimeline}`
  const path = join(place.path, name)
  const unfinished = await unfinishedIn(place, name)
  const texts = await writeTexts(work, unfinished, place, found)
  const wal = await keepWal(work, join(unfinished, 'wal'), place.roomBytes - texts.bytes)
  const evidence: Evidence = {
    path,
    keptAt: new Date().toISOString(),
    member: host.options.member,
    seat: about.seat,
    term: order.term,
    timeline: about.divergence.timeline,
    fork: about.divergence.fork,
    ownTimeline: about.ownTimeline,
    acceptedTimeline: about.acceptedTimeline,
    lastRecord: found.lost.last,
    commits: found.lost.commits,
    rows: texts.rows,
    bytes: texts.bytes + wal.bytes,
    leftOut: [...wal.leftOut, ...texts.leftOut],
    files: [...TEXTS, ...wal.names.map(file => `wal/${file}`)],
  }
  signal.throwIfAborted()
  await writeDurably(join(unfinished, MANIFEST), `${JSON.stringify(evidenceDocument(evidence), null, 2)}\n`)
  await finish(unfinished, path)
  return evidence
}

interface Found {
  readonly lost: LostTransactions
  readonly leftOut: readonly string[]
}

/** From the begin of the first file: what a lost transaction wrote before the fork is lost with it. */
async function readWal(work: Work): Promise<Found> {
  const read = readTransactions()
  const leftOut = await eachRecord(work, async (line, fork) => {
    read.add(line, fork)
  })
  const lost = read.result()
  return { lost, leftOut: lost.cut ? [...leftOut, 'some of very many transactions, in the lists'] : leftOut }
}

/** Calls for every record, those before the fork too; returns what could not be read. */
async function eachRecord(
  { host, segments, segmentBytes, about, signal }: Work,
  each: (line: string, fork: Lsn) => Promise<void>,
): Promise<readonly string[]> {
  const leftOut: string[] = []
  for (const range of about.divergence.ranges) {
    const [first] = segments.filter(({ timeline }) => timeline === range.timeline)
    const wanted = range.from - (range.from % BigInt(segmentBytes))
    if (!first || first.start > wanted)
      leftOut.push(
        `WAL of timeline ${range.timeline} from ${formatLsn(range.from)} on: PostgreSQL has removed it`,
      )
    if (!first) continue
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DUMP_LIMIT_MS)])
    try {
      await dumpWal(host, { ...range, begin: first.start }, line => each(line, range.from), limit)
    } catch (error) {
      const reason = limit.aborted ? `it took longer than ${DUMP_LIMIT_MS / 1000} s` : reasonOf(error)
      leftOut.push(`records of timeline ${range.timeline}, in the lists: ${reason}`)
    }
  }
  return leftOut
}

async function writeTexts(work: Work, folder: string, { roomBytes }: Place, found: Found) {
  const records = await openLimitedFile(join(folder, 'records.txt'), roomBytes * RECORDS_SHARE)
  await eachRecord(work, async (line, fork) => {
    const at = parseLsn(parseRecord(line)?.lsn ?? '')
    if (at !== null && at >= fork) await records.add(line)
  })
  await records.close()
  const file = await openLimitedFile(join(folder, 'rows.jsonl'), roomBytes * ROWS_SHARE)
  const rows = await rowsInto(work, file, found.lost)
  await file.close()
  const list = await openLimitedFile(join(folder, 'transactions.txt'), roomBytes * LIST_SHARE)
  for (const line of transactionLines(found.lost, rows.names)) await list.add(line)
  await list.close()
  const cut = [records, list].flatMap((text, index) =>
    text.stopped() === null
      ? []
      : [`the end of ${index === 0 ? 'records' : 'transactions'}.txt: ${text.stopped()}`],
  )
  return {
    bytes: records.bytes() + file.bytes() + list.bytes(),
    rows: rows.count,
    leftOut: [...found.leftOut, ...rows.leftOut, ...cut],
  }
}

async function rowsInto(
  { host, signal }: Work,
  file: LimitedFile,
  lost: LostTransactions,
): Promise<LostRows> {
  const none = (reason: string): LostRows => ({ count: 0, leftOut: [`rows: ${reason}`], names: new Map() })
  if (lost.blocks.size === 0) return { count: 0, leftOut: [], names: new Map() }
  const target = await host.local()
  if (!target) return none('the copy did not run, so only its WAL has them')
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ROWS_LIMIT_MS)])
  return readLostRows(target, lost, file, limit).catch(error => none(reasonOf(error)))
}

async function keepWal({ pgWal, segments, about, signal }: Work, folder: string, roomBytes: number) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(COPY_LIMIT_MS)])
  const copied = await copyNewestFirst(pgWal, folder, segments, { bytes: roomBytes, signal: limit })
  const timelines = [...about.divergence.ranges.map(({ timeline }) => timeline), about.ownTimeline]
  const histories = await copyHistories(pgWal, folder, [...new Set(timelines)])
  const missing = segments.length - copied.names.length
  const leftOut =
    missing > 0 ? [`the oldest ${missing} of ${segments.length} WAL files: ${copied.stopped}`] : []
  return { bytes: copied.bytes, names: [...histories, ...copied.names], leftOut }
}

async function ownTimelineOf(
  pgWal: string,
  { checkpoint, minRecoveryTimeline, walSegmentBytes }: ControlFile,
) {
  const newest = await newestTimeline(pgWal, walSegmentBytes)
  return Math.max(checkpoint.timeline, minRecoveryTimeline, newest ?? 0)
}

/** The same copy with the same end: this work was done, and what came after it was not. */
async function keptBefore(host: PostgresHost, about: About): Promise<boolean> {
  const { seat, ownTimeline, divergence } = about
  return (await evidenceOf(host)).some(
    known => known.seat === seat && known.ownTimeline === ownTimeline && known.fork === divergence.fork,
  )
}
