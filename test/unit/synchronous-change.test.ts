import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemberRecord } from '../../src/core/cluster.ts'
import { decide } from '../../src/core/decide.ts'
import type { ReplicationConnection } from '../../src/core/instance.ts'
import type { NamesProof } from '../../src/core/memory.ts'
import { situationOf } from '../../src/core/situation.ts'
import { candidates } from '../../src/core/synchronous/seats.ts'
import type { AcknowledgementRule, TermRecord } from '../../src/core/term.ts'
import type { View } from '../../src/core/view.ts'
import { lsn } from '../../src/kernel/lsn.ts'
import { known, lost } from '../../src/kernel/reading.ts'
import {
  at,
  leaderState,
  leading,
  member,
  NOW,
  peer,
  position,
  primary,
  type ViewChange,
  view,
} from './core-view.ts'

const CONFIG = { ttl: 10, loop_wait: 2, retry_timeout: 3 }
const MEMBERS = ['amber', 'birch', 'cedar'].map(name => ({ value: member(name), modRevision: 60n }))
const BOTH = 'ANY 1 ("amber","cedar")'

interface Scene {
  readonly config?: Readonly<Record<string, unknown>>
  readonly rules?: readonly AcknowledgementRule[] | null
  readonly names?: string
  readonly walsenders?: readonly ReplicationConnection[]
  readonly memory?: ViewChange['memory']
  readonly members?: readonly (typeof MEMBERS)[number][]
  readonly peers?: View['peers']
  readonly record?: Partial<TermRecord>
}

/** `birch` leads; `amber` and `cedar` stream. */
function scene(change: Scene = {}): View {
  const { rules = [rule(['amber-seat', 'cedar-seat'], 1)], names = BOTH } = change
  const walsenders = change.walsenders ?? [walsender('amber'), walsender('cedar')]
  const config = { ...CONFIG, synchronous_mode: 'quorum', ...change.config }
  const store = leaderState(
    { rules, ...change.record },
    { config: { value: config, modRevision: 3n }, members: change.members ?? MEMBERS },
  )
  return leading({
    store,
    instance: known(primary(position(6, 2000), { replication: walsenders, synchronousNames: names }), NOW),
    peers: change.peers ?? {},
    memory: {
      lastAttemptAt: at(-100),
      servedMarked: true,
      // Seen a moment ago already.
      walsenders: Object.fromEntries(walsenders.map(({ pid }) => [pid, null])),
      namesTold: { names: { text: names, set: { seats: [], k: 0 } }, at: at(-5000) },
      ...change.memory,
    },
  })
}

function pidOf(name: string): number {
  return 5000 + name.charCodeAt(0)
}

function walsender(name: string, change: Partial<ReplicationConnection> = {}): ReplicationConnection {
  return {
    pid: pidOf(name),
    slot: name,
    user: 'replicator',
    applicationName: name,
    clientAddress: null,
    state: 'streaming',
    syncState: 'quorum',
    syncPriority: 1,
    flushed: lsn(2000),
    ...change,
  }
}

function rule(
  seats: readonly string[],
  k: number,
  change: Partial<AcknowledgementRule> = {},
): AcknowledgementRule {
  return { term: 5, leader: 'birch-seat', seats, k, seen: {}, ...change }
}

function proof(change: Partial<NamesProof> = {}): NamesProof {
  return { names: BOTH, told: lsn(1900), since: at(-100), adopted: false, caughtUpAt: null, ...change }
}

/** What the leader does about its rule: the rule of the table, and the transaction or the names. */
function next(view: View) {
  const { decision, memory } = decide(view)
  const change = decision.actions.find(action => action.kind === 'change-term')
  const configure = decision.actions.find(action => action.kind === 'configure')
  const actions = decision.actions.map(action => action.kind).filter(kind => kind !== 'publish')
  return {
    rule: decision.rule,
    id: change?.kind === 'change-term' ? change.id : null,
    rules: change?.kind === 'change-term' && change.id === 'T2' ? change.record.rules : undefined,
    sync: change?.kind === 'change-term' ? change.writes.sync?.value : undefined,
    names: configure?.kind === 'configure' ? configure.names?.text : undefined,
    actions,
    memory,
    because: decision.because,
  }
}

