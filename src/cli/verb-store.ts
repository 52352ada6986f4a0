// `vigil store reseed`.
import { VigilError } from '../kernel/errors.ts'
import { anyMember, type Command, outcomeOf, report, send } from './command.ts'
import { survey } from './survey.ts'

export async function reseed(command: Command): Promise<number> {
  const seen = await survey(command.connection, command.around)
  const { scope } = seen.first
  await typed(command, scope)
  const to = anyMember(seen)
  const reply = await send(command, { operation: 'reseed-store', to, body: { scope } })
  return report(command, [outcomeOf(reply, to.name)])
}

/** More than a yes: it cannot be taken back. */
async function typed({ around, yes, dryRun, json }: Command, scope: string): Promise<void> {
  if (yes || dryRun) return
  const text = `Every member of ${scope} will trust the store as it is now, and what was lost in it stays lost.`
  if (!around.interactive || json)
    throw new VigilError('USAGE', { message: `${text} There is no terminal to ask on: say --yes` })
  const answer = await around.question(`${text} Type the name of the cluster to go on: `)
  if (answer.trim() !== scope) throw new VigilError('REQUEST_REFUSED', { reason: 'Nothing was done' })
}
