// `vigil restart`, `vigil reload`, `vigil reinit`: requests to single members, one after the other.
import { isVigilError, VigilError } from '../kernel/errors.ts'
import {
  type Command,
  confirm,
  EXIT,
  membersNamed,
  type Outcome,
  outcomeOf,
  placeOf,
  report,
  type Sending,
  send,
} from './command.ts'
import { type Survey, type Surveyed, survey } from './survey.ts'

export interface RestartOptions {
  readonly role?: string
  readonly pending?: boolean
  readonly pgVersion?: string
  readonly timeout?: string
  readonly scheduled?: string
  readonly cancel?: boolean
}

export async function restart(
  command: Command,
  names: readonly string[],
  options: RestartOptions,
): Promise<number> {
  const seen = await survey(command.connection, command.around)
  const meant = leaderLast(chosen(seen, names, options.role), seen)
  const members = options.pending ? meant.filter(waitsForRestart) : meant
  if (options.pending && members.length === 0) {
    return report(command, [
      { ok: true, member: null, status: 200, message: 'No member waits for a restart' },
    ])
  }
  if (options.cancel)
    return each(command, members, member => ({ operation: 'cancel-restart', to: placeOf(member) }))
  const when = options.scheduled ? `at ${options.scheduled}` : 'now'
  await confirm(command, `Restart PostgreSQL of ${namesOf(members)} ${when}?`)
  const body = {
    ...(options.pending && { restart_pending: true }),
    ...(options.pgVersion && { postgres_version: options.pgVersion }),
    ...(options.timeout && { timeout: options.timeout }),
    ...(options.scheduled && { schedule: options.scheduled }),
  }
  return each(command, members, member => ({ operation: 'restart', to: placeOf(member), body }))
}

export async function reload(
  command: Command,
  names: readonly string[],
  options: { readonly role?: string },
): Promise<number> {
  const seen = await survey(command.connection, command.around)
  return each(command, chosen(seen, names, options.role), member => ({
    operation: 'reload',
    to: placeOf(member),
  }))
}

export interface ReinitOptions {
  readonly fromLeader?: boolean
  readonly cancelRunning?: boolean
  readonly wait?: boolean
}

export async function reinit(
  command: Command,
  names: readonly string[],
  options: ReinitOptions,
): Promise<number> {
  const seen = await survey(command.connection, command.around)
  const members = membersNamed(seen, names)
  if (members.length === 0)
    throw new VigilError('USAGE', { message: 'Name the members whose copy is to be replaced' })
  await confirm(command, `Replace the copy of the data of ${namesOf(members)} by a new one?`)
  const body = { from_leader: options.fromLeader === true, force: options.cancelRunning === true }
  const status = await each(command, members, member => ({
    operation: 'reinitialize',
    to: placeOf(member),
    body,
  }))
  if (status !== 0 || !options.wait || command.dryRun) return status
  return waitForCopies(command, members)
}

/** Who is silent is asked: it may wait for one. */
function waitsForRestart({ row, answer }: Surveyed): boolean {
  if (answer.kind !== 'status') return true
  return answer.status.members.some(own => own.self && own.pending_restart) || row.pending_restart
}

/** One after the other; what fails ends it: a cluster is not restarted into a failure. */
async function each(
  command: Command,
  members: readonly Surveyed[],
  sending: (member: Surveyed) => Sending,
): Promise<number> {
  const outcomes: Outcome[] = []
  for (const member of members) {
    const outcome = await sendTo(command, member, sending)
    outcomes.push(outcome)
    if (!outcome.ok) break
  }
  for (const member of members.slice(outcomes.length))
    outcomes.push({ ok: false, member: member.name, status: 0, message: 'not asked' })
  return report(command, outcomes)
}

async function sendTo(
  command: Command,
  member: Surveyed,
  sending: (member: Surveyed) => Sending,
): Promise<Outcome> {
  try {
    return outcomeOf(await send(command, sending(member)), member.name)
  } catch (error) {
    if (!isVigilError(error, 'MEMBER_UNREACHABLE')) throw error
    return { ok: false, member: member.name, status: 0, message: error.message }
  }
}

const COPY_LOOK_EVERY_MS = 1000

/** A new copy has a new seat: the state alone may still be that of the old one. */
async function waitForCopies(command: Command, members: readonly Surveyed[]): Promise<number> {
  const { around, connection } = command
  const before = new Map(members.map(member => [member.name, seatOf(member)]))
  while (!around.interrupted.aborted) {
    await around.sleep(COPY_LOOK_EVERY_MS)
    const seen = await survey(connection, around)
    const now = seen.members.filter(({ name }) => before.has(name))
    const failed = now.find(
      ({ answer }) => answer.kind === 'status' && answer.status.member.job?.state === 'failed',
    )
    if (failed?.answer.kind === 'status')
      throw new VigilError('REQUEST_REFUSED', {
        reason: `${failed.name}: ${failed.answer.status.member.job?.reason}`,
      })
    const done = ({ name, answer }: Surveyed) =>
      answer.kind === 'status' &&
      answer.status.member.seat !== before.get(name) &&
      answer.status.members.some(row => row.self && row.state === 'streaming')
    if (now.length === members.length && now.every(done)) {
      if (!command.json) around.out(`The new copy streams: ${namesOf(now)}\n`)
      return EXIT.done
    }
  }
  return EXIT.failed
}

function seatOf({ answer }: Surveyed): string | null {
  return answer.kind === 'status' ? answer.status.member.seat : null
}

/** Patroni's words for roles are understood too. */
function chosen(seen: Survey, names: readonly string[], role: string | undefined): readonly Surveyed[] {
  const named = membersNamed(seen, names)
  const all = named.length > 0 ? named : seen.members
  const leads = ({ row }: Surveyed) => row.leader
  switch (role ?? 'any') {
    case 'any':
      return all
    case 'leader':
    case 'primary':
    case 'master':
      return all.filter(leads)
    case 'standby':
    case 'replica':
      return all.filter(member => !leads(member))
    default:
      throw new VigilError('USAGE', { message: `--role is one of leader, primary, standby, replica, any` })
  }
}

function leaderLast(members: readonly Surveyed[], { first }: Survey): readonly Surveyed[] {
  return [
    ...members.filter(({ name }) => name !== first.leader),
    ...members.filter(({ name }) => name === first.leader),
  ]
}

function namesOf(members: readonly Surveyed[]): string {
  if (members.length === 0) throw new VigilError('USAGE', { message: 'No member is meant by that' })
  return members.map(member => member.name).join(', ')
}
