import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHealthy } from '../../src/api/health.ts'
import { clusterDocument, patroniDocument } from '../../src/api/patroni-document.ts'
import { statusOf } from '../../src/core/status.ts'
import type { AcknowledgementRule, TermRecord } from '../../src/core/term.ts'
import type { View } from '../../src/core/view.ts'
import { known } from '../../src/kernel/reading.ts'
import {
  at,
  cluster,
  leaderState,
  leading,
  NOW,
  position,
  primary,
  standby,
  type ViewChange,
  view,
} from './core-view.ts'

const QUORUM = { ttl: 10, loop_wait: 2, retry_timeout: 3, synchronous_mode: 'quorum' }
const BOTH = ['birch-seat', 'cedar-seat']

function rule(seats: readonly string[], k: number): AcknowledgementRule {
  return { term: 5, leader: 'amber-seat', seats, k, seen: {} }
}

/** `birch` follows `amber`. */
function following(recordIs: Partial<TermRecord>, config: Readonly<Record<string, unknown>> = QUORUM): View {
  const state = cluster({ recordIs, config: { value: config, modRevision: 3n } })
  const streams = standby(position(6, 1000), { replicationState: 'streaming' })
  return view({ store: known(state, NOW), instance: known(streams, NOW) })
}

/** `birch` leads. */
function leadingWith(change: ViewChange, config = {}, names = ''): View {
  const own = { ...rule(['amber-seat', 'cedar-seat'], 1), leader: 'birch-seat' }
  const store = leaderState(
    { rules: [own] },
    { config: { value: { ...QUORUM, ...config }, modRevision: 3n } },
  )
  const instance = known(primary(position(6, 2000), { synchronousNames: names }), NOW)
  return leading({ store, instance, ...change })
}

function statusIn(of: View) {
  return statusOf(of, { scope: 'main', now: NOW, decision: null })
}

function codes(of: View): readonly string[] {
  return statusIn(of).warnings.map(({ code }) => code)
}

const healthy = (name: Parameters<typeof isHealthy>[0], of: View) =>
  isHealthy(name, { status: statusIn(of), query: new URLSearchParams(), upMs: 0 })

test('a standby that commits may wait for is a quorum standby, in mode on a sync standby', () => {
  const quorum = following({ rules: [rule(BOTH, 1)] })
  const sync = following({ rules: [rule(['birch-seat'], 1)] }, { ...QUORUM, synchronous_mode: 'on' })
  const async = following({ rules: [rule(['cedar-seat'], 1)] })
  const answers = (of: View) =>
    (
      [
        'health-quorum',
        'health-sync',
        'health-async',
        'health-read-only-quorum',
        'health-read-only-sync',
      ] as const
    ).filter(name => healthy(name, of))
  assert.deepEqual(answers(quorum), ['health-quorum', 'health-read-only-quorum'])
  assert.deepEqual(answers(sync), ['health-sync', 'health-read-only-sync'])
  assert.deepEqual(answers(async), ['health-async'])
  assert.equal(patroniDocument(statusIn(quorum), null)['quorum_standby'], true)
  assert.equal(patroniDocument(statusIn(sync), null)['sync_standby'], true)
  const roles = (clusterDocument(statusIn(quorum))['members'] as readonly { role: string }[]).map(m => m.role)
  assert.deepEqual(roles, ['leader', 'quorum_standby', 'quorum_standby'])
})

test('a copy that replaced the one in the rule is not waited for', () => {
  assert.equal(healthy('health-quorum', following({ rules: [rule(['birch-old', 'cedar-seat'], 1)] })), false)
})

test('the state of the rule is told: steady, changing, degraded', () => {
  const stateOf = (rules: TermRecord['rules']) => statusIn(following({ rules })).synchronous.state
  assert.equal(stateOf([rule(BOTH, 1)]), 'steady')
  assert.equal(stateOf([{ ...rule([], 0), term: 4 }, rule(BOTH, 1)]), 'changing')
  assert.equal(stateOf([rule(BOTH, 0)]), 'changing')
  assert.equal(stateOf([rule([], 0)]), 'degraded')
  assert.equal(stateOf(null), 'changing')
})

test('more synchronous nodes than members: said, and an alarm where nothing can be acknowledged', () => {
  const three = { synchronous_node_count: 3 }
  const found = (config: object) =>
    statusIn(leadingWith({}, config)).warnings.find(({ code }) => code === 'too-few-members')?.severity
  assert.equal(found(three), 'notice')
  assert.equal(found({ ...three, synchronous_mode_strict: true }), 'alarm')
  assert.equal(found({ synchronous_node_count: 2 }), undefined)
})

test('roles and databases that weaken commits, and a forged name, are told', () => {
  const weak = [{ value: 'off', role: 'batch', database: null }]
  const instance = known(primary(position(6, 2000), { weakCommits: weak }), NOW)
  assert.equal(codes(leadingWith({ instance })).includes('weak-commits'), true)
  const forged = { strangerSeen: { name: 'cedar', address: '10.0.0.66', at: at(-1000) } }
  assert.equal(codes(leadingWith({ memory: forged })).includes('forged-name'), true)
  const long = { strangerSeen: { name: 'cedar', address: '10.0.0.66', at: at(-3_600_000) } }
  assert.equal(codes(leadingWith({ memory: long })).includes('forged-name'), false)
})

test('names that somebody else has put into force are an alarm', () => {
  const told = { text: 'ANY 1 ("amber","cedar")', set: { seats: [], k: 1 } }
  const memory = { namesTold: { names: told, at: at(-5000) } }
  assert.equal(codes(leadingWith({ memory }, {}, '')).includes('names-overridden'), true)
  assert.equal(codes(leadingWith({ memory }, {}, told.text)).includes('names-overridden'), false)
})