test('with the wanted rule recorded and in force nothing changes', () => {
  assert.notEqual(next(scene()).rule, 'change-rule')
})

test('a cluster that becomes synchronous names its standbys first and promises nothing before they have caught up', () => {
  const first = next(scene({ rules: null, names: '', memory: { namesTold: null } }))
  assert.equal(first.names, BOTH)
  assert.equal(first.id, null)
  const told = {
    rules: null,
    memory: { namesProof: proof({ adopted: true, caughtUpAt: position(6, 2000) }) },
  }
  assert.equal(next(scene(told)).id, null)
  const caughtUp = next(scene({ ...told, peers: peer('cedar', position(6, 2000)) }))
  assert.deepEqual(caughtUp.rules, [rule(['amber-seat', 'cedar-seat'], 1)])
  assert.equal(caughtUp.sync, '{"leader":"birch","quorum":1,"sync_standby":"amber,cedar"}')
})

test('a change is recorded as the union and the smaller k before PostgreSQL is told', () => {
  const two = { rules: [rule(['amber-seat'], 1)], names: 'ANY 1 ("amber")' }
  const wide = next(scene(two))
  assert.equal(wide.id, 'T2')
  assert.deepEqual(wide.rules, [rule(['amber-seat', 'cedar-seat'], 1)])
  assert.equal(wide.actions.includes('configure'), false)
  const after = next(scene({ ...two, rules: wide.rules! }))
  assert.equal(after.names, BOTH)
})

test('stricter names need no record before them', () => {
  const stricter = next(scene({ config: { synchronous_node_count: 2 } }))
  assert.equal(stricter.names, 'ANY 2 ("amber","cedar")')
})

test('nothing is narrowed before every process that counts has adopted the names', () => {
  const wide = { rules: [rule(['amber-seat', 'cedar-seat', 'gone-seat'], 1)] }
  assert.equal(next(scene(wide)).actions.includes('prove-names'), true)
  const slow = [walsender('amber'), walsender('cedar', { flushed: lsn(1800) })]
  const waiting = next(scene({ ...wide, walsenders: slow, memory: { namesProof: proof() } }))
  assert.equal(waiting.because['waitsFor'], 'adoption')
  const late = next(scene({ ...wide, walsenders: slow, memory: { namesProof: proof({ since: at(-1100) }) } }))
  assert.equal(late.actions.includes('terminate-backends'), true)
  const adopted = next(scene({ ...wide, memory: { namesProof: proof() } }))
  assert.equal(adopted.memory.namesProof?.adopted, true)
})

test('a process without a priority need not adopt', () => {
  const wide = { rules: [rule(['amber-seat', 'cedar-seat', 'gone-seat'], 1)] }
  const backup = walsender('pg_basebackup', { syncPriority: 0, flushed: null })
  const walsenders = [walsender('amber'), walsender('cedar'), backup]
  assert.equal(
    next(scene({ ...wide, walsenders, memory: { namesProof: proof() } })).memory.namesProof?.adopted,
    true,
  )
})

test('catching up is told by the seats themselves: a name may have another copy behind it', () => {
  const wide = { rules: [rule(['amber-seat', 'cedar-seat', 'gone-seat'], 1)] }
  const memory = { namesProof: proof({ adopted: true, caughtUpAt: position(6, 2000) }) }
  const by = (change: Parameters<typeof peer>[2], lag = 0) =>
    next(scene({ ...wide, memory, peers: peer('cedar', position(6, 2000 - lag), change) })).id
  assert.equal(by({ seat: 'cedar-other' }), null)
  assert.equal(by({ seatState: 'incomplete' }), null)
  assert.equal(by({}, 1), null)
  assert.equal(by({}), 'T2')
})

