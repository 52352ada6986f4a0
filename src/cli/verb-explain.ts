// `vigil explain`: why this member leads, why nobody was promoted, from what the members recorded.
import * as z from 'zod'
import { reasonOf } from '../kernel/errors.ts'
import type { Command } from './command.ts'
import { sentenceFor } from './reasons.ts'
import { json, MEMBER_LIMIT_MS, type Surveyed, survey } from './survey.ts'

const Decision = z.object({
  sequence: z.number(),
  at: z.string(),
  rule: z.string(),
  because: z.record(z.string(), z.unknown()),
  actions: z.array(z.string()),
  stopped_by: z.string().nullable(),
  term: z.number().nullable(),
})

const Explanation = z.object({ decisions: z.array(Decision) })

export interface Told {
  readonly member: string
  /** null: no answer. */
  readonly decisions: readonly z.infer<typeof Decision>[] | null
}

export interface ExplainOptions {
  readonly lines: number
  /** Also what happens all the time. */
  readonly all: boolean
}

export interface Explained {
  readonly scope: string
  readonly leader: string | null
  readonly term: number | null
  readonly told: readonly Told[]
}

/** What a healthy cluster does all day. */
const ORDINARY = new Set([
  'idle',
  'lead',
  'follow',
  'job-running',
  'job-ended',
  'credit-attempt',
  'guard-missing',
])

/** How a leadership begins. */
const BEGINNINGS = new Set([
  'take',
  'self-take',
  'self-take-after-reboot',
  'promote-died',
  'bootstrap-create',
  'bootstrap-adopt',
])

export async function explain(command: Command, options: ExplainOptions): Promise<number> {
  const { first, members } = await survey(command.connection, command.around)
  const told = await Promise.all(members.map(member => ask(command, member)))
  const explained: Explained = {
    scope: first.scope,
    leader: first.leader,
    term: first.term?.number ?? null,
    told,
  }
  command.around.out(
    command.json ? `${JSON.stringify(explainJson(explained))}\n` : explainScreen(explained, options),
  )
  return 0
}

async function ask({ connection, around }: Command, { name, base, answer }: Surveyed): Promise<Told> {
  // Who was silent a moment ago would only be waited for again.
  if (answer.kind !== 'status' || base === null) return { member: name, decisions: null }
  try {
    const reply = await connection.ask(base, { path: '/explain', signal: around.limit(MEMBER_LIMIT_MS) })
    const parsed = Explanation.safeParse(json(reply))
    return { member: name, decisions: parsed.success ? parsed.data.decisions : null }
  } catch (error) {
    around.err(`${name}: ${reasonOf(error)}\n`)
    return { member: name, decisions: null }
  }
}

export function explainScreen(explained: Explained, options: ExplainOptions): string {
  const silent = explained.told.filter(({ decisions }) => decisions === null).map(({ member }) => member)
  const lines = linesOf(explained, options)
  return [
    `${verdict(explained)}\n`,
    ...(silent.length > 0 ? [`No answer from ${silent.join(', ')}: what they decided is not shown\n`] : []),
    '\nNow\n',
    ...explained.told.map(({ member, decisions }) => `  ${member}: ${nowOf(decisions)}\n`),
    '\nBefore, in order\n',
    ...(lines.length > 0 ? lines : ['  nothing out of the ordinary is recorded\n']),
  ].join('')
}

function verdict({ scope, leader, term, told }: Explained): string {
  if (leader === null) return `Nobody leads ${scope}${term === null ? '' : `; the last term was ${term}`}.`
  const decisions = told.find(({ member }) => member === leader)?.decisions ?? []
  const beginning = decisions.findLast(({ rule }) => BEGINNINGS.has(rule))
  const since = beginning ? ` since ${beginning.at}: ${sentenceFor(beginning.rule, beginning.because)}` : ''
  return `${leader} leads ${scope}${term === null ? '' : ` in term ${term}`}${since}.`
}

function nowOf(decisions: Told['decisions']): string {
  const last = decisions?.at(-1)
  if (decisions === null) return 'no answer'
  return last ? sentenceFor(last.rule, last.because) : 'nothing decided yet'
}

/** Wall clocks of several machines order them: near enough to read, never to decide by. */
function linesOf({ told }: Explained, { lines, all }: ExplainOptions): readonly string[] {
  const width = Math.max(...told.map(({ member }) => member.length))
  return told
    .flatMap(({ member, decisions }) => (decisions ?? []).map(decision => ({ member, decision })))
    .filter(({ decision }) => all || !ORDINARY.has(decision.rule))
    .sort((a, b) => (a.decision.at < b.decision.at ? -1 : a.decision.at > b.decision.at ? 1 : 0))
    .slice(-lines)
    .map(({ member, decision }) => {
      const failed = decision.stopped_by ? `; then: ${decision.stopped_by}` : ''
      return `  ${decision.at}  ${member.padEnd(width)}  ${sentenceFor(decision.rule, decision.because)}${failed}\n`
    })
}

function explainJson({ scope, leader, term, told }: Explained): unknown {
  return {
    scope,
    leader,
    term,
    members: told.map(({ member, decisions }) => ({
      name: member,
      answered: decisions !== null,
      decisions: (decisions ?? []).map(decision => ({
        ...decision,
        sentence: sentenceFor(decision.rule, decision.because),
      })),
    })),
  }
}
