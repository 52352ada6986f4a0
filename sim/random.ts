// Chance from a seed: xoshiro128**, seeded by splitmix32. The same seed gives the same numbers on every machine.

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform in [low, high). */
  between(low: number, high: number): number
  /** Integer in [low, high]. */
  integer(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
  /** Picks by weight. */
  weighted<T>(list: readonly (readonly [weight: number, value: T])[]): T
  /** 16 hexadecimal digits. */
  hex(): string
  /** An independent stream: drawing more from one does not change the other. */
  fork(): Random
}

export function seededRandom(seed: number): Random {
  const draw = xoshiro(seed)
  const next = () => draw() / 0x1_0000_0000
  const digits = () => draw().toString(16).padStart(8, '0')
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    integer: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: probability => next() < probability,
    pick: list => list[Math.floor(next() * list.length)]!,
    weighted: list => {
      const total = list.reduce((sum, [weight]) => sum + weight, 0)
      let left = next() * total
      const found = list.find(([weight]) => {
        left -= weight
        return left < 0
      })
      return (found ?? list[list.length - 1]!)[1]
    },
    hex: () => digits() + digits(),
    fork: () => seededRandom(draw()),
  }
}

/** 32 bits at a time. */
function xoshiro(seed: number): () => number {
  let mixed = seed >>> 0
  const splitmix = () => {
    mixed = (mixed + 0x9e3779b9) | 0
    let z = mixed
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()]
  return () => {
    const product = Math.imul(b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result
  }
}
