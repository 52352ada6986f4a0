// The next term record for each transaction of protocol A6.
import type { Position } from '../kernel/lsn.ts'
import type { ClusterState } from './cluster.ts'
import { type ChainEntry, extendChain, type Holder, type TermRecord } from './term.ts'
import type { View } from './view.ts'

export function holderOf(view: View): Holder {
  const { name, install, machine } = view.me
  return { name, install, machine, seat: view.remembered.seat ?? view.chance.seat }
}

/** T8: nobody has ever led. Timeline 1 is initdb's; every promotion has a number of its own. */
export function createdRecord(view: View, clusterId: string, ownTimeline: number): TermRecord {
  return {
    v: 1,
    cluster: clusterId,
    term: 1,
    state: 'electing',
    holder: holderOf(view),
    ttl: view.settings.ttlMs,
    nonce: view.chance.nonce,
    at: null,
    members: [view.me.install],
    rules: null,
    rulesVersion: 0,
    chain: [],
    timelineMax: ownTimeline + 1,
    successor: null,
    final: null,
    mixed: false,
  }
}

/** T1, and the changes that a renewal carries with it (T7: members). */
export function renewedRecord(view: View, record: TermRecord, at: Position | null): TermRecord {
  return {
    ...record,
    // Before the first copy exists, the seat is the one that was drawn when the term was taken.
    holder: { ...holderOf(view), seat: view.remembered.seat ?? record.holder.seat },
    ttl: view.settings.ttlMs,
    nonce: view.chance.nonce,
    at: at ?? record.at,
    members: listedMembers(view, record),
  }
}

/** T3: the next leadership, with a timeline number that nobody ever had. */
export function takenRecord(view: View, record: TermRecord): TermRecord {
  return {
    ...record,
    term: record.term + 1,
    state: 'electing',
    holder: holderOf(view),
    ttl: view.settings.ttlMs,
    nonce: view.chance.nonce,
    timelineMax: record.timelineMax + 1,
    successor: null,
    final: null,
  }
}

/** T4: promoted; `entries` are the promotions of my history that the chain lacks, my own last. */
export function servingRecord(
  view: View,
  record: TermRecord,
  at: Position,
  entries: readonly ChainEntry[],
): TermRecord {
  return { ...renewedRecord(view, record, at), state: 'serving', chain: extendChain(record.chain, entries) }
}

export function handoverRecord(view: View, record: TermRecord, successor: string, at: Position): TermRecord {
  return { ...renewedRecord(view, record, at), state: 'handover', successor }
}

/** T5. `final` only after a clean stop: where the shutdown checkpoint ends. */
export function releasedRecord(view: View, record: TermRecord, final: Position | null): TermRecord {
  // A number that PostgreSQL took by itself must never be given to somebody else.
  const timelineMax = Math.max(record.timelineMax, view.memory.ownEnd?.timeline ?? 0)
  return {
    ...record,
    state: 'released',
    nonce: view.chance.nonce,
    at: final ?? record.at,
    final,
    timelineMax,
  }
}

/**
 * Installs that may lead: those listed, without the ones that a present member has replaced or that are tagged
 * `nofailover`, and those newly present. An absent member stays: after a total outage it must still be allowed.
 */
export function listedMembers(view: View, record: TermRecord): readonly string[] {
  const cluster = view.store.kind === 'known' ? view.store.value : null
  if (!cluster) return record.members
  const present = presentInstalls(cluster)
  const mine = view.settings.tags.nofailover ? [] : [view.me.install]
  const barred = new Set(
    cluster.members.filter(m => m.value.tags['nofailover'] === true).map(m => m.value.vigil?.install),
  )
  const wanted = [...record.members, ...mine, ...present].filter(install => !barred.has(install))
  const unique = [...new Set(wanted)].filter(install => install !== view.me.install || mine.length > 0)
  const absentFirst = [...unique].sort((a, b) => Number(present.includes(a)) - Number(present.includes(b)))
  const kept = new Set(absentFirst.slice(-MEMBERS_KEPT))
  const list = unique.filter(install => kept.has(install))
  return sameSet(list, record.members) ? record.members : list
}

const MEMBERS_KEPT = 32

function presentInstalls(cluster: ClusterState): readonly string[] {
  return cluster.members.flatMap(member => (member.value.vigil ? [member.value.vigil.install] : []))
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(item => b.includes(item))
}
