// Patroni's records as text and back: member, status, history, failover, config. Reading never throws.
import * as z from 'zod'
import type { FailoverRequest, HistoryRow, MemberRecord, PublishedRole } from '../core/cluster.ts'
import { PUBLISHED_VERSION } from '../core/published-version.ts'
import { type Lsn, lsn } from '../kernel/lsn.ts'
import { compactJson, type Parsed, parseJson } from './json.ts'
import { Identifier, MemberName, matched } from './schema.ts'

export { PUBLISHED_VERSION } from '../core/published-version.ts'
export { decodeTerm, encodeTerm } from './term-codec.ts'

const MEMBER_LENGTH_MAX = 64 * 1024
const DOCUMENT_LENGTH_MAX = 512 * 1024
const TEXT_LENGTH_MAX = 64 * 1024

const ROLES = [
  'primary',
  'replica',
  'standby_leader',
  'demoted',
  'uninitialized',
  'promoted',
] as const satisfies readonly PublishedRole[]

const JsonObject = z.record(z.string(), z.unknown())
// Positions are integers in Patroni's JSON. Beyond 2^53 (8 PiB of WAL) the digits are lost: refused, not rounded.
const Bytes = z.int().nonnegative()

const Member = z.object({
  conn_url: z.string().nullish(),
  api_url: z.string().nullish(),
  state: z.string().max(200),
  // Before 4.0 Patroni wrote `master`.
  role: z.preprocess(role => (role === 'master' ? 'primary' : role), z.enum(ROLES)),
  version: z.string().max(64).nullish(),
  xlog_location: Bytes.nullish(),
  receive_lsn: Bytes.nullish(),
  replay_lsn: Bytes.nullish(),
  replication_state: z.string().max(64).nullish(),
  timeline: z.int().min(1).max(0xffffffff).nullish(),
  tags: JsonObject.nullish(),
  checkpoint_after_promote: z.boolean().nullish(),
  pending_restart: z.boolean().nullish(),
  // Shown only: an unexpected form must not hide the member.
  pending_restart_reason: JsonObject.nullish().catch(null),
  scheduled_restart: JsonObject.nullish().catch(null),
  pause: z.boolean().nullish(),
  vigil: z
    .object({
      version: z.string().max(64),
      install: Identifier,
      seat: Identifier.nullable(),
      machine: Identifier,
      leaving: z.boolean().optional(),
    })
    .nullish(),
})

/** `name` comes from the key. */
export function decodeMember(name: string, text: string): Parsed<MemberRecord> {
  const goodName = matched(MemberName, name)
  if (!goodName.ok) return { ok: false, reason: `name: ${goodName.reason}` }
  const member = decodeJson(Member, text, MEMBER_LENGTH_MAX)
  if (!member.ok) return member
  const value = member.value
  return {
    ok: true,
    value: {
      name,
      connUrl: value.conn_url ?? null,
      apiUrl: value.api_url ?? null,
      state: value.state,
      role: value.role,
      version: value.version ?? null,
      xlogLocation: lsnOf(value.xlog_location),
      receiveLsn: lsnOf(value.receive_lsn),
      replayLsn: lsnOf(value.replay_lsn),
      replicationState: value.replication_state ?? null,
      timeline: value.timeline ?? null,
      tags: value.tags ?? {},
      // Absent means done: only a leader whose checkpoint is still due publishes `false`.
      checkpointAfterPromote: value.checkpoint_after_promote !== false,
      pendingRestart: value.pending_restart === true,
      pendingRestartReason: value.pending_restart_reason ?? null,
      scheduledRestart: value.scheduled_restart ?? null,
      pause: value.pause === true,
      vigil: value.vigil ?? null,
    },
  }
}

/** Patroni's form; parts that say nothing are left out, and `version` is always PUBLISHED_VERSION. */
export function encodeMember(member: MemberRecord): string {
  return compactJson({
    conn_url: present(member.connUrl),
    api_url: present(member.apiUrl),
    state: member.state,
    role: member.role,
    version: PUBLISHED_VERSION,
    xlog_location: present(member.xlogLocation),
    receive_lsn: present(member.receiveLsn),
    replay_lsn: present(member.replayLsn),
    replication_state: present(member.replicationState),
    timeline: present(member.timeline),
    tags: Object.keys(member.tags).length > 0 ? member.tags : undefined,
    checkpoint_after_promote: member.checkpointAfterPromote ? undefined : false,
    pending_restart: member.pendingRestart ? true : undefined,
    pending_restart_reason: present(member.pendingRestartReason),
    scheduled_restart: present(member.scheduledRestart),
    pause: member.pause ? true : undefined,
    vigil: present(member.vigil),
  })
}

