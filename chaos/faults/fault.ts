// What every fault is: drawn from a seed without looking at the cluster, begun on whoever leads by then, and ended.
import type { Random } from '../../sim/random.ts'
import type { Member } from '../../test/lab/member.ts'
import type { Program } from '../hurt/programs.ts'
import type { Mode } from '../options.ts'
import type { World } from '../world.ts'

export type Parameters = Readonly<Record<string, string | number | readonly string[]>>

/** One fault of the list that a seed gives. */
export interface DrawnFault {
  readonly name: string
  /** 0: whoever leads then; 1 and up: the others in their order. */
  readonly target: number
  /** After the begin of its episode. */
  readonly startSeconds: number
  readonly seconds: number
  readonly parameters: Parameters
}

export interface Running {
  /** Names of the members that it hits. */
  readonly victims: readonly string[]
  readonly detail: string
  /** A text that it returns is what came of it. */
  end(): Promise<unknown>
}

export interface FaultKind {
  readonly name: string
  readonly about: string
  readonly weight: number
  readonly secondsMin: number
  /** Of a cluster with this ttl: shorter and longer than every deadline. */
  readonly secondsMax: (ttlSeconds: number) => number
  /** Drawn in these modes only. */
  readonly modes?: readonly Mode[]
  readonly needs?: readonly Program[]
  draw(random: Random): Parameters
  /** @throws when there is nothing to hit; the report then says so. */
  begin(world: World, fault: DrawnFault): Promise<Running>
}

export const noParameters = (): Parameters => ({})

export function victimOf(world: World, { target }: DrawnFault): Member {
  const leader = world.leader()
  if (target === 0) return leader
  const others = othersThan(world, leader)
  return others[(target - 1) % others.length]!
}

export function othersThan(world: World, member: Member): readonly Member[] {
  return world.cluster.members.filter(other => other !== member)
}

/** Longer and shorter than a leadership lasts. */
export const aroundTtl = (ttlSeconds: number) => ttlSeconds * 2

/** A subset of one to `most`, in the list's order. */
export function drawSome<T>(random: Random, list: readonly T[], most: number): readonly T[] {
  const count = random.integer(1, most)
  const chosen = new Set<T>()
  while (chosen.size < count) chosen.add(random.pick(list))
  return list.filter(each => chosen.has(each))
}
