// The term record as the store has it, change by change: what the checker compares everything else with.
import type { TermRecord } from '../src/core/term.ts'
import { decodeTerm } from '../src/stores/term-codec.ts'

/** One applied change. */
export interface TermChange {
  readonly before: AppliedRecord | null
  readonly after: AppliedRecord
}

export interface AppliedRecord {
  readonly record: TermRecord
  /** In true time. */
  readonly at: number
}

export interface TermWatch {
  current(): AppliedRecord | null
  /** Until when, in true time, the newest change of this term lets its holder serve. null: it never served. */
  grantOf(term: number): { readonly install: string; readonly until: number } | null
  /** Rules of this term as they are, or as they were when it ended. null: asynchronous. */
  rulesOf(term: number): TermRecord['rules']
  applied(text: string, at: number): TermChange | null
}

export function createTermWatch(): TermWatch {
  const grants = new Map<number, { install: string; until: number }>()
  const rules = new Map<number, TermRecord['rules']>()
  let current: AppliedRecord | null = null
  return {
    rulesOf: term => rules.get(term) ?? null,
    current: () => current,
    grantOf: term => grants.get(term) ?? null,
    applied: (text, at) => {
      const parsed = decodeTerm(text)
      if (!parsed.ok) return null
      const record = parsed.value
      const before = current
      current = { record, at }
      rules.set(record.term, record.rules)
      grants.set(record.term, { install: record.holder.install, until: at + record.ttl })
      return { before, after: current }
    },
  }
}
