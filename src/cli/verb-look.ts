// `vigil status`, `logs`, `version`: what can be seen.
import * as z from 'zod'
import { VigilError } from '../kernel/errors.ts'
import { type Command, EXIT, membersNamed, placeOf } from './command.ts'
import { details, headline, statusJson } from './status-screen.ts'
import { json, MEMBER_LIMIT_MS, type Surveyed, survey } from './survey.ts'

/** `seconds`: again and again, until interrupted. */
export async function status(command: Command, seconds: number | null): Promise<number> {
  const { around } = command
  if (seconds === null) return statusOnce(command, () => {})
  const clear = () => (command.json ? undefined : around.clear())
  let exit: number = EXIT.done
  while (!around.interrupted.aborted) {
    exit = await statusOnce(command, clear).catch((error: unknown) => {
      if (!(error instanceof VigilError)) throw error
      clear()
      around.out(`${error.message}\n`)
      return error.exitStatus
    })
    await around.sleep(seconds * 1000)
  }
  return exit
}

/** `clear` makes room as soon as there is something to show. */
async function statusOnce({ connection, around, json: asJson }: Command, clear: () => void): Promise<number> {
  const show = (first: Parameters<typeof headline>[0]) => {
    clear()
    around.out(headline(first))
  }
  const seen = await survey(connection, around, asJson ? {} : { onFirst: show })
  around.out(asJson ? `${JSON.stringify(statusJson(seen))}\n` : details(seen, around.columns))
  return EXIT.done
}

const Lines = z.object({ lines: z.array(z.string()) })

export async function logs(command: Command, names: readonly string[], lines: number): Promise<number> {
  const { connection, around } = command
  const seen = await survey(connection, around)
  const named = membersNamed(seen, names)
  const members = named.length > 0 ? named : seen.members.filter(({ row }) => row.self)
  const read = await Promise.all(members.map(member => readLog(command, member, lines)))
  if (command.json) around.out(`${JSON.stringify(read)}\n`)
  else
    for (const { member, lines: found } of read)
      for (const line of found) around.out(`${members.length > 1 ? `${member}: ` : ''}${line}\n`)
  return EXIT.done
}

async function readLog({ connection, around }: Command, member: Surveyed, lines: number) {
  const { base } = placeOf(member)
  const reply = await connection
    .ask(base, { path: `/logs?lines=${lines}`, guarded: true, signal: around.limit(MEMBER_LIMIT_MS) })
    .catch((error: unknown) => {
      throw new VigilError('MEMBER_UNREACHABLE', { tried: base }, { cause: error })
    })
  const parsed = Lines.safeParse(json(reply))
  if (reply.status === 200 && parsed.success) return { member: member.name, lines: parsed.data.lines }
  const reason = reply.status === 401 ? `${member.name} asks for a password` : reply.text
  throw new VigilError('REQUEST_REFUSED', { reason })
}

/** The command line's own version is known without asking anybody. */
export async function version({ connection, around, json: asJson }: Command): Promise<number> {
  const seen = await survey(connection, around)
  const members = seen.members.map(({ name, row, answer }) => ({
    name,
    version: answer.kind === 'status' ? answer.status.member.version : row.version,
    answered: answer.kind === 'status',
  }))
  if (asJson) around.out(`${JSON.stringify({ vigil: around.version, members })}\n`)
  else {
    around.out(`vigil ${around.version}\n`)
    for (const { name, version: found, answered } of members)
      around.out(`${name} ${found ?? 'unknown'}${answered ? '' : ' (no answer)'}\n`)
  }
  return EXIT.done
}
