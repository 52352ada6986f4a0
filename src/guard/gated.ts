// A guard with a gate at the database port beside it: the gate follows what the guard has granted.
import type { Instant, Ms } from '../kernel/time.ts'
import type { Guard, GuardAnswer, GuardStatus } from '../ports/guard.ts'
import type { PortGate } from './port-gate.ts'

const BEFORE_PROMOTION_MS: Ms = 1000

export interface GatedOptions {
  readonly guard: Guard
  /** null: there can't be one, for this reason. */
  readonly gate: PortGate | null
  readonly obstacle: string | null
  /** Without the gate no promotion. */
  readonly required: boolean
}

export function gatedGuard({ guard, gate, obstacle, required }: GatedOptions): Guard {
  let followed: Instant | 'open' | null = null

  /** Shut while a fenced instance is still being killed; it opens when nothing is left that could speak. */
  function follow(status: GuardStatus | undefined): void {
    if (!gate || !status) return
    const { mode, alive, deadline } = status
    if (mode === 'fenced' && alive) return
    const goal = mode === 'armed' && alive && deadline ? deadline : 'open'
    if (same(goal, followed) && gate.obstacle() === null) return
    followed = goal
    if (goal === 'open') gate.open()
    else gate.openUntil(goal)
  }

  function followAnswer(answer: GuardAnswer): GuardAnswer {
    if (answer.kind !== 'lost') follow(answer.status)
    return answer
  }

  const missing = () => (gate ? gate.obstacle() : obstacle)
  const forbids = () => (required && missing() !== null ? `nftables is required: ${missing()}` : null)
  guard.onChange(() => follow(guard.status()?.status))

  return {
    ...guard,
    status() {
      const heard = guard.status()
      if (!heard) return null
      const { status } = heard
      const obstacles = { ...status.obstacles, nftables: missing() }
      const gateTrouble = gate?.trouble() ?? null
      return { ...heard, status: { ...status, obstacles, forbids: status.forbids ?? forbids(), gateTrouble } }
    },
    async ensure(signal) {
      const there = await guard.ensure(signal)
      if (there) follow(guard.status()?.status)
      return there
    },
    arm: async (term, deadline, ttl) => followAnswer(await guard.arm(term, deadline, ttl)),
    lower: async deadline => followAnswer(await guard.lower(deadline)),
    drop: async term => followAnswer(await guard.drop(term)),
    unarm: async term => followAnswer(await guard.unarm(term)),
    start: async command => followAnswer(await guard.start(command)),
    kill: async () => followAnswer(await guard.kill()),
    async promote(term) {
      // From the first moment in which it accepts writes the port depends on the deadline.
      await gate?.settled(BEFORE_PROMOTION_MS)
      const [reason, status] = [forbids(), guard.status()?.status]
      if (reason !== null && status) return { kind: 'refused', reason, status }
      return guard.promote(term)
    },
    async quit() {
      await guard.quit()
      // Refused while something runs: then the rules stay, and the next agent takes them over.
      if (!guard.status()?.status.alive) await gate?.remove()
    },
  }
}

function same(a: Instant | 'open', b: Instant | 'open' | null): boolean {
  if (a === 'open' || b === 'open' || b === null) return a === b
  return a.mono === b.mono && a.boot === b.boot
}
