// What an operation answers: a status as Patroni's clients know it, with a sentence or a document.

export type Answer =
  | { readonly status: number; readonly text: string }
  | { readonly status: number; readonly json: unknown; readonly revision?: bigint }

/** An operation that changes something, looked at before it does so. */
export type Plan =
  | { readonly kind: 'refused'; readonly answer: Answer }
  | {
      readonly kind: 'ready'
      /** What would happen, as a sentence without a full stop. */
      readonly would: string
      readonly perform: () => Promise<Answer>
    }

export function refused(status: number, text: string): Plan {
  return { kind: 'refused', answer: { status, text } }
}

export function ready(would: string, perform: () => Promise<Answer>): Plan {
  return { kind: 'ready', would, perform }
}

/** A dry run has checked everything that can be checked, and written nothing. */
export async function carryOut(plan: Plan, dryRun: boolean): Promise<Answer> {
  if (plan.kind === 'refused') return plan.answer
  return dryRun ? { status: 200, text: `Dry run: ${plan.would}` } : plan.perform()
}
