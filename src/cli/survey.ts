// Asks all members at once, each for a short time: what answered is shown, what did not is shown as such.
import { reasonOf, VigilError } from '../kernel/errors.ts'
import type { Ms } from '../kernel/time.ts'
import type { Reply } from '../operations/ask.ts'
import { type MemberDocument, StatusDocument } from '../operations/status-document.ts'
import { baseOf, type Connection } from './connection.ts'
import type { Surroundings } from './surroundings.ts'

/** Longer than a member in good health needs, shorter than anybody's patience. */
export const MEMBER_LIMIT_MS: Ms = 1000
/** After so long without anything on the screen, say what is waited for. */
const SILENCE_MAX_MS: Ms = 250

export interface Survey {
  /** The answer that the list of members is from. */
  readonly first: StatusDocument
  /** By name. */
  readonly members: readonly Surveyed[]
}

export interface Surveyed {
  readonly name: string
  /** null: it has not published one. */
  readonly base: string | null
  readonly row: MemberDocument
  /** `silent`: no answer came. `foreign`: something answered that is no vigil, such as Patroni. */
  readonly answer:
    | { readonly kind: 'status'; readonly status: StatusDocument }
    | { readonly kind: 'foreign' }
    | { readonly kind: 'silent'; readonly reason: string }
}

/** @throws VigilError MEMBER_UNREACHABLE when none of the known addresses answers. */
export async function survey(
  connection: Connection,
  around: Surroundings,
  told: { readonly onFirst?: (first: StatusDocument) => void } = {},
): Promise<Survey> {
  const { base, status: first } = await firstAnswer(connection, around)
  told.onFirst?.(first)
  const members = await Promise.all(
    first.members.map(async (row): Promise<Surveyed> => {
      const place = row.self ? base : row.api_url && baseOf(row.api_url)
      const common = { name: row.name, base: place, row }
      if (row.self) return { ...common, answer: { kind: 'status', status: first } }
      if (!place) return { ...common, answer: { kind: 'silent', reason: 'it has no address' } }
      return { ...common, answer: await askOne(connection, around, place) }
    }),
  )
  return { first, members }
}

/** The first of the known addresses that answers, whichever it is. */
export async function firstAnswer(
  connection: Connection,
  around: Surroundings,
): Promise<{ readonly base: string; readonly status: StatusDocument }> {
  const waiting = new AbortController()
  void around.sleep(SILENCE_MAX_MS).then(() => {
    if (!waiting.signal.aborted) around.err(`waiting for ${connection.seeds.join(', ')} ...\n`)
  })
  try {
    const asked = connection.seeds.map(async base => {
      const answer = await askOne(connection, around, base)
      if (answer.kind === 'status') return { base, status: answer.status }
      throw new Error(answer.kind === 'silent' ? answer.reason : 'what answers there is not vigil')
    })
    return await Promise.any(asked)
  } catch (error) {
    const reasons = error instanceof AggregateError ? error.errors : [error]
    const tried = connection.seeds.map((seed, index) => `${seed}: ${reasonOf(reasons[index])}`).join('; ')
    throw new VigilError('MEMBER_UNREACHABLE', { tried }, { cause: error })
  } finally {
    waiting.abort()
  }
}

async function askOne(
  connection: Connection,
  around: Surroundings,
  base: string,
): Promise<Surveyed['answer']> {
  try {
    const reply = await connection.ask(base, { path: '/status', signal: around.limit(MEMBER_LIMIT_MS) })
    const parsed = reply.status === 200 ? StatusDocument.safeParse(json(reply)) : null
    if (parsed?.success) return { kind: 'status', status: parsed.data }
    const starting = reply.status === 503 && /has not looked/.test(reply.text)
    return starting ? { kind: 'silent', reason: 'it is starting' } : { kind: 'foreign' }
  } catch (error) {
    return {
      kind: 'silent',
      reason: timedOut(error) ? `no answer within ${MEMBER_LIMIT_MS} ms` : reasonOf(error),
    }
  }
}

/** undefined: the body is not JSON. */
export function json(reply: Reply): unknown {
  try {
    return JSON.parse(reply.text)
  } catch {
    return undefined
  }
}

export function timedOut(error: unknown): boolean {
  const name = error instanceof Error ? error.name : ''
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.name : ''
  return name === 'TimeoutError' || name === 'AbortError' || cause === 'TimeoutError'
}
