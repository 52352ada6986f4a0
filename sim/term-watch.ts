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
  applied(text: string, at: number): TermChange | null
}

export function createTermWatch(): TermWatch {
  const grants = new Map<number, { install: string; until: number }>()
  let current: AppliedRecord | null = null
  return {
    current: () => current,
    grantOf: term => grants.get(term) ?? null,
    applied: (text, at) => {
      const parsed = decodeTerm(text)
      if (!parsed.ok) return null
      const record = parsed.value
      const before = current
      current = { record, at }
      grants.set(record.term, { install: record.holder.install, until: at + record.ttl })
      return { before, after: current }
    },
  }
}
