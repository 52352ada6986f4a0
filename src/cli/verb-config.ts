// `vigil show-config`, `edit-config`, `pause`, `resume`: the dynamic configuration.
import { parse, stringify } from 'yaml'
import { unifiedDiff } from '../core/document-diff.ts'
import { patchDynamicConfig, sameDocument } from '../core/dynamic-config.ts'
import { isMapping } from '../core/setting-kind.ts'
import { reasonOf, VigilError } from '../kernel/errors.ts'
import type { Reply } from '../operations/ask.ts'
import { type Command, confirm, outcomeOf, report, type Sending, send } from './command.ts'
import { firstAnswer, json, MEMBER_LIMIT_MS } from './survey.ts'

type Document = Readonly<Record<string, unknown>>

export interface EditOptions {
  /** KEY=VALUE, with dots between levels. */
  readonly set?: readonly string[]
  /** PARAMETER=VALUE of PostgreSQL. */
  readonly pg?: readonly string[]
  /** Files with a patch, or with the whole; `-` is standard input. */
  readonly apply?: string
  readonly replace?: string
  readonly quiet?: boolean
  readonly readFile: (path: string) => Promise<string>
}

interface Current {
  readonly to: Sending['to']
  readonly config: Document
  readonly etag: string | null
}

export async function showConfig(command: Command): Promise<number> {
  const { config } = await current(command)
  command.around.out(command.json ? `${JSON.stringify(config)}\n` : stringify(config))
  return 0
}

export async function editConfig(command: Command, options: EditOptions): Promise<number> {
  const before = await current(command)
  const next = await edited(command, before.config, options)
  if (sameDocument(before.config, next)) return nothingChanges(command)
  // Everything that stands against it is said before the question.
  const checked = await sendConfig({ ...command, dryRun: true }, before, next)
  if (checked.status !== 200) return report(command, [outcomeOf(checked, null)])
  if (!command.json && !options.quiet) {
    command.around.out(
      `${unifiedDiff(stringify(before.config), stringify(next), { before: 'current', after: 'new' })}\n`,
    )
    const notes = checked.text.split('\n').slice(1)
    for (const note of notes) command.around.out(`${note}\n`)
  }
  if (command.dryRun) return report(command, [outcomeOf(checked, null)])
  await confirm(command, 'Apply these changes?')
  const reply = await sendConfig(command, before, next)
  return report(command, [changed(reply, 'Configuration changed')])
}

export async function setPause(
  command: Command,
  paused: boolean,
  options: { readonly wait?: boolean },
): Promise<number> {
  const before = await current(command)
  if ((before.config['pause'] === true) === paused) {
    const message = `Maintenance mode is ${paused ? 'on' : 'off'} already`
    return report(command, [{ ok: true, member: null, status: 200, message }])
  }
  if (paused)
    await confirm(command, 'Switch maintenance mode on? Then nobody takes over when the primary fails.')
  const reply = await send(command, {
    operation: 'patch-config',
    to: before.to,
    body: { pause: paused ? true : null },
  })
  const outcome = changed(reply, `Maintenance mode is ${paused ? 'on' : 'off'}`)
  if (outcome.ok && options.wait && !command.dryRun) await waitForPause(command, paused)
  return report(command, [outcome])
}

const PAUSE_LIMIT_MS = 60_000

/** Until the leader has recorded it. @throws VigilError REQUEST_REFUSED */
async function waitForPause({ connection, around }: Command, paused: boolean): Promise<void> {
  const limit = around.now() + PAUSE_LIMIT_MS
  while (around.now() < limit && !around.interrupted.aborted) {
    const { status } = await firstAnswer(connection, around)
    if (status.paused === paused && (status.term?.state === 'paused') === paused) return
    await around.sleep(300)
  }
  throw new VigilError('REQUEST_REFUSED', { reason: 'The leader has not acted on it within a minute' })
}

async function current({ connection, around }: Command): Promise<Current> {
  const { base, status } = await firstAnswer(connection, around)
  const reply = await connection.ask(base, { path: '/config', signal: around.limit(MEMBER_LIMIT_MS) })
  const config = json(reply)
  if (reply.status !== 200 || !isMapping(config))
    throw new VigilError('REQUEST_REFUSED', { reason: reply.text })
  return { to: { base, name: status.member.name }, config, etag: reply.headers.etag ?? null }
}

/** Only over the version that was looked at. */
function sendConfig(command: Command, { to, etag }: Current, next: Document): Promise<Reply> {
  const seen = etag === null ? {} : { headers: { 'if-match': etag } }
  return send(command, { operation: 'put-config', to, body: next, ...seen })
}

async function edited(command: Command, config: Document, options: EditOptions): Promise<Document> {
  const { set = [], pg = [], apply, replace } = options
  if (replace !== undefined) return readMapping(await options.readFile(replace), replace)
  const patches = [
    ...(apply === undefined ? [] : [readMapping(await options.readFile(apply), apply)]),
    ...set.map(assignment => patchOf(assignment, [])),
    ...pg.map(assignment => patchOf(assignment, ['postgresql', 'parameters'])),
  ]
  if (patches.length > 0) return patches.reduce(patchDynamicConfig, config)
  if (!command.around.interactive)
    throw new VigilError('USAGE', {
      message:
        'There is no terminal for an editor: say -s KEY=VALUE, -p PARAMETER=VALUE, --apply or --replace',
    })
  return readMapping(await command.around.edit(stringify(config)), 'what was edited')
}

/** `ttl=20`, `postgresql.use_slots=false`; an empty value or null deletes. The value is YAML. */
function patchOf(assignment: string, below: readonly string[]): Document {
  const split = assignment.indexOf('=')
  const name = assignment.slice(0, split).trim()
  if (split < 0 || name === '') throw new VigilError('USAGE', { message: `"${assignment}" is not KEY=VALUE` })
  // A parameter of an extension has a dot in its name.
  const path = below.length > 0 ? [...below, name] : name.split('.')
  const value: unknown = parse(assignment.slice(split + 1)) ?? null
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Document
}

function readMapping(text: string, from: string): Document {
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw new VigilError('USAGE', { message: `${from}: ${reasonOf(error)}` }, { cause: error })
  }
  if (isMapping(value)) return value
  throw new VigilError('USAGE', { message: `${from}: expected a mapping (key: value)` })
}

function nothingChanges(command: Command): number {
  return report(command, [{ ok: true, member: null, status: 200, message: 'Nothing changes' }])
}

/** The document that a change answers with is of no interest here. */
function changed(reply: Reply, message: string) {
  const outcome = outcomeOf(reply, null)
  const dry = /^Dry run/.test(outcome.message)
  return outcome.ok && !dry ? { ...outcome, message } : outcome
}
