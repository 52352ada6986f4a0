// One mistake that the simulation has to catch, and how it is planted.

export interface Patch {
  readonly file: string
  /** Exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Plant {
  readonly name: string
  /** What is wrong with it, and what asks for it to be caught. */
  readonly mistake: string
  /** The invariants that it breaks. */
  readonly breaks: readonly string[]
  readonly patches: readonly Patch[]
  /** Theme or story in which it shows soonest. */
  readonly theme?: string
}
