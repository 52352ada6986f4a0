// `vigil switchover` and `vigil failover`.
import { VigilError } from '../kernel/errors.ts'
import { anyMember, type Command, confirm, outcomeOf, report, send } from './command.ts'
import { type Survey, survey } from './survey.ts'

export interface LeaderChange {
  readonly leader?: string
  readonly candidate?: string
  readonly scheduled?: string
  readonly cancel?: boolean
  readonly acceptLoss?: boolean
}

export async function switchover(command: Command, asked: LeaderChange): Promise<number> {
  const seen = await survey(command.connection, command.around)
  if (asked.cancel) return cancel(command, seen)
  const { leader } = seen.first
  if (leader === null)
    throw new VigilError('REQUEST_REFUSED', {
      reason: 'Nobody leads, so nobody can hand over; see "vigil failover"',
    })
  const candidate = asked.candidate ?? (await chooseCandidate(command, seen))
  const target = candidate === null ? 'the best standby' : candidate
  const when = asked.scheduled ? `at ${asked.scheduled}` : 'now'
  await confirm(
    command,
    `Hand the leadership of ${seen.first.scope} over from ${leader} to ${target} ${when}?`,
  )
  const to = anyMember(seen)
  const body = {
    leader: asked.leader ?? leader,
    ...(candidate !== null && { candidate }),
    ...(asked.scheduled && { scheduled_at: asked.scheduled }),
  }
  const reply = await send(command, { operation: 'switchover', to, body })
  return report(command, [outcomeOf(reply, to.name)])
}

export async function failover(command: Command, asked: LeaderChange): Promise<number> {
  if (!asked.candidate) throw new VigilError('USAGE', { message: 'A failover needs --candidate NAME' })
  const seen = await survey(command.connection, command.around)
  const { leader, scope } = seen.first
  const loss = leader === null ? 'Nobody leads now' : `${leader} leads now; a switchover is gentler`
  const price = asked.acceptLoss ? ' Commits that only others have will be lost.' : ''
  await confirm(command, `Make ${asked.candidate} the leader of ${scope}? ${loss}.${price}`)
  const to = anyMember(seen)
  const body = { candidate: asked.candidate, ...(asked.acceptLoss && { accept_loss: true }) }
  const reply = await send(command, { operation: 'failover', to, body })
  return report(command, [outcomeOf(reply, to.name)])
}

async function cancel(command: Command, seen: Survey): Promise<number> {
  const to = anyMember(seen)
  const reply = await send(command, { operation: 'cancel-switchover', to })
  return report(command, [outcomeOf(reply, to.name)])
}

/** Asked only where somebody can answer; otherwise the leader chooses the best. */
async function chooseCandidate(
  { around, yes, dryRun, json }: Command,
  { members, first }: Survey,
): Promise<string | null> {
  const names = members.map(member => member.name).filter(name => name !== first.leader)
  if (yes || dryRun || json || !around.interactive || names.length < 2) return null
  const answer = (await around.question(`Candidate (${names.join(', ')}; empty: the best) `)).trim()
  if (answer === '') return null
  if (names.includes(answer)) return answer
  throw new VigilError('USAGE', { message: `${answer} is no candidate` })
}
