// Commits that wait for standbys, on real members: what is recorded, what PostgreSQL is told, and what faults cost.
import assert from 'node:assert/strict'
import type { TermRecord } from '../../src/core/term.ts'
import { FAULTS } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { waitFor } from '../lab/wait.ts'
import { type Stage, scene, seatOf } from './failover-lab.ts'

const QUORUM = { synchronous_mode: 'quorum' }

scene(
  'synchronous_mode: quorum',
  ({ play }) => {
    play('the record lists the copies of both standbys, and PostgreSQL waits for either', async stage => {
      const primary = await settled(stage, 2)
      const rule = ruleOf(stage.term.latest())
      assert.deepEqual([...rule.seats].sort(), standbysOf(stage, primary).map(seatOf).sort())
      assert.equal(rule.k, 1)
      assert.equal(rule.leader, seatOf(primary))
      // The record is wider before PostgreSQL is.
      await waitFor('both are named', 10_000, async () =>
        /^ANY 1 \("\w+","\w+"\)$/.test(await namesOf(primary)),
      )
      for (const standby of standbysOf(stage, primary))
        assert.equal(await namesOf(standby), 'ANY 200 ("vigil:not-leader")')
    })

    play(
      'a standby that is away is dropped from the rule and taken back, and nobody waits for it',
      async stage => {
        const primary = await settled(stage, 2)
        const lost = standbysOf(stage, primary)[0]!
        stage.cluster.network.unplug(lost.host)
        await settled(stage, 1)
        assert.equal(ruleOf(stage.term.latest()).seats.includes(seatOf(lost)), false)
        stage.cluster.network.plug(lost.host)
        await settled(stage, 2)
      },
    )

    play('two commits must be had when two are asked for', async stage => {
      const primary = await settled(stage, 2)
      await configure(primary, { synchronous_node_count: 2 })
      await settled(stage, 2, 2)
      assert.match(await namesOf(primary), /^ANY 2 /)
      await configure(primary, { synchronous_node_count: null })
      await settled(stage, 2)
    })

    play('turned off and on again under load, the record goes with it', async stage => {
      const primary = await settled(stage, 2)
      await configure(primary, { synchronous_mode: 'off' })
      await stage.term.waitFor('asynchronous', record => record.rules === null)
      await waitFor('the names are gone', 10_000, async () => (await namesOf(primary)) === '')
      await configure(primary, { synchronous_mode: true })
      await waitFor('one standby is named', 10_000, async () =>
        /^FIRST 1 \("\w+"\)$/.test(await namesOf(primary)),
      )
      await settled(stage, 1)
      await configure(primary, QUORUM)
      await settled(stage, 2)
    })

    play('a switchover keeps the rule of the old term until the new one has caught up', async stage => {
      const { victim, to, verdict } = await stage.endure(FAULTS.switchover)
      assert.notEqual(to.holder.name, victim.name)
      assert.deepEqual(verdict.lost, [])
      await settled(stage, 2)
    })

    play('a killed postmaster comes back with every acknowledged row', async stage => {
      const { verdict } = await stage.endure(FAULTS['postmaster-killed'])
      assert.deepEqual(verdict.lost, [])
      await settled(stage, 2)
    })

    play('a lost host costs no acknowledged row', async stage => {
      const { verdict } = await stage.endure(FAULTS['host-lost'])
      assert.deepEqual(verdict.lost, [])
      await settled(stage, 2)
    })
  },
  { settings: { dynamic: QUORUM } },
)

/** The rule is narrow, lists so many copies, and its names are in force. */
async function settled({ cluster, term }: Stage, seats: number, k = 1): Promise<Member> {
  const record = await term.waitFor(
    `one rule of ${k} out of ${seats}`,
    ({ state, rules }) =>
      state === 'serving' && rules?.length === 1 && rules[0]!.seats.length === seats && rules[0]!.k === k,
  )
  const primary = cluster.member(record.holder.name)
  await waitFor('its names are in force', 10_000, async () => (await namesOf(primary)).includes(` ${k} (`))
  return primary
}

function ruleOf(record: TermRecord | null) {
  const rule = record?.rules?.at(-1)
  assert.ok(rule, 'a rule is recorded')
  return rule
}

function standbysOf({ cluster }: Stage, primary: Member): readonly Member[] {
  return cluster.members.filter(member => member !== primary)
}

async function namesOf(member: Member): Promise<string> {
  const [row] = await member.query<{ names: string }>(
    `SELECT current_setting('synchronous_standby_names') AS names`,
  )
  return row!.names
}

async function configure(member: Member, change: Readonly<Record<string, unknown>>): Promise<void> {
  const answer = await member.rest('/config', { method: 'PATCH', body: change })
  assert.equal(answer.status, 200, answer.body)
}
