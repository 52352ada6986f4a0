// One row of the table of operations: what it is called, how it is asked for, what it answers.
import type * as z from 'zod'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Operation {
  readonly name: string
  readonly method: Method
  /** The first is the one to use; the others are older names. */
  readonly paths: readonly string[]
  /** `operator`: allowlist, client certificate and password are asked for, as far as they are configured. */
  readonly access: 'open' | 'operator'
  /** Whether `?dry_run=true` is understood: everything that changes something has it. */
  readonly changes: boolean
  readonly about: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: z.ZodType
  readonly bodyOptional?: true
  readonly answers: Readonly<Record<number, string>>
  /** What is checked before anything is written. */
  readonly needs?: readonly string[]
  /** How the command line asks for it. */
  readonly verb?: string
}
