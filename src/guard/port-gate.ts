// The kernel's dead-man's switch at the database port (nftables): packets pass while a set holds the port, and the port
// leaves the set by itself when nobody renews it. It works while agent and guard are stopped, or can't get at a disk.
import type { GateTrouble } from '../core/guard-status.ts'
import { elapsedAtMost, type Instant, later, type Ms, remaining } from '../kernel/time.ts'

/**
 * After the deadline, within the margin F: where the guard is there it has killed by then, and clients are told by the
 * kernel that their connections are gone. A gate that was faster would leave them waiting.
 */
const GUARD_FIRST_MS: Ms = 500
const SILENT_MS: Ms = 2000
const SLOW_MS: Ms = 200
/** A right that is missing does not come back each second. What is in force must be renewed, whatever it takes. */
const AGAIN_AFTER_MS = { idle: 30_000, due: 1000 } as const
/** An end in order and the release of the leadership take that long. */
const SHUTS_SOON_MS: Ms = 2500

/** Runs one transaction at a time; null: done, else the complaint. */
export interface NftShell {
  run(transaction: string): Promise<string | null>
  /** Ends the established connections of the port, whoever holds them. */
  cutConnections(port: number): Promise<void>
  /** Nothing can be run any more by this agent. */
  lost(): boolean
  close(): void
}

export interface GatePlace {
  readonly port: number
  /** Addresses that the server listens on, as numbers; empty: all of this machine. */
  readonly addresses: readonly string[]
}

export interface PortGate {
  /** For good: a standby, or a machine on which nothing serves. */
  open(): void
  openUntil(deadline: Instant): void
  /** Resolves when what was asked for last is in force or has failed, or after the limit. */
  settled(limit: Ms): Promise<void>
  /** Why it is not in force; null: it is. */
  obstacle(): string | null
  /** Why the port is about to shut though more was granted; null: it is not, as far as is known. */
  trouble(): GateTrouble | null
  /** Removes the rules: nobody renews any more, and nobody serves. */
  remove(): Promise<void>
}

export interface PortGateOptions {
  readonly shell: NftShell
  readonly place: GatePlace
  readonly now: () => Instant
}

type Goal = { readonly until: Instant | null }

export function createPortGate({ shell, place, now }: PortGateOptions): PortGate {
  const words = wordsOf(place)
  let wanted: Goal | null = null
  let working: Promise<void> | null = null
  let workingSince: Instant | null = null
  let made = false
  /** Once made it holds the port until it is renewed or removed. */
  let inForce = false
  let obstacle: string | null = 'not set up yet'
  let failedAt: Instant | null = null
  /** When the port leaves the set by itself. */
  let closesAt: Instant | null = null
  /** What is in force has an end, and could not be renewed since. */
  let troubleSince: Instant | null = null

  function want(goal: Goal): void {
    const pause = inForce || goal.until ? AGAIN_AFTER_MS.due : AGAIN_AFTER_MS.idle
    if (!inForce && failedAt && remaining(later(failedAt, pause), now()) > 0) return
    wanted = goal
    working ??= work().finally(() => {
      working = null
    })
  }

  async function work(): Promise<void> {
    for (let goal = wanted; goal; goal = wanted) {
      wanted = null
      workingSince = now()
      await apply(goal)
      workingSince = null
    }
  }

  async function apply({ until }: Goal): Promise<void> {
    const end = until && later(until, GUARD_FIRST_MS)
    // What the old connections still hold in their buffers belongs to a leadership that is over.
    const expired = closesAt !== null && remaining(closesAt, now()) === 0
    if (expired) await shell.cutConnections(place.port)
    const askedAt = now()
    let complaint = await attempt(end, made)
    // Somebody has flushed the machine's rules, ours among them, or has killed a helper.
    if (complaint !== null && made) complaint = await attempt(end, false)
    // The timeout counts from when the kernel took it: what was slow on the way would end later than it should.
    else if (complaint === null && end && elapsedAtMost(askedAt, now()) > SLOW_MS)
      complaint = await attempt(end, true)
    made = complaint === null
    inForce = inForce || made
    obstacle = complaint
    failedAt = complaint === null ? null : now()
    troubleSince = complaint === null || closesAt === null ? null : (troubleSince ?? now())
    // After a failure the port still leaves the set when it would have.
    if (complaint === null) closesAt = end
    // A standstill on the way has opened the port once more.
    if (end && made && remaining(end, now()) === 0) await shell.run(`${words.flush}; ${words.element(1)}`)
  }

  function attempt(end: Instant | null, exists: boolean): Promise<string | null> {
    const timeout = end && Math.max(1, Math.floor(remaining(end, now())))
    return shell.run(`${exists ? words.flush : words.make}; ${words.element(timeout)}`)
  }

  return {
    open: () => want({ until: null }),
    openUntil: deadline => want({ until: deadline }),
    async settled(limit) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>(resolve => {
        timer = setTimeout(resolve, limit)
      })
      await Promise.race([working ?? Promise.resolve(), late])
      clearTimeout(timer)
    },
    obstacle() {
      const silent = workingSince !== null && remaining(later(workingSince, SILENT_MS), now()) === 0
      return silent ? 'nft does not answer' : obstacle
    },
    trouble() {
      if (!inForce || !closesAt || !troubleSince || !obstacle) return null
      const soon = remaining(closesAt, now()) < SHUTS_SOON_MS
      return soon || shell.lost() ? { reason: obstacle, since: troubleSince } : null
    },
    async remove() {
      await working
      if (made) await shell.run(words.remove)
      made = false
      inForce = false
      obstacle = 'removed'
    },
  }
}

