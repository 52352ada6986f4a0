// Links between machines, and between them and the store: delay, loss, cuts in one or both directions.
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

/** A member's name, or `store`. */
export type Place = string

export interface Network {
  /** Delivers after the link's delay, or never. */
  send(from: Place, to: Place, deliver: () => void): void
  /** Nothing gets from one to the other. */
  cut(from: Place, to: Place): boolean
  /** Whether a conversation is possible. */
  connected(a: Place, b: Place): boolean
  /** One fault more on this link; the answer takes it away again. */
  disturb(from: Place, to: Place, fault: LinkFault): () => void
  heal(): void
}

export interface LinkFault {
  /** 1: cut. */
  readonly loss: number
  /** Added to each message, up to. */
  readonly delayMs: number
}

export const CUT: LinkFault = { loss: 1, delayMs: 0 }

export function createNetwork(
  scheduler: Scheduler,
  random: Random,
  delay: { readonly lowMs: number; readonly highMs: number },
): Network {
  const faults = new Map<string, Set<LinkFault>>()
  const of = (from: Place, to: Place) => faults.get(`${from}>${to}`)
  const cut = (from: Place, to: Place) => {
    const link = of(from, to)
    if (link === undefined) return false
    for (const fault of link) if (fault.loss >= 1) return true
    return false
  }
  return {
    send: (from, to, deliver) => {
      let ms = random.between(delay.lowMs, delay.highMs)
      for (const fault of of(from, to) ?? []) {
        if (fault.loss > 0 && random.chance(fault.loss)) return
        ms += random.next() * fault.delayMs
      }
      scheduler.after(ms, deliver)
    },
    cut,
    connected: (a, b) => a === b || !(cut(a, b) || cut(b, a)),
    disturb: (from, to, fault) => {
      const key = `${from}>${to}`
      const link = faults.get(key) ?? new Set()
      const added = { ...fault }
      faults.set(key, link.add(added))
      return () => void link.delete(added)
    },
    heal: () => faults.clear(),
  }
}