test('the rules of earlier terms go when the own one is in force and caught up', () => {
  const rules = [
    rule(['birch-seat'], 1, { term: 4, leader: 'amber-seat' }),
    rule(['amber-seat', 'cedar-seat'], 1),
  ]
  assert.equal(next(scene({ rules })).actions.includes('prove-names'), true)
  const memory = { namesProof: proof({ adopted: true, caughtUpAt: position(6, 2000) }) }
  const narrow = next(scene({ rules, memory, peers: peer('cedar', position(6, 2000)) }))
  assert.deepEqual(narrow.rules, [rule(['amber-seat', 'cedar-seat'], 1)])
})

test('a standby that is away is waited for 3 s, then no longer', () => {
  const amber = [walsender('amber')]
  const away = (ms: number) => ({ seatsSeen: { 'cedar-seat': { name: 'cedar', at: at(-ms) } } })
  assert.notEqual(next(scene({ walsenders: amber, memory: away(2900) })).rule, 'change-rule')
  assert.equal(next(scene({ walsenders: amber, memory: away(3100) })).names, 'ANY 1 ("amber")')
})

test('a leader that led before gives everybody time anew, however long they have not been seen', () => {
  const before = view({ memory: { seatsSeen: seen(60_000) } })
  const { seatsSeen } = decide(before).memory
  const again = next(scene({ walsenders: [], memory: { seatsSeen } }))
  assert.notEqual(again.rule, 'change-rule')
})

test('commits wait for nobody only when that is recorded', () => {
  const lone = { walsenders: [], memory: { seatsSeen: seen(10_000) } }
  const wide = next(scene(lone))
  assert.deepEqual(wide.rules, [rule(['amber-seat', 'cedar-seat'], 0)])
  assert.equal(wide.sync, '{"leader":"birch","quorum":0,"sync_standby":null}')
  assert.equal(next(scene({ ...lone, rules: wide.rules! })).names, '')
})

test('strict: the last standbys are kept whether they are there or not', () => {
  const strict = { walsenders: [], config: { synchronous_mode_strict: true, synchronous_node_count: 2 } }
  const kept = next(scene({ ...strict, memory: { seatsSeen: seen(10_000) } }))
  assert.equal(kept.names, 'ANY 2 ("amber","cedar")')
  const never = next(scene({ ...strict, rules: null, names: '', memory: { seatsSeen: seen(10_000) } }))
  assert.deepEqual(never.rules, [rule([], 0)])
  const blocked = next(scene({ ...strict, rules: [rule([], 0)], names: '', members: [MEMBERS[1]!] }))
  assert.equal(blocked.names, 'ANY 200 ("vigil:not-leader")')
})

test('going asynchronous is recorded before the names go', () => {
  const off = { config: { synchronous_mode: 'off' } }
  const first = next(scene(off))
  assert.equal(first.rules, null)
  assert.equal(first.id, 'T2')
  const then = next(scene({ ...off, rules: null }))
  assert.equal(then.actions.includes('configure'), true)
  assert.equal(then.names, undefined)
})

test('before one own transaction has succeeded nothing is built on the record', () => {
  const restarted = next(scene({ rules: [rule(['amber-seat'], 1)], memory: { settled: false } }))
  assert.notEqual(restarted.rule, 'change-rule')
})

test('an agent that was restarted writes the names once more before it proves anything', () => {
  const wide = { rules: [rule(['amber-seat', 'cedar-seat', 'gone-seat'], 1)], memory: { namesTold: null } }
  assert.equal(next(scene(wide)).names, BOTH)
})

