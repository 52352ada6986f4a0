// `vigil history`: timelines that ended, and what only replaced copies had.
import * as z from 'zod'
import { type Evidence, evidenceDocument, readEvidence } from '../core/evidence.ts'
import { VigilError } from '../kernel/errors.ts'
import { formatLsn, type Lsn, lsn, type Timeline } from '../kernel/lsn.ts'
import { anyMember, type Command, EXIT } from './command.ts'
import { json, MEMBER_LIMIT_MS, type Surveyed, survey } from './survey.ts'
import { renderTable } from './table.ts'

const Rows = z.array(z.tuple([z.number(), z.number(), z.string()]).rest(z.string().nullable()))

interface Ended {
  readonly timeline: Timeline
  readonly lsn: Lsn
  readonly reason: string
  readonly at: string | null
  readonly leader: string | null
  readonly evidence: readonly Evidence[]
}

export async function history(command: Command): Promise<number> {
  const { connection, around } = command
  const seen = await survey(connection, around)
  const { base } = anyMember(seen)
  const [reply, kept] = await Promise.all([
    connection.ask(base, { path: '/history', signal: around.limit(MEMBER_LIMIT_MS) }),
    Promise.all(seen.members.map(member => evidenceOf(command, member))),
  ])
  const rows = Rows.safeParse(json(reply))
  if (reply.status !== 200 || !rows.success) throw new VigilError('REQUEST_REFUSED', { reason: reply.text })
  const evidence = kept.flatMap(answer => answer ?? []).sort((a, b) => (a.keptAt < b.keptAt ? -1 : 1))
  const ended = rows.data.map(
    ([timeline, end, reason, at = null, leader = null]): Ended => ({
      timeline,
      lsn: lsn(end),
      reason,
      at,
      leader,
      evidence: evidence.filter(found => found.timeline === timeline && found.fork === lsn(end)),
    }),
  )
  if (command.json) around.out(`${JSON.stringify([...ended, ...others(ended, evidence)].map(document))}\n`)
  else show(command, ended, evidence)
  const silent = seen.members.filter((_, index) => kept[index] === null).map(({ name }) => name)
  if (silent.length > 0) around.err(`no answer from ${silent.join(', ')}: what is kept there is not listed\n`)
  return EXIT.done
}

/** null: no answer. What answers and is no vigil keeps nothing. */
async function evidenceOf(
  { connection, around }: Command,
  { base }: Surveyed,
): Promise<readonly Evidence[] | null> {
  if (base === null) return null
  try {
    const signal = around.limit(MEMBER_LIMIT_MS)
    const found = json(await connection.ask(base, { path: '/vigil/evidence', signal }))
    return Array.isArray(found) ? found.flatMap(one => readEvidence(one) ?? []) : []
  } catch {
    return null
  }
}

/** A copy may go its own way without a failover: promoted by hand. */
function others(ended: readonly Ended[], evidence: readonly Evidence[]): readonly Ended[] {
  const listed = new Set(ended.flatMap(row => row.evidence))
  return evidence
    .filter(found => !listed.has(found))
    .map(found => ({
      timeline: found.timeline,
      lsn: found.fork,
      reason: 'a copy went its own way from here',
      at: null,
      leader: null,
      evidence: [found],
    }))
}

function document({ lsn: end, evidence, ...row }: Ended) {
  return { ...row, lsn: formatLsn(end), evidence: evidence.map(evidenceDocument) }
}

function show({ around }: Command, ended: readonly Ended[], evidence: readonly Evidence[]): void {
  const columns = [
    { title: 'TL', align: 'right' },
    { title: 'Ended at' },
    { title: 'When' },
    { title: 'Next leader' },
    { title: 'Reason' },
  ] as const
  const cells = ended.map(({ timeline, lsn: end, reason, at, leader }) => [
    String(timeline),
    formatLsn(end),
    at ?? '',
    leader ?? '',
    reason,
  ])
  around.out(
    cells.length === 0 ? 'There was no other timeline yet\n' : renderTable(columns, cells, around.columns),
  )
  if (evidence.length > 0) around.out(`\n${evidence.map(line).join('')}`)
}

/** A path must be whole, so that it can be copied: no table. */
function line({ member, timeline, fork, commits, rows, leftOut, path }: Evidence): string {
  const where = `timeline ${timeline} behind ${formatLsn(fork)}`
  const what = `${count(commits, 'commit')} and ${count(rows, 'row')} that only ${member} had`
  const missing = leftOut.length > 0 ? `\n  left out: ${leftOut.join('; ')}` : ''
  return `Kept from ${where}: ${what}\n  ${path} on ${member}${missing}\n`
}

function count(number: number, of: string): string {
  return `${number} ${of}${number === 1 ? '' : 's'}`
}
