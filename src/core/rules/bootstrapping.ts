// Rules while nobody has ever led this cluster under vigil (protocol A10 "Bootstrap").
import { comparePositions } from '../../kernel/lsn.ts'
import { exclusionOf } from '../candidate.ts'
import { promisedMs } from '../failsafe.ts'
import { heldOff, isDead, type Situation } from '../situation.ts'
import { create, take } from '../transaction.ts'
import { type Rule, wait } from './rule.ts'

function unrecorded(s: Situation): boolean {
  return s.cluster !== null && s.record === null && s.view.remembered.termMax === 0
}

export const BOOTSTRAPPING: readonly Rule[] = [
  {
    id: 'bootstrap-clean',
    when: 'a bootstrap of this member was never recorded or never ended',
    does: 'removes its own unserved directory',
    plan: s =>
      unrecorded(s) && isDead(s) && unfinishedBootstrap(s)
        ? { actions: [{ kind: 'remove-unfinished' }], wakeInMs: 50 }
        : null,
  },
  {
    id: 'bootstrap-create',
    when: 'nobody has created the cluster, and there is no data here nor at another member',
    does: 'takes the first term (T8); the winner runs initdb',
    plan: s => {
      if (!unrecorded(s) || !isDead(s) || !emptyDirectory(s) || forbidden(s)) return null
      if (s.cluster?.initialize || s.cluster?.leader) return null
      if (!s.view.me.mayBootstrap || s.view.settings.standbyCluster) return null
      return somebodyHasData(s) ? null : { actions: [create(s, 1, null)], wakeInMs: 50 }
    },
  },
  {
    id: 'bootstrap-adopt',
    when: 'nobody has led under vigil, and this member has the data that the cluster begins with',
    does: 'takes the first term (T8) with its own copy',
    plan: s => {
      if (!unrecorded(s) || s.running.kind !== 'standby' || !s.end || s.cluster?.leader) return null
      if (forbidden(s)) return null
      const { systemIdentifier } = s.running.status
      const known = s.cluster?.initialize?.value
      if (known !== undefined && known !== systemIdentifier) return null
      if (s.guard?.mode !== 'standby' || somebodyIsAhead(s)) return null
      return { actions: [create(s, s.end.timeline, systemIdentifier)], wakeInMs: 20 }
    },
  },
  {
    id: 'bootstrap-retake',
    when: 'whoever was to create the cluster gave up or went silent before anybody was served, and there is no data here',
    does: 'takes the next term (T3) and creates it',
    plan: s => {
      const neverServed = s.record !== null && s.cluster?.initialize?.value === ''
      if (!neverServed || !isDead(s) || !emptyDirectory(s) || s.guard?.mode !== 'standby') return null
      if (forbidden(s)) return null
      const { me, settings } = s.view
      if (!me.mayBootstrap || settings.standbyCluster || settings.tags.nofailover) return null
      const exclusion = exclusionOf(s)
      if (exclusion === null || heldOff(s) || s.unresolved || somebodyHasData(s)) return null
      if (promisedMs(s) > 0) return null
      return { because: { exclusion }, actions: [take(s)], memory: { lastAttemptAt: s.now }, wakeInMs: 50 }
    },
  },
  {
    id: 'bootstrap-wait',
    when: 'nobody has led under vigil, and there is no data here',
    does: 'waits for another member to create the cluster',
    plan: s =>
      unrecorded(s) && isDead(s) && emptyDirectory(s)
        ? wait({ initialize: s.cluster?.initialize?.value ?? null, forbidden: forbidden(s) })
        : null,
  },
]

/** A cluster whose first leader the guard would not promote stays without one, and others could not create it. */
function forbidden({ guard }: Situation): string | null {
  return guard?.forbids ?? null
}

export function emptyDirectory(s: Situation): boolean {
  return s.view.directory.kind === 'known' && s.view.directory.value.kind === 'empty'
}

export function unfinishedBootstrap(s: Situation): boolean {
  const found = s.view.directory
  return found.kind === 'known' && found.value.kind === 'unfinished' && found.value.what === 'bootstrap'
}

function others(s: Situation) {
  return (s.cluster?.members ?? []).map(m => m.value).filter(m => m.name !== s.view.me.name)
}

function somebodyHasData(s: Situation): boolean {
  return others(s).some(member => member.timeline !== null || member.xlogLocation !== null)
}

/** By their member keys; the most advanced copy is the one to begin with. */
function somebodyIsAhead(s: Situation): boolean {
  return others(s).some(member => {
    if (!s.end || member.timeline === null || member.xlogLocation === null) return false
    const theirs = { timeline: member.timeline, lsn: member.xlogLocation }
    const order = comparePositions(theirs, s.end)
    return order > 0 || (order === 0 && member.name < s.view.me.name)
  })
}
