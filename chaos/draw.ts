// The list of faults that a seed gives. Nothing here looks at a clock or a cluster: the same options give the same list.
import { type Random, seededRandom } from '../sim/random.ts'
import type { DrawnFault, FaultKind } from './faults/fault.ts'
import { FAULTS } from './faults/table.ts'
import type { Program } from './hurt/programs.ts'
import type { Options } from './options.ts'

/** Faults that overlap, and what follows them. */
export interface Episode {
  readonly number: number
  readonly faults: readonly DrawnFault[]
  /** Whether everything is healed and waited for before the next; else only so many seconds pass. */
  readonly thenWhole: boolean
  readonly restSeconds: number
}

/** Kinds that may be drawn at all. @throws when there are none. */
export function eligible(options: Options, missing: ReadonlySet<Program>): readonly FaultKind[] {
  const kinds = FAULTS.filter(
    ({ name, modes, needs = [] }) =>
      (options.faults.length === 0 || options.faults.includes(name)) &&
      (modes?.includes(options.mode) ?? true) &&
      !needs.some(program => missing.has(program)),
  )
  if (kinds.length === 0) throw new Error('none of these faults can be made here, or in this mode')
  return kinds
}

/** Without an end: a run takes as many as it has time for. */
export function* drawEpisodes(options: Options, kinds: readonly FaultKind[]): Generator<Episode, never> {
  const random = seededRandom(options.seed)
  for (let number = 1; ; number += 1) {
    // Each episode has a stream of its own: a fault that draws more does not change the ones after it.
    const own = random.fork()
    const count = own.weighted([
      [5, 1],
      [4, 2],
      [2, 3],
    ] as const)
    yield {
      number,
      faults: Array.from({ length: count }, (_, index) => drawFault(own, kinds, options, index)),
      thenWhole: own.chance(0.7),
      restSeconds: round(own.between(1, options.ttlSeconds)),
    }
  }
}

function drawFault(
  random: Random,
  kinds: readonly FaultKind[],
  { ttlSeconds, members }: Options,
  index: number,
): DrawnFault {
  const kind = random.weighted(kinds.map(each => [each.weight, each] as const))
  // Shorter ones more often: most of what matters happens around a deadline.
  const longest = kind.secondsMax(ttlSeconds)
  const seconds = kind.secondsMin + (longest - kind.secondsMin) * random.next() ** 1.5
  return {
    name: kind.name,
    target: random.chance(0.6) ? 0 : random.integer(1, members - 1),
    startSeconds: index === 0 ? 0 : round(random.between(0, ttlSeconds / 2)),
    seconds: round(seconds),
    parameters: kind.draw(random),
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
