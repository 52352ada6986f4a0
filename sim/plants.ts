// Mistakes that the simulation has to catch: each is a change of the sources, made while they are bundled.

export interface Patch {
  readonly file: string
  /** Exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Plant {
  readonly name: string
  /** Where the mistake comes from. */
  readonly source: string
  readonly patches: readonly Patch[]
}

export const PLANTS: readonly Plant[] = []
