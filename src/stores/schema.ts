// Small schemas that several records share, and how a mismatch is worded.
import * as z from 'zod'
import type { Parsed } from './json.ts'

// Control characters in a name would end up in logs, file names and terminals.
const printable = /^[^\p{Cc}]+$/u

export const MemberName = z.string().max(255).regex(printable, 'empty, or has control characters')

/** install, seat, machine, nonce: random or machine-made texts. */
export const Identifier = z.string().max(128).regex(printable, 'empty, or has control characters')

/** Matches a value; the reason names the first field that does not fit, never its value. */
export function matched<T>(schema: z.ZodType<T>, value: unknown): Parsed<T> {
  const result = schema.safeParse(value)
  if (result.success) return { ok: true, value: result.data }
  const issue = result.error.issues[0]!
  const where = issue.path.map(String).join('.')
  return { ok: false, reason: (where === '' ? issue.message : `${where}: ${issue.message}`).slice(0, 200) }
}
