// What the command line needs of the world; src/bin/vigil.ts supplies it.
import type { Ms } from '../kernel/time.ts'

export interface Surroundings {
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Roots of /proc and /etc. */
  readonly places: { readonly proc: string; readonly etc: string }
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Empties the screen, where there is one. */
  readonly clear: () => void
  /** Somebody sits there: input and output are a terminal. */
  readonly interactive: boolean
  readonly columns: number
  /** What was typed, without the line break. */
  readonly question: (text: string) => Promise<string>
  /** Standard input to its end. */
  readonly input: () => Promise<string>
  /** Lets somebody edit a text; the result. @throws when the editor fails. */
  readonly edit: (text: string) => Promise<string>
  readonly limit: (ms: Ms) => AbortSignal
  readonly sleep: (ms: Ms) => Promise<void>
  /** Monotonic. */
  readonly now: () => Ms
  /** Aborted by an interrupt. */
  readonly interrupted: AbortSignal
}
