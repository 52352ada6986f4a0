// Rules for a member whose name is taken: two agents of one name would speak for each other.
import { VigilError } from '../../kernel/errors.ts'
import { elapsedAtLeast } from '../../kernel/time.ts'
import { leaseExplains, namesake } from '../own-name.ts'
import type { Situation } from '../situation.ts'
import { type Rule, wait } from './rule.ts'

export const OWN_NAME: readonly Rule[] = [
  {
    id: 'name-in-use',
    when: 'the member key of this name belongs to another installation and outlives any lease it may have left behind',
    does: 'ends the agent and touches nothing',
    plan: s => {
      const other = takenBy(s)
      if (!other || other.forMs <= other.limitMs) return null
      const failure = new VigilError('NAME_IN_USE', {
        name: s.view.me.name,
        install: other.install,
        seconds: Math.ceil(other.limitMs / 1000),
      })
      return {
        because: { install: other.install, forMs: Math.round(other.forMs) },
        actions: [{ kind: 'exit', status: failure.exitStatus, reason: failure.message }],
      }
    },
  },
  {
    id: 'name-wait',
    when: 'the member key of this name belongs to another installation',
    does: 'nothing: publishes nothing and leads nothing until the key is gone, or proves to be alive',
    plan: s => {
      const other = takenBy(s)
      return other ? wait({ install: other.install }, 1000) : null
    },
  },
]

function takenBy(s: Situation) {
  const other = namesake(s)
  // Whoever is to end has no more use for the name.
  if (!other || s.view.ending !== 'no') return null
  const since = s.view.memory.nameTakenSince
  return {
    install: other.vigil?.install ?? 'a Patroni agent',
    forMs: since ? elapsedAtLeast(since, s.now) : 0,
    limitMs: leaseExplains(s.view.settings.ttlMs),
  }
}
