// The term record as text and back. LSNs are written as PostgreSQL writes them, `0/3000060`.
import * as z from 'zod'
import { RECORD_BYTES_MAX, TERM_STATES, type TermRecord } from '../core/term.ts'
import { assert } from '../kernel/assert.ts'
import { formatLsn, type Lsn, type Position, parseLsn } from '../kernel/lsn.ts'
import { compactJson, type Parsed, parseJson } from './json.ts'
import { Identifier, MemberName, matched } from './schema.ts'

/** Room for a newer writer; far below what would hurt a reader. */
const RECORD_LENGTH_READ = 4 * RECORD_BYTES_MAX

/** A promotion may lie behind more entries than fit; fewer than this many make the record useless. */
const CHAIN_NEVER_DROPPED = 4

const LsnText = z.string().transform((text, context): Lsn => {
  const value = parseLsn(text)
  if (value !== null) return value
  context.issues.push({ code: 'custom', message: 'not an LSN', input: text })
  return z.NEVER
})

const Counter = z.int().nonnegative()
const TimelineNumber = z.int().min(1).max(0xffffffff)
const PositionText = z.object({ timeline: TimelineNumber, lsn: LsnText })

const Term = z.object({
  v: z.literal(1),
  cluster: Identifier,
  term: z.int().min(1),
  state: z.enum(TERM_STATES),
  holder: z.object({ name: MemberName, install: Identifier, seat: Identifier, machine: Identifier }),
  // A day at most: nobody waits longer than that for a silent leader because of one damaged digit.
  ttl: z.int().min(1).max(86_400_000),
  nonce: Identifier,
  at: PositionText.nullable(),
  members: z.array(Identifier),
  rules: z
    .array(
      z.object({
        term: Counter,
        leader: Identifier,
        seats: z.array(Identifier),
        k: Counter,
        seen: z.record(
          z.string(),
          z.string().refine(text => parseLsn(text) !== null, 'not an LSN'),
        ),
      }),
    )
    .nullable(),
  rulesVersion: Counter,
  chain: z.array(
    z.object({
      term: Counter,
      timeline: TimelineNumber,
      parent: TimelineNumber,
      fork: LsnText,
      lossAccepted: z.boolean().optional(),
    }),
  ),
  timelineMax: TimelineNumber,
  successor: MemberName.nullable(),
  final: PositionText.nullable(),
  mixed: z.boolean(),
  seed: z.object({ id: Identifier, from: z.array(Identifier) }).optional(),
}) satisfies z.ZodType<TermRecord>

/** Never throws. */
export function decodeTerm(text: string): Parsed<TermRecord> {
  const json = parseJson(text, RECORD_LENGTH_READ)
  if (!json.ok) return json
  const format = formatOf(json.value)
  if (typeof format === 'number' && format > 1) {
    return { ok: false, reason: `format ${format} is newer than this version of vigil understands` }
  }
  return matched(Term, json.value)
}

/**
 * At most RECORD_BYTES_MAX bytes: when the record would be longer, the oldest promotions are left out, exactly as
 * those before the last CHAIN_KEPT are. A cluster must not lose its leader because of a long list.
 */
export function encodeTerm(record: TermRecord): string {
  let chain = record.chain
  let text = termText({ ...record, chain })
  while (bytesOf(text) > RECORD_BYTES_MAX && chain.length > CHAIN_NEVER_DROPPED) {
    chain = chain.slice(1)
    text = termText({ ...record, chain })
  }
  assert(bytesOf(text) <= RECORD_BYTES_MAX, `the term record takes ${bytesOf(text)} bytes`)
  return text
}

function termText(record: TermRecord): string {
  return compactJson({
    v: record.v,
    cluster: record.cluster,
    term: record.term,
    state: record.state,
    holder: record.holder,
    ttl: record.ttl,
    nonce: record.nonce,
    at: positionText(record.at),
    members: record.members,
    rules: record.rules,
    rulesVersion: record.rulesVersion,
    chain: record.chain.map(entry => ({ ...entry, fork: formatLsn(entry.fork) })),
    timelineMax: record.timelineMax,
    successor: record.successor,
    final: positionText(record.final),
    mixed: record.mixed,
    ...(record.seed && { seed: record.seed }),
  })
}

function positionText(position: Position | null): { timeline: number; lsn: string } | null {
  return position && { timeline: position.timeline, lsn: formatLsn(position.lsn) }
}

function formatOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length
}
