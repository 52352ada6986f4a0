// I1 and I2: acknowledgements of sessions that wait form one history, which every later leader has. No clock counts.
import { anyBetween, type CheckContext } from './check-context.ts'
import { couldAcknowledge } from './commits.ts'
import type { TermChange } from './term-watch.ts'
import { type Branch, type Copy, contains, describeCopy, tipOf } from './wal.ts'
import type { Acknowledged, Postgres, World } from './world.ts'

export interface HistoryChecks {
  /** A term was promoted from this copy. */
  promoted(term: number, name: string, from: Copy): void
  acknowledged(term: number, postgres: Postgres, commit: Acknowledged): void
  termChanged(change: TermChange): void
}

interface Promise_ {
  readonly term: number
  readonly copy: Copy
}

export function checkHistories(context: CheckContext, world: () => World): HistoryChecks {
  const { facts, hosts, report } = context
  /** What must never be missing any more, by branch: as far as it was acknowledged. */
  const kept = new Map<Branch, Promise_>()
  /** Acknowledged to sessions that wait, whatever was promised to them at that time. */
  const all = new Map<Branch, Promise_>()

  const note = (where: Map<Branch, Promise_>, term: number, copy: Copy) => {
    const known = where.get(copy.branch)
    if (!known || known.copy.count < copy.count) where.set(copy.branch, { term, copy })
  }
  /** Nothing but takeovers with seals lies between two terms. */
  const joined = (older: number, newer: number) => !anyBetween(facts.unsealed, older, newer)
  return {
    promoted: (term, name, from) => {
      for (const promise of kept.values())
        if (promise.term < term && !contains(from, promise.copy))
          report(
            'I2',
            `${name} was promoted in term ${term} from ${describeCopy(from)}, without ${describeCopy(promise.copy)}, acknowledged in term ${promise.term}`,
          )
    },
    acknowledged: (term, postgres, { copy, by }) => {
      if (by === 'local') return
      note(all, term, copy)
      if (facts.term.rulesOf(term) === null) return
      note(kept, term, copy)
      for (const [later, branch] of facts.branches)
        if (later > term && joined(term, later) && !contains(tipOf(branch), copy))
          report(
            'I2',
            `${postgres.name} acknowledged ${describeCopy(copy)} in term ${term}, which the leader of term ${later} does not have`,
          )
      // A word of a standby that was sealed since may have been on its way; what it says is in the sealed copy.
      if (!postgres.instance || !couldAcknowledge(world(), postgres.instance)) return
      for (const other of hosts) {
        const { instance } = other.postgres
        const theirs = facts.served.get(other.name) ?? null
        if (other.postgres === postgres || instance?.phase !== 'primary' || theirs === null) continue
        if (!joined(Math.min(term, theirs), Math.max(term, theirs))) continue
        if (couldAcknowledge(world(), instance))
          report(
            'I1',
            `${postgres.name} acknowledged in term ${term}, and ${other.name} could have in term ${theirs}`,
          )
      }
    },
    termChanged: ({ before, after }) => {
      const [old, now] = [before?.record.rules ?? null, after.record.rules]
      if (now === null) kept.clear()
      // Everything that this leader has acknowledged is on enough seats before it is recorded that it must be.
      if (old !== null || now === null) return
      const branch = facts.branches.get(after.record.term)
      for (let at: Branch | undefined = branch; at; at = at.fork?.branch) {
        const known = all.get(at)
        if (known && branch && contains(tipOf(branch), known.copy)) note(kept, known.term, known.copy)
      }
    },
  }
}
