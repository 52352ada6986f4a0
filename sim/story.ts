// A story, and the steps that stories and scenarios are made of.
import type { Fault } from './faults.ts'
import type { Random } from './random.ts'

export interface Step {
  readonly at: number
  readonly fault: Fault
  readonly target: Target
  /** Until it is taken back. */
  readonly forMs: number
  /** Of the chance that it takes for itself: the same whatever else is done. */
  readonly seed: number
}

/** Found when the step begins. */
export type Target = 'leader' | 'standby' | 'any'

export interface Story {
  readonly name: string
  readonly steps: (random: Random, ttlMs: number) => readonly Omit<Step, 'seed'>[]
  /** The cluster begins in a synchronous mode, in one that makes much of it. */
  readonly synchronous?: boolean
  readonly promises?: Readonly<Record<string, unknown>>
  readonly ttlSeconds?: number
  readonly members?: number
  /** A leader may go on without the store. */
  readonly failsafe?: boolean
  /** The last member starts only when a step says so. */
  readonly newcomer?: boolean
  /** It goes back in time or loses its record. */
  readonly storeFails?: boolean
}
