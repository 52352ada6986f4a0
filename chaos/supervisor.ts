// Starts agents that ended, as a service manager would, except those that a fault keeps dead.
import type { Member } from '../test/lab/member.ts'
import { monotonicNs } from '../test/lab/wait.ts'

export interface Supervisor {
  /** Nobody starts this member's agent until it is released. */
  hold(member: Member): void
  release(member: Member): void
  releaseAll(): void
  /** A death that a fault is about to cause: no end of its own. */
  expectEnd(member: Member): void
  /** Agents that ended without anybody's doing. */
  unexpectedEnds(): readonly { readonly member: string; readonly atNs: number }[]
  close(): void
}

const LOOK_MS = 250
/** What a unit file says in RestartSec. */
const RESTART_MS = 1500

export function supervise(members: readonly Member[]): Supervisor {
  const held = new Map<Member, number>()
  const expected = new Set<Member>()
  const deadSince = new Map<Member, number>()
  const unexpected: { member: string; atNs: number }[] = []
  const look = () => {
    const now = performance.now()
    for (const member of members) {
      if (member.agentAlive()) {
        deadSince.delete(member)
        continue
      }
      if (!deadSince.has(member)) {
        deadSince.set(member, now)
        if (!expected.delete(member) && !held.has(member))
          unexpected.push({ member: member.name, atNs: monotonicNs() })
      }
      if (held.has(member) || now - deadSince.get(member)! < RESTART_MS) continue
      member.start()
    }
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    hold: member => held.set(member, (held.get(member) ?? 0) + 1),
    release: member => {
      const left = (held.get(member) ?? 0) - 1
      if (left > 0) held.set(member, left)
      else held.delete(member)
    },
    releaseAll: () => held.clear(),
    expectEnd: member => expected.add(member),
    unexpectedEnds: () => unexpected,
    close: () => clearInterval(timer),
  }
}