/** `status`: how far the leader is, and where slots must be kept. */
export interface StatusRecord {
  readonly optime: Lsn | null
  readonly slots: Readonly<Record<string, Lsn>>
  readonly retainSlots: readonly string[]
}

const Status = z.object({
  optime: Bytes.nullish(),
  slots: z.record(z.string(), Bytes).nullish(),
  retain_slots: z.array(z.string()).nullish(),
})

export function decodeStatus(text: string): Parsed<StatusRecord> {
  const status = decodeJson(Status, text, TEXT_LENGTH_MAX)
  if (!status.ok) return status
  const slots = Object.entries(status.value.slots ?? {}).map(([name, bytes]) => [name, lsn(bytes)] as const)
  return {
    ok: true,
    value: {
      optime: lsnOf(status.value.optime),
      slots: Object.fromEntries(slots),
      retainSlots: status.value.retain_slots ?? [],
    },
  }
}

export function encodeStatus(status: StatusRecord): string {
  return compactJson({
    optime: present(status.optime),
    slots: Object.keys(status.slots).length > 0 ? status.slots : undefined,
    retain_slots: status.retainSlots.length > 0 ? status.retainSlots : undefined,
  })
}

const History = z.array(
  z.tuple([z.int().min(1), Bytes, z.string(), z.string().nullish(), z.string().nullish()]).rest(z.unknown()),
)

/** Rows of three and four parts are legal: older Patroni wrote them. */
export function decodeHistory(text: string): Parsed<readonly HistoryRow[]> {
  const history = decodeJson(History, text, DOCUMENT_LENGTH_MAX)
  if (!history.ok) return history
  return { ok: true, value: history.value.map(historyRow) }
}

export function encodeHistory(rows: readonly HistoryRow[]): string {
  return compactJson(rows)
}

const Failover = z.object({
  leader: z.string().max(255).nullish(),
  member: z.string().max(255).nullish(),
  scheduled_at: z.string().max(64).nullish(),
  vigil: z.object({ accept_loss: z.boolean().optional() }).nullish(),
})

/** null: nothing is asked for (`{}`, or the old text form with both parts empty). */
export function decodeFailover(text: string): Parsed<FailoverRequest | null> {
  const legacy = /^([^:{}"]{0,255}):([^:{}"]{0,255})$/.exec(text.trim())
  if (legacy) return { ok: true, value: failoverRequest({ leader: legacy[1], member: legacy[2] }) }
  const failover = decodeJson(Failover, text, TEXT_LENGTH_MAX)
  return failover.ok ? { ok: true, value: failoverRequest(failover.value) } : failover
}

/** null clears the request: the key is never deleted. */
export function encodeFailover(request: FailoverRequest | null): string {
  return compactJson({
    leader: present(request?.leader),
    member: present(request?.member),
    scheduled_at: present(request?.scheduledAt),
    ...(request?.acceptLoss && { vigil: { accept_loss: true } }),
  })
}

export function decodeConfig(text: string): Parsed<Readonly<Record<string, unknown>>> {
  return decodeJson(JsonObject, text, DOCUMENT_LENGTH_MAX)
}

export function encodeConfig(config: Readonly<Record<string, unknown>>): string {
  return compactJson(config)
}

/** A plain name, as the leader key holds it. */
export function decodeName(text: string): Parsed<string> {
  return matched(MemberName, text)
}

/** The system identifier, or the empty string of a bootstrap under way. Leave its meaning to who reads it. */
export function decodeInitialize(text: string): Parsed<string> {
  return matched(z.string().max(64), text)
}

/** A text that its reader parses later: only its size is checked. */
export function decodeText(text: string): Parsed<string> {
  return matched(z.string().max(TEXT_LENGTH_MAX), text)
}

function decodeJson<T>(schema: z.ZodType<T>, text: string, lengthMax: number): Parsed<T> {
  const json = parseJson(text, lengthMax)
  return json.ok ? matched(schema, json.value) : json
}

function failoverRequest(value: z.infer<typeof Failover>): FailoverRequest | null {
  const request = {
    leader: value.leader || null,
    member: value.member || null,
    scheduledAt: value.scheduled_at || null,
    ...(value.vigil?.accept_loss && { acceptLoss: true }),
  }
  return request.leader || request.member || request.scheduledAt ? request : null
}

function historyRow(row: z.infer<typeof History>[number]): HistoryRow {
  const [timeline, end, reason, at, leader] = row
  if (at == null) return [timeline, end, reason]
  return leader == null ? [timeline, end, reason, at] : [timeline, end, reason, at, leader]
}

function lsnOf(bytes: number | null | undefined): Lsn | null {
  return bytes == null ? null : lsn(bytes)
}

function present<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined
}