test('a forged name is ended, whatever else is to be done', () => {
  const forged = walsender('cedar', { slot: null, pid: 666, applicationName: 'CEDAR' })
  const found = next(scene({ walsenders: [walsender('amber'), walsender('cedar'), forged] }))
  assert.equal(found.rule, 'end-strangers')
  const free = next(scene({ walsenders: [walsender('amber'), forged], rules: [rule(['amber-seat'], 1)] }))
  assert.equal(free.rule, 'end-strangers')
})

test('a member that has only just connected has no slot yet, and is no stranger', () => {
  const arriving = walsender('cedar', { slot: null, state: 'startup', flushed: null })
  assert.notEqual(next(scene({ walsenders: [walsender('amber'), arriving] })).rule, 'end-strangers')
})

test('without the store a forged name is ended too, and nobody who comes again keeps the leader from the rest', () => {
  const forged = walsender('cedar', { slot: null, pid: 666 })
  const synchronous = (memory: ViewChange['memory']) => ({
    ...scene({ walsenders: [walsender('amber'), walsender('cedar'), forged], memory }),
    store: lost('no answer', NOW),
  })
  assert.equal(next(synchronous({ seenSynchronous: true })).rule, 'end-strangers')
  assert.notEqual(next(synchronous({ seenSynchronous: false })).rule, 'end-strangers')
  const again = synchronous({ seenSynchronous: true, strangersEndedAt: at(-100) })
  assert.notEqual(next(again).rule, 'end-strangers')
})

test('in mode on the best are taken, and whoever is counted on stays', () => {
  const on = {
    config: { synchronous_mode: true },
    names: 'FIRST 1 ("cedar")',
    rules: [rule(['cedar-seat'], 1)],
  }
  assert.notEqual(next(scene(on)).rule, 'change-rule')
  const preferred = MEMBERS.map(({ value, modRevision }) => ({
    value: value.name === 'amber' ? member('amber', { tags: { sync_priority: 2 } }) : value,
    modRevision,
  }))
  assert.deepEqual(next(scene({ ...on, members: preferred })).rules, [rule(['amber-seat', 'cedar-seat'], 1)])
})

test('a member tagged nosync, or too far behind, is not counted on', () => {
  const barred = MEMBERS.map(({ value, modRevision }) => ({
    value: value.name === 'amber' ? member('amber', { tags: { nosync: true } }) : value,
    modRevision,
  }))
  assert.equal(next(scene({ members: barred })).names, 'ANY 1 ("cedar")')
  const slow = [walsender('amber', { flushed: lsn(100) }), walsender('cedar')]
  const config = { maximum_lag_on_syncnode: 1000 }
  assert.equal(
    next(scene({ walsenders: slow, config, memory: { seatsSeen: seen(9000) } })).names,
    'ANY 1 ("cedar")',
  )
})

test('a renamed member is one copy, also while its old name is still there', () => {
  const copy = member('cedar').vigil!
  const renamed = { value: { ...member('dahlia'), vigil: copy }, modRevision: 61n }
  const walsenders = ['amber', 'cedar', 'dahlia'].map(name => walsender(name))
  const named = (memory: ViewChange['memory'], members: readonly (typeof MEMBERS)[number][]) =>
    candidates(situationOf(scene({ walsenders, memory, members }))).map(
      ({ name, seat }) => `${name}: ${seat}`,
    )
  const expected = ['amber: amber-seat', 'dahlia: cedar-seat']
  assert.deepEqual(named({}, [...MEMBERS, renamed]), expected)
  const gone = MEMBERS.filter(({ value }) => value.name !== 'cedar')
  assert.deepEqual(
    named({ seatsSeen: { 'cedar-seat': { name: 'cedar', at: NOW } } }, [...gone, renamed]),
    expected,
  )
})

test('a replaced copy counts only after the record lists it, though its name is in force already', () => {
  const replaced = withCedar({ seat: 'cedar-new' })
  const wide = next(scene({ members: replaced }))
  assert.deepEqual(wide.rules, [rule(['amber-seat', 'cedar-new', 'cedar-seat'], 1)])
  assert.equal(next(scene({ members: replaced, rules: wide.rules! })).actions.includes('prove-names'), true)
})

