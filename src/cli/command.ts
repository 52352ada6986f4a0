// What every verb works with, and the few things that all of them do.
import { reasonOf, VigilError } from '../kernel/errors.ts'
import type { Ms } from '../kernel/time.ts'
import type { Reply } from '../operations/ask.ts'
import { type OperationName, operationNamed } from '../operations/table.ts'
import type { Connection } from './connection.ts'
import type { Surroundings } from './surroundings.ts'
import { type Survey, type Surveyed, timedOut } from './survey.ts'

export interface Command {
  readonly connection: Connection
  readonly around: Surroundings
  readonly json: boolean
  /** Nothing is asked. */
  readonly yes: boolean
  readonly dryRun: boolean
}

/** Exit statuses. They are stable: scripts rely on them. */
export const EXIT = { done: 0, failed: 1, unreachable: 2, usage: 3 } as const

/** How long an operation that is waited for may take, at most. */
const OPERATION_LIMIT_MS: Ms = 10 * 60_000

export interface Outcome {
  readonly ok: boolean
  readonly member: string | null
  readonly status: number
  readonly message: string
}

/** What to send, and to whom. */
export interface Sending {
  readonly operation: OperationName
  readonly to: { readonly base: string; readonly name: string | null }
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly limitMs?: Ms
}

/** @throws VigilError MEMBER_UNREACHABLE */
export async function send(command: Command, sending: Sending): Promise<Reply> {
  const { method, paths } = operationNamed(sending.operation)
  const { to, body, headers, limitMs = OPERATION_LIMIT_MS } = sending
  const signal = AbortSignal.any([command.around.limit(limitMs), command.around.interrupted])
  const path = command.dryRun ? `${paths[0]}?dry_run=true` : paths[0]!
  try {
    return await command.connection.ask(to.base, {
      method,
      path,
      guarded: true,
      signal,
      ...(body !== undefined && { body }),
      ...(headers && { headers }),
    })
  } catch (error) {
    const reason = timedOut(error)
      ? 'no answer in time; what was asked for may still happen'
      : reasonOf(error)
    throw new VigilError('MEMBER_UNREACHABLE', { tried: `${to.base}: ${reason}` }, { cause: error })
  }
}

export function outcomeOf(reply: Reply, member: string | null): Outcome {
  const ok = reply.status >= 200 && reply.status < 300
  const message = messageOf(reply)
  return { ok, member, status: reply.status, message }
}

function messageOf({ status, text }: Reply): string {
  if (status === 401)
    return 'The member asks for a password: set restapi.authentication or ctl.authentication in the configuration'
  return text.trim() || `status ${status}`
}

/** Prints what became of it and gives the exit status. */
export function report(command: Command, outcomes: readonly Outcome[]): number {
  const { around, json } = command
  if (json) around.out(`${JSON.stringify(outcomes.length === 1 ? outcomes[0] : outcomes)}\n`)
  else {
    for (const { ok, member, message } of outcomes) {
      const line = `${member && outcomes.length > 1 ? `${member}: ` : ''}${message}\n`
      if (ok) around.out(line)
      else around.err(line)
    }
  }
  return outcomes.every(outcome => outcome.ok) ? EXIT.done : EXIT.failed
}

/** @throws VigilError USAGE without a terminal, REQUEST_REFUSED when the answer is not yes. */
export async function confirm({ around, yes, dryRun, json }: Command, text: string): Promise<void> {
  if (yes || dryRun) return
  if (!around.interactive || json)
    throw new VigilError('USAGE', { message: `${text} There is no terminal to ask on: say --yes` })
  const answer = await around.question(`${text} [y/N] `)
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new VigilError('REQUEST_REFUSED', { reason: 'Nothing was done' })
}

/** The leader if it answered: it knows best why something does not work. Otherwise whoever answered first. */
export function anyMember({ members, first }: Survey): Sending['to'] {
  const answered = members.filter(member => member.answer.kind === 'status' && member.base !== null)
  const chosen =
    answered.find(member => member.name === first.leader) ?? answered.find(member => member.row.self)
  return { base: chosen!.base!, name: chosen!.name }
}

/** @throws VigilError USAGE for a name that no member has */
export function membersNamed({ members, first }: Survey, names: readonly string[]): readonly Surveyed[] {
  // Patroni's commands name the cluster first.
  const wanted =
    names[0] === first.scope && !members.some(member => member.name === first.scope) ? names.slice(1) : names
  return wanted.map(name => {
    const found = members.find(member => member.name === name)
    if (found) return found
    const known = members.map(member => member.name).join(', ')
    throw new VigilError('USAGE', { message: `There is no member ${name}; there are: ${known}` })
  })
}

/** @throws VigilError USAGE when a member has published no address */
export function placeOf({ base, name }: Surveyed): Sending['to'] {
  if (base !== null) return { base, name }
  throw new VigilError('MEMBER_UNREACHABLE', { tried: `${name}: it has no address` })
}
