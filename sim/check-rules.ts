// I6 and I10: whatever PostgreSQL may release commits by is allowed by the rule that is recorded, at every instant.
import type { AcknowledgementRule } from '../src/core/term.ts'
import type { CheckContext } from './check-context.ts'
import type { TermChange } from './term-watch.ts'
import type { Instance, Observer, Postgres } from './world.ts'

type Checks = Pick<Observer, 'releasedAlone' | 'namesInForce'> & {
  termChanged(change: TermChange): void
}

export function checkRules(context: CheckContext): Checks {
  const { facts, hosts, report } = context

  /** The newest rule of the term that this member serves. null: nobody is promised anything. */
  const ownRule = (name: string): { term: number; rule: AcknowledgementRule | null } | null => {
    const term = facts.served.get(name) ?? null
    const rules = term === null ? null : facts.term.rulesOf(term)
    if (term === null || rules === null) return null
    return { term, rule: rules.findLast(rule => rule.term === term) ?? null }
  }
  const check = (name: string, instance: Instance) => {
    if (instance.phase !== 'primary') return
    const own = ownRule(name)
    const listed = [...instance.senders].filter(sender => sender.priority > 0 && sender.flushed > 0)
    const counts = listed.flatMap(sender => sender.names?.k ?? [])
    if (!own || counts.length === 0 || own.rule?.k === 0) return
    const seats = own.rule?.seats ?? []
    const strangers = listed.filter(sender => sender.seat === null || !seats.includes(sender.seat))
    const least = Math.min(...counts)
    if (own.rule && least - strangers.length >= own.rule.k) return
    report(
      'I6',
      `${name} may acknowledge by ${least} of ${listed.map(sender => `${sender.name}=${sender.seat?.slice(0, 4)}`)}; term ${own.term} has ${describe(own.rule)}`,
    )
  }
  return {
    namesInForce: (postgres: Postgres, instance) => check(postgres.name, instance),
    releasedAlone: postgres => {
      const own = ownRule(postgres.name)
      if (own && own.rule?.k !== 0)
        report(
          'I10',
          `${postgres.name} let a commit go alone in term ${own.term}, which has ${describe(own.rule)}`,
        )
    },
    termChanged: ({ after }) => {
      const holder = hosts.find(host => host.memory.install === after.record.holder.install)
      const instance = holder?.postgres.instance
      if (holder && instance) check(holder.name, instance)
    },
  }
}

function describe(rule: AcknowledgementRule | null): string {
  return rule ? `${rule.k} of ${rule.seats.map(seat => seat.slice(0, 4)).join() || 'nobody'}` : 'no rule'
}
