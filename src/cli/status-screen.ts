// The status of a cluster as a screen, and as JSON.
import { type Lsn, parseLsn } from '../kernel/lsn.ts'
import type { LocalDocument, MemberDocument, StatusDocument } from '../operations/status-document.ts'
import type { Survey, Surveyed } from './survey.ts'
import { bytesText, type Column, renderTable, secondsText } from './table.ts'

/** What can be said as soon as one member has answered. */
export function headline(first: StatusDocument): string {
  const { term, leader, scope, system_identifier: system } = first
  const cluster = `Cluster ${scope}${system ? ` (${system})` : ''}`
  const lines = [cluster, leaderLine(first)]
  if (first.paused) lines.push('Maintenance mode: on')
  if (first.request) lines.push(requestLine(first.request))
  if (leader !== null && term && term.state !== 'serving' && term.state !== 'paused')
    lines.push(`The leadership is in state "${term.state}"${term.successor ? `, to ${term.successor}` : ''}`)
  const commits = commitsLine(first)
  if (commits) lines.push(commits)
  return `${lines.join('\n')}\n`
}

/** Nothing in an asynchronous cluster: that is how PostgreSQL is. */
function commitsLine({ synchronous, leader }: StatusDocument): string | null {
  const { mode, strict, state, k, members } = synchronous
  if (state === 'asynchronous') return null
  const strictly = strict ? ', strictly' : ''
  if (state === 'degraded')
    return `Commits wait for nobody: no standby can be waited for (${mode}${strictly})`
  const whom = members.length === 0 ? 'nobody yet' : `${k} of ${members.join(', ')}`
  const changing = state === 'changing' ? ', which is being changed' : ''
  return `Commits${leader ? ` on ${leader}` : ''} wait for ${whom} (${mode}${strictly})${changing}`
}

function leaderLine({ leader, term, store, member }: StatusDocument): string {
  if (store.state === 'lost' && member.failsafe?.active)
    return `Leader ${member.name} without the store, which has not answered for ${secondsText(store.lost_for_ms ?? 0)}: failsafe, by the promises of all members`
  if (store.state === 'lost')
    return `The store has not answered ${member.name} for ${secondsText(store.lost_for_ms ?? 0)}: who leads is not known${leader ? `, except that ${leader} still holds its deadline` : ''}`
  if (leader !== null) return `Leader ${leader}${term ? `, term ${term.number}` : ''}`
  if (!term) return 'No leader: the cluster has not been created yet'
  const silence = term.silence_ms === null ? '' : `, silent for ${secondsText(term.silence_ms)}`
  return `No leader: ${term.holder} was the last, term ${term.number} (${term.state}${silence})`
}

function requestLine(request: NonNullable<StatusDocument['request']>): string {
  const { leader, member, scheduled_at: at } = request
  const route = `${leader ? ` from ${leader}` : ''}${member ? ` to ${member}` : ''}`
  return at ? `Switchover scheduled for ${at}${route}` : `Switchover asked for${route}`
}

const COLUMNS: readonly Column[] = [
  { title: 'Member' },
  { title: 'Host' },
  { title: 'Role' },
  { title: 'State' },
  { title: 'TL', align: 'right' },
  { title: 'Lag', align: 'right' },
  { title: 'Note' },
]

/** Everything below the headline. */
export function details({ members }: Survey, columns: number): string {
  const ports = new Set(members.map(member => member.row.port))
  const lags = lagsOf(members)
  const withPort = ports.size > 1 || !ports.has(5432)
  const rows = members.map(member => cells(member, withPort, lags.get(member.name) ?? null))
  const leader = members.map(localOf).find(local => local?.leads)
  return [
    ...(leader ? [`${protection(leader)}\n`] : []),
    `\n${renderTable(COLUMNS, rows, columns)}`,
    warningLines(members),
  ].join('')
}

function protection({ deadline_left_ms: left, fencing }: LocalDocument): string {
  const { grade, next, obstacles } = fencing
  const lacking = (layer: string) => (obstacles[layer] ? `${layer} (${obstacles[layer]})` : layer)
  const better = next ? `\nGrade ${next.grade} needs ${next.missing.map(lacking).join(', ')}` : ''
  const wanting = [
    ['has no real-time priority', fencing.realtime_obstacle],
    ['may be killed when memory runs out', fencing.oom_obstacle],
    ['has no memory reserved', fencing.memory_obstacle],
  ].flatMap(([what, reason]) => (reason ? [`\nThe guard ${what}: ${reason}`] : []))
  const layers = `Fencing ${grade}: ${fencing.layers.join(', ') || 'nothing'}${better}${wanting.join('')}`
  return `${left === null ? 'No deadline runs' : `Deadline in ${secondsText(left)}`}\n${layers}`
}

function cells(member: Surveyed, withPort: boolean, lag: number | null): readonly string[] {
  const { row, answer } = member
  const own = localOf(member)
  const published = rowOf(member)
  const state = answer.kind === 'silent' ? 'no answer' : published.state
  return [
    row.name,
    row.host === null ? '' : withPort && row.port !== null ? `${row.host}:${row.port}` : row.host,
    row.leader ? 'leader' : roleText(published, row.synchronous),
    state,
    published.timeline === null ? '' : String(published.timeline),
    row.leader ? '' : lag === null ? 'unknown' : bytesText(lag),
    note(member, published, own),
  ]
}

