// The transactions of protocol A6 as actions: what each compares, and what happens at the guard around it.
import type { Position } from '../kernel/lsn.ts'
import type { SideWrites, TermChange } from './action.ts'
import { keptPosition } from './instance.ts'
import { createdRecord, releasedRecord, renewedRecord, takenRecord } from './record.ts'
import type { Situation } from './situation.ts'
import { withSeen } from './synchronous/seats.ts'
import { grantOf } from './synchronous/suspicion.ts'
import { rulesTaken } from './synchronous/takeover.ts'
import type { TermRecord } from './term.ts'

const NO_WRITES: SideWrites = {}

/** T1, or any change by the serving holder that arms in the same way (T4, T2, T7). */
export function renew(
  situation: Situation,
  record: TermRecord,
  id: TermChange['id'] = 'T1',
  writes: SideWrites = NO_WRITES,
): TermChange {
  const { view, cluster } = situation
  const current = situation.record as TermRecord
  const paused = record.state === 'paused'
  return {
    kind: 'change-term',
    id: cluster?.leader === null ? 'T1b' : id,
    expected: situation.revision,
    record,
    // A lost leader key is put back (T1b); a key with another value is a reason to fence, found by the rules.
    leaderIs: cluster?.leader ? { value: view.me.name, modRevision: null } : { absent: true },
    leaderKey: cluster?.leader ? 'keep' : 'put',
    writes,
    // Nobody may see the shorter ttl before the guard has it.
    before: record.ttl < current.ttl && !paused ? 'lower' : 'nothing',
    grants: grantOf(record, view.settings),
    after: paused ? 'unarm' : 'arm',
  }
}

export function plainRenewal(situation: Situation, at: Position | null, writes?: SideWrites): TermChange {
  const record = renewedRecord(situation.view, situation.record as TermRecord, at)
  return renew(situation, { ...record, rules: withSeen(situation, record) }, 'T1', writes)
}

/** T3. In a pure cluster the leader key is display only: present with the old holder's name it is overwritten. */
export function take(situation: Situation, writes: SideWrites = NO_WRITES): TermChange {
  const { view, cluster } = situation
  const leader = cluster?.leader ?? null
  const record = {
    ...takenRecord(view, situation.record as TermRecord),
    ...rulesTaken(situation),
    at: positionTaken(situation),
  }
  return {
    kind: 'change-term',
    id: 'T3',
    expected: situation.revision,
    record,
    leaderIs: leader ? { value: leader.value, modRevision: leader.modRevision } : { absent: true },
    leaderKey: 'put',
    writes,
    before: 'nothing',
    grants: grantOf(record, view.settings),
    after: 'arm',
  }
}

/**
 * Of the candidate: the old holder's says nothing about this copy, which may never reach it (simulator seed 13630). Who
 * takes with a dead instance is the old holder itself.
 */
function positionTaken({ running, holding, record }: Situation): Position | null {
  if (running.kind === 'standby') return keptPosition(running.status)
  return holding ? (record?.at ?? null) : null
}

/** T5, sent only after the guard has given up its deadline: nothing may restart under it. */
export function release(situation: Situation, final: Position | null, successor: string | null): TermChange {
  const { view, cluster } = situation
  const record = situation.record as TermRecord
  return {
    kind: 'change-term',
    id: 'T5',
    expected: situation.revision,
    record: { ...releasedRecord(view, record, final), successor },
    leaderIs: cluster?.leader ? { value: view.me.name, modRevision: null } : { absent: true },
    leaderKey: cluster?.leader ? 'delete' : 'keep',
    writes: NO_WRITES,
    before: 'drop',
    grants: 0,
    after: 'nothing',
  }
}

/** T6, maintenance pause: recorded first, then the deadline is lifted. */
export function pause(situation: Situation, at: Position | null): TermChange {
  const record = renewedRecord(situation.view, situation.record as TermRecord, at)
  return renew(situation, { ...record, state: 'paused' }, 'T6')
}

/** T6, end of the pause: the deadline counts before anybody may see that it does. */
export function resume(situation: Situation, at: Position | null): TermChange {
  const record = renewedRecord(situation.view, situation.record as TermRecord, at)
  // Armed by an earlier attempt already: only a granted one may move the deadline (model: `d if d != OFF`).
  const before = situation.guard?.mode === 'armed' ? 'nothing' : 'arm'
  return { ...renew(situation, { ...record, state: 'serving' }, 'T6'), before }
}

/** T8. `systemIdentifier`: of data that exists already, or null when initdb is still to run. */
export function create(
  situation: Situation,
  ownTimeline: number,
  systemIdentifier: string | null,
): TermChange {
  const { view } = situation
  const cluster = situation.cluster
  const initialize = cluster?.initialize ?? null
  return {
    kind: 'change-term',
    id: 'T8',
    expected: null,
    record: createdRecord(view, cluster?.clusterId ?? '', ownTimeline),
    leaderIs: { absent: true },
    leaderKey: 'put',
    writes: {
      ...(initialize ? {} : { initialize: { value: systemIdentifier ?? '', ifAbsent: true } }),
      ...(cluster?.config ? {} : { config: view.me.bootstrapConfig }),
    },
    before: 'nothing',
    grants: view.settings.ttlMs,
    after: 'arm',
  }
}