/** What an agent left behind that used one, for an agent that is to use none. */
export async function removeGate(shell: NftShell, place: GatePlace): Promise<void> {
  await shell.run(wordsOf(place).remove)
}

interface Words {
  /** Also over what a dead agent left behind: one transaction, so nothing passes between. */
  readonly make: string
  readonly flush: string
  /** A plain `add` of an element that is there does not renew it: always after `flush`, in one transaction. */
  element(timeout: Ms | null): string
  readonly remove: string
}

/**
 * Both ways: an acknowledgement leaves by output. A refusal there resets the local socket, so that nothing waits in it
 * for the port to open again; towards clients it resets theirs. Resets themselves always pass: they carry nothing.
 */
function wordsOf({ port, addresses }: GatePlace): Words {
  const name = ['vigil', ...addresses, port].join('_').replaceAll(/[^A-Za-z0-9]/g, '_')
  const table = `inet ${name}`
  const v4 = addresses.filter(address => !address.includes(':'))
  const v6 = addresses.filter(address => address.includes(':'))
  const matches = (side: 'daddr' | 'saddr') =>
    addresses.length === 0
      ? ['']
      : [
          v4.length > 0 && `ip ${side} { ${v4.join(', ')} } `,
          v6.length > 0 && `ip6 ${side} { ${v6.join(', ')} } `,
        ]
  const rules = (chain: string, side: 'daddr' | 'saddr', where: 'dport' | 'sport') =>
    matches(side)
      .filter(match => match !== false)
      .map(
        match =>
          `add rule ${table} ${chain} ${match}tcp ${where} ${port} tcp ${where} != @open tcp flags & rst == 0 reject with tcp reset`,
      )
  const chain = (hook: string) =>
    `add chain ${table} ${hook} { type filter hook ${hook} priority -10; policy accept; }`
  const element = (timeout: Ms | null) =>
    `add element ${table} open { ${port}${timeout === null ? '' : ` timeout ${timeout}ms`} }`
  const make = [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    `add set ${table} open { type inet_service; flags timeout; }`,
    chain('input'),
    chain('output'),
    ...rules('input', 'daddr', 'dport'),
    ...rules('output', 'saddr', 'sport'),
  ].join('; ')
  return {
    make,
    flush: `flush set ${table} open`,
    element,
    // Made first, so that there is one. nft repeats an element that was added: so the shell knows that it is through.
    remove: `${make}; ${element(null)}; delete table ${table}`,
  }
}
