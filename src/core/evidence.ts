// What a copy of the data had and the cluster has not: kept before a rewind or a clone destroys it.
import { formatLsn, type Lsn, parseLsn, type Timeline } from '../kernel/lsn.ts'

export interface Evidence {
  /** Directory with `manifest.json`, `transactions.txt`, `records.txt`, `rows.jsonl` and `wal/`. */
  readonly path: string
  /** ISO text. */
  readonly keptAt: string
  readonly member: string
  /** The copy that it is from. */
  readonly seat: string | null
  /** The newest term that the member knew then. */
  readonly term: number
  /** Both histories have it up to `fork`, and go apart there. */
  readonly timeline: Timeline
  readonly fork: Lsn
  /** Of this copy, the newest. */
  readonly ownTimeline: Timeline
  readonly acceptedTimeline: Timeline
  /** Where the last record of this copy begins; null: pg_waldump could not tell. */
  readonly lastRecord: Lsn | null
  /** Transactions that committed here behind `fork`; vigil's own are not counted. */
  readonly commits: number
  readonly rows: number
  readonly bytes: number
  /** What is missing, for people; empty: nothing. */
  readonly leftOut: readonly string[]
  /** Below `path`. */
  readonly files: readonly string[]
}

export type EvidenceDocument = ReturnType<typeof evidenceDocument>

/** As in `manifest.json` and over REST. */
export function evidenceDocument(evidence: Evidence) {
  const { keptAt, fork, ownTimeline, acceptedTimeline, lastRecord, leftOut, ...same } = evidence
  return {
    ...same,
    kept_at: keptAt,
    fork: formatLsn(fork),
    own_timeline: ownTimeline,
    accepted_timeline: acceptedTimeline,
    last_record: lastRecord === null ? null : formatLsn(lastRecord),
    left_out: leftOut,
  }
}

/** null: not such a document. */
export function readEvidence(raw: unknown): Evidence | null {
  if (typeof raw !== 'object' || raw === null) return null
  const found = raw as Partial<EvidenceDocument>
  const fork = typeof found.fork === 'string' ? parseLsn(found.fork) : null
  const texts = [found.path, found.kept_at, found.member]
  const numbers = [found.term, found.timeline, found.own_timeline, found.accepted_timeline]
  const counts = [found.commits, found.rows, found.bytes]
  if (fork === null || !texts.every(text => typeof text === 'string')) return null
  if (![...numbers, ...counts].every(Number.isSafeInteger)) return null
  if (!areTexts(found.left_out) || !areTexts(found.files)) return null
  return {
    path: found.path!,
    keptAt: found.kept_at!,
    member: found.member!,
    seat: typeof found.seat === 'string' ? found.seat : null,
    term: found.term!,
    timeline: found.timeline!,
    fork,
    ownTimeline: found.own_timeline!,
    acceptedTimeline: found.accepted_timeline!,
    lastRecord: typeof found.last_record === 'string' ? parseLsn(found.last_record) : null,
    commits: found.commits!,
    rows: found.rows!,
    bytes: found.bytes!,
    leftOut: found.left_out!,
    files: found.files!,
  }
}

function areTexts(raw: unknown): raw is readonly string[] {
  return Array.isArray(raw) && raw.every(item => typeof item === 'string')
}
