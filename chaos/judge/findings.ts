// Everything that a run has recorded, judged: what must never happen, as sentences with the checker that found them.
import { judge, rowName, type Survivor, violations } from '../../test/lab/checker.ts'
import type { Acknowledged } from '../../test/lab/record.ts'
import { checkLists } from '../list-append/check.ts'
import type { Anomaly, FinalLists, IsolationLevel, Transaction } from '../list-append/history.ts'
import type { Mode } from '../options.ts'
import type { Seen } from '../workload.ts'
import { wrongCounts } from './counters.ts'
import { type AcceptedTimeline, type HistoryFile, wrongTimelines } from './timelines.ts'

export interface Finding {
  readonly checker: 'rows' | 'terms' | 'timelines' | 'counters' | 'lists' | 'copies' | 'convergence'
  readonly sentence: string
}

export interface Evidence {
  readonly mode: Mode
  readonly isolation: IsolationLevel
  readonly seen: Seen
  readonly survivor: Survivor
  readonly finalLists: FinalLists
  readonly chain: readonly AcceptedTimeline[]
  readonly histories: readonly HistoryFile[]
  /** Stretches in which the record promised nothing about standbys, although the mode is a synchronous one. */
  readonly unprotected: readonly { readonly fromNs: number; readonly untilNs: number }[]
  readonly untilNs: number
}

export interface Judged {
  readonly findings: readonly Finding[]
  readonly acknowledged: number
  /** Acknowledged and gone: in asynchronous mode what had not been replicated. */
  readonly lost: number
  readonly unknown: number
  readonly errors: number
  /** Acknowledged by sessions with `synchronous_commit = local`, and gone of those. */
  readonly weakAcknowledged: number
  readonly weakLost: number
  readonly lists: { readonly committed: number; readonly aborted: number; readonly unknown: number }
  readonly counts: number
  /** How often the record promised nothing about standbys in a synchronous mode. */
  readonly unprotected: number
}

const SHOWN = 5

export function judgeRun(evidence: Evidence): Judged {
  const { mode, seen, survivor } = evidence
  const synchronous = mode !== 'async'
  const window = { fromNs: 0, faultNs: 0, untilNs: evidence.untilNs }
  const verdict = judge(seen.rows, survivor, window)
  const named = new Map(
    seen.rows.flatMap(row => (row.kind === 'acknowledged' ? [[rowName(row), row] as const] : [])),
  )
  const promised = synchronous ? verdict.lost.filter(row => !excused(named.get(row)!, evidence)) : []
  const weak = seen.weak.filter(row => row.kind === 'acknowledged')
  const findings: Finding[] = [
    ...violations(verdict).map(sentence => ({ checker: checkerOf(sentence), sentence })),
    ...(promised.length > 0
      ? [
          {
            checker: 'rows' as const,
            sentence: `acknowledged under a synchronous rule and lost: ${some(promised)}`,
          },
        ]
      : []),
    ...sentences('timelines', wrongTimelines(evidence.histories, evidence.chain, survivor.timeline)),
    ...sentences(
      'counters',
      wrongCounts(seen.counts, { across: synchronous && evidence.unprotected.length === 0 }),
    ),
    ...sentences('lists', wrongLists(evidence)),
  ]
  const outcomes = (wanted: Transaction['outcome']) =>
    seen.lists.filter(({ outcome }) => outcome === wanted).length
  return {
    findings,
    acknowledged: verdict.acknowledged,
    lost: verdict.lost.length,
    unknown: verdict.unknown,
    errors: verdict.errors,
    weakAcknowledged: weak.length,
    weakLost: weak.filter(row => !survivor.rows.has(rowName(row))).length,
    lists: { committed: outcomes('committed'), aborted: outcomes('aborted'), unknown: outcomes('unknown') },
    counts: seen.counts.length,
    unprotected: evidence.unprotected.length,
  }
}

/**
 * Synchronous replication makes one history of all primaries. Without it each reign is judged by itself: what the next
 * one lacks may be gone, and what was read of it too.
 */
function wrongLists({ mode, isolation, seen, finalLists, unprotected }: Evidence): readonly string[] {
  const say = (anomalies: readonly Anomaly[]) =>
    anomalies.map(({ kind, explanation }) => `${kind}: ${explanation}`)
  if (mode !== 'async' && unprotected.length === 0)
    return say(checkLists(seen.lists, { level: isolation, final: finalLists }))
  const reigns = new Set(seen.lists.map(({ reign }) => reign))
  return [...reigns].flatMap(reign => say(checkLists(ofReign(seen.lists, reign), { level: isolation })))
}

/** The transactions of one reign; those of others only as writers of what it found, not as somebody who read. */
function ofReign(lists: readonly Transaction[], reign: string): readonly Transaction[] {
  return lists.map(transaction =>
    transaction.reign === reign
      ? transaction
      : {
          ...transaction,
          outcome: transaction.outcome === 'aborted' ? 'aborted' : 'unknown',
          operations: transaction.operations.filter(({ kind }) => kind === 'append'),
        },
  )
}

function excused(row: Acknowledged, { unprotected }: Evidence): boolean {
  return unprotected.some(({ fromNs, untilNs }) => row.atNs >= fromNs && row.sentNs <= untilNs)
}

function checkerOf(sentence: string): Finding['checker'] {
  return sentence.startsWith('acknowledged by an old primary') ? 'terms' : 'rows'
}

function sentences(checker: Finding['checker'], found: readonly string[]): readonly Finding[] {
  const rest = found.length - SHOWN
  return [
    ...found.slice(0, SHOWN).map(sentence => ({ checker, sentence })),
    ...(rest > 0 ? [{ checker, sentence: `and ${rest} more` }] : []),
  ]
}

function some(rows: readonly string[]): string {
  const rest = rows.length - SHOWN
  return `${rows.slice(0, SHOWN).join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`
}