test('a copy that is to be replaced is dropped at once, while it still streams', () => {
  const members = withCedar({ leaving: true })
  assert.equal(next(scene({ members })).names, 'ANY 1 ("amber")')
  const strict = { synchronous_mode_strict: true, synchronous_node_count: 2 }
  assert.deepEqual(
    next(scene({ members, config: strict, names: 'ANY 2 ("amber","cedar")' })).names,
    'ANY 2 ("amber")',
  )
})

test('strict: when the last copy is to be replaced, commits wait, and the record lists none', () => {
  const members = withCedar({ leaving: true })
  const config = { synchronous_mode_strict: true }
  const alone = { members, config, walsenders: [], memory: { seatsSeen: seen(10_000) } }
  const told = next(scene(alone))
  assert.equal(told.names, 'ANY 200 ("vigil:not-leader")')
  assert.equal(told.id, null)
  const names = 'ANY 200 ("vigil:not-leader")'
  const namesProof = proof({ names, adopted: true, caughtUpAt: position(6, 2000) })
  const narrow = next(scene({ ...alone, names, memory: { seatsSeen: seen(10_000), namesProof } }))
  assert.deepEqual(narrow.rules, [rule([], 0)])
})

test('whose copy is behind a walsender is told only by a key that was read after it was seen', () => {
  const one = { rules: [rule(['amber-seat'], 1)], names: 'ANY 1 ("amber")' }
  const walsenders = { [pidOf('amber')]: null }
  const first = next(scene({ ...one, memory: { walsenders } }))
  assert.equal(first.id, null)
  const second = next(scene({ ...one, memory: { walsenders: first.memory.walsenders } }))
  assert.deepEqual(second.rules, [rule(['amber-seat', 'cedar-seat'], 1)])
})

test('while a key is away its name counts for the walsender that it was seen with, and for no other', () => {
  const away = {
    members: MEMBERS.filter(({ value }) => value.name === 'birch'),
    walsenders: [walsender('cedar')],
    rules: [rule(['cedar-seat'], 1)],
    names: 'ANY 1 ("cedar")',
  }
  const seatsSeen = { 'cedar-seat': { name: 'cedar', at: at(-4000) } }
  const behind = (seat: string) =>
    next(scene({ ...away, memory: { seatsSeen, walsenders: { [pidOf('cedar')]: seat } } }))
  assert.notEqual(behind('cedar-seat').rule, 'change-rule')
  assert.deepEqual(behind('cedar-old').rules, [rule(['cedar-seat'], 0)])
})

test('a walsender of a copy that was replaced, or that nobody can tell, is ended; one that a rule lists stays', () => {
  const members = withCedar({ seat: 'cedar-new' })
  const rules = [rule(['amber-seat'], 1)]
  const names = 'ANY 1 ("amber")'
  const old = { walsenders: { [pidOf('amber')]: 'amber-seat', [pidOf('cedar')]: 'cedar-seat' } }
  assert.equal(next(scene({ members, rules, names, memory: old })).rule, 'end-strangers')
  const restarted = next(scene({ rules, names, memory: { walsenders: null } }))
  assert.equal(restarted.rule, 'end-strangers')
  assert.equal(restarted.memory.walsenders?.[pidOf('amber')], 'amber-seat')
  assert.notEqual(next(scene({ memory: { walsenders: null } })).rule, 'end-strangers')
})

function withCedar(change: Partial<NonNullable<MemberRecord['vigil']>>) {
  return MEMBERS.map(({ value, modRevision }) => ({
    value: value.name === 'cedar' ? member('cedar', { vigil: { ...value.vigil!, ...change } }) : value,
    modRevision,
  }))
}

function seen(ms: number) {
  return { 'amber-seat': { name: 'amber', at: at(-ms) }, 'cedar-seat': { name: 'cedar', at: at(-ms) } }
}