/** What the leader's record says of it, since a member may be behind. */
function roleText({ role }: MemberDocument, synchronous: string | null): string {
  if (role === 'none') return ''
  return synchronous && role === 'standby' ? `${synchronous} ${role}` : role
}

function note({ row, answer }: Surveyed, published: MemberDocument, own: LocalDocument | null): string {
  const tags = Object.entries(row.tags).map(([name, value]) => (value === true ? name : `${name}=${value}`))
  return [
    answer.kind === 'silent' ? `was ${row.state}` : '',
    answer.kind === 'foreign' ? 'not vigil' : '',
    own?.job?.state === 'running' ? jobText(own.job) : '',
    own && !own.guard ? 'no guard' : '',
    published.pending_restart ? 'restart pending' : '',
    row.scheduled_restart ? 'restart scheduled' : '',
    ...tags,
  ]
    .filter(part => part !== '')
    .join(', ')
}

function jobText({
  kind,
  from,
  bytes_done: done,
  bytes_total: total,
}: NonNullable<LocalDocument['job']>): string {
  const source = from ? ` from ${from}` : ''
  if (done === null) return `${kind}${source}`
  return `${kind}${source} ${total ? `${Math.min(100, Math.floor((100 * done) / total))} %` : bytesText(done)}`
}

/** Alike warnings of several members are one line. */
function warningLines(members: readonly Surveyed[]): string {
  const lines = collectWarnings(members).map(({ severity, text, members: of }) => {
    const everybody = of.length > 1 && of.length === members.filter(localOf).length
    return `${severity === 'alarm' ? 'ALARM' : 'note '}  ${everybody ? '' : `${of.join(', ')}: `}${text}\n`
  })
  return lines.length === 0 ? '' : `\n${lines.join('')}`
}

interface Collected {
  readonly code: string
  readonly severity: string
  readonly text: string
  readonly members: readonly string[]
}

/** Durations differ from member to member; the code tells what is alike. */
function collectWarnings(members: readonly Surveyed[]): readonly Collected[] {
  const found = new Map<string, Collected>()
  for (const { name, answer } of members) {
    if (answer.kind !== 'status') continue
    for (const { code, severity, text } of answer.status.warnings) {
      const key = CLUSTER_WIDE.has(code) ? code : `${code} ${text}`
      const known = found.get(key)
      found.set(key, {
        code,
        severity,
        text: known?.text ?? text,
        members: [...(known?.members ?? []), name],
      })
    }
  }
  const all = [...found.values()]
  return [
    ...all.filter(({ severity }) => severity === 'alarm'),
    ...all.filter(({ severity }) => severity !== 'alarm'),
  ]
}

const CLUSTER_WIDE = new Set(['no-leader', 'paused', 'store-lost', 'mixed-cluster'])

function localOf({ answer }: Surveyed): LocalDocument | null {
  return answer.kind === 'status' ? answer.status.member : null
}

/** From what the members themselves say; published positions are older, and serve for who is silent. */
function lagsOf(members: readonly Surveyed[]): ReadonlyMap<string, number | null> {
  const leader = members.find(member => member.row.leader)
  const end = leader?.answer.kind === 'status' ? lsnOf(rowOf(leader).lsn) : null
  return new Map(
    members.map(member => {
      const own = member.answer.kind === 'status' ? lsnOf(rowOf(member).lsn) : null
      const lag = own === null || end === null ? member.row.lag_bytes : own >= end ? 0 : Number(end - own)
      return [member.name, member.row.leader ? null : lag]
    }),
  )
}

function lsnOf(text: string | null): Lsn | null {
  return text === null ? null : parseLsn(text)
}

/** A member's own row is fresher than what it has published. */
function rowOf({ row, answer }: Surveyed): MemberDocument {
  const own = answer.kind === 'status' ? answer.status.members.find(member => member.self) : undefined
  return own ?? row
}

/** `status --json`. Its shape is stable. */
export function statusJson({ first, members }: Survey): unknown {
  const lags = lagsOf(members)
  return {
    scope: first.scope,
    system_identifier: first.system_identifier,
    leader: first.leader,
    term: first.term && { number: first.term.number, state: first.term.state },
    paused: first.paused,
    request: first.request,
    seen_by: first.member.name,
    members: members.map(member => ({
      ...withoutSelf(rowOf(member)),
      leader: member.row.leader,
      lag_bytes: lags.get(member.name) ?? null,
      replay_lag_bytes: member.row.replay_lag_bytes,
      answered: member.answer.kind !== 'silent',
      reason: member.answer.kind === 'silent' ? member.answer.reason : null,
      detail: localOf(member),
    })),
    warnings: collectWarnings(members),
  }
}

function withoutSelf({ self: _, ...row }: MemberDocument) {
  return row
}
