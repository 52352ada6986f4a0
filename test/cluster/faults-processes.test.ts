// Processes of a primary's host die or stop: PostgreSQL, agent, guard.
import assert from 'node:assert/strict'
import { FAULTS, type Fault } from '../lab/faults.ts'
import { LOWEST, scene } from './failover-lab.ts'

const TTL_SECONDS = LOWEST.ttl
const nothingToRepair = async () => {}

scene('processes of the primary', ({ play }) => {
  play('a killed postmaster comes back under a new term, and no other member is promoted', async stage => {
    const { from, to } = await stage.endure(FAULTS['postmaster-killed'])
    assert.ok(to.term > from.term)
    assert.equal(to.holder.install, from.holder.install)
  })

  play('a stopped postmaster is killed, and another member takes over', async stage => {
    const { victim, to } = await stage.endure(STOPPED_POSTMASTER)
    assert.notEqual(to.holder.name, victim.name)
  })

  play('a killed guard takes PostgreSQL with it; the member recovers by itself', async stage => {
    const { from, to } = await stage.endure(KILLED_GUARD)
    assert.ok(to.term > from.term)
  })

  play('a stopped guard is replaced by the agent, with PostgreSQL', async stage => {
    const { from, to } = await stage.endure(STOPPED_GUARD)
    assert.ok(to.term > from.term)
  })

  play('an agent that is killed and back in time interrupts nobody', async stage => {
    const { verdict, from, to } = await stage.endure(RESTARTED_AGENT)
    assert.equal(verdict.errors, 0)
    assert.deepEqual(verdict.lost, [])
    assert.equal(to.term, from.term)
  })

  play('an agent that stays dead costs its member the leadership, never a second primary', async stage => {
    const { victim, to } = await stage.endure(FAULTS['agent-killed'])
    assert.notEqual(to.holder.name, victim.name)
  })

  play('a stopped agent costs its member the leadership; woken up, it follows', async stage => {
    const { victim, to } = await stage.endure({ ...FAULTS['agent-stopped'], observeSeconds: TTL_SECONDS / 2 })
    assert.notEqual(to.holder.name, victim.name)
  })
})

const STOPPED_POSTMASTER: Fault = {
  title: 'postmaster stopped',
  resumes: 'elsewhere',
  observeSeconds: 2,
  apply: async (_cluster, primary) => {
    primary.signal('postmaster', 'SIGSTOP')
  },
  repair: nothingToRepair,
}

const KILLED_GUARD: Fault = {
  title: 'guard killed',
  resumes: 'anywhere',
  observeSeconds: 2,
  apply: async (_cluster, primary) => {
    primary.signal('guard', 'SIGKILL')
  },
  repair: nothingToRepair,
}

const STOPPED_GUARD: Fault = {
  title: 'guard stopped',
  resumes: 'anywhere',
  observeSeconds: 2,
  apply: async (_cluster, primary) => {
    primary.signal('guard', 'SIGSTOP')
  },
  repair: nothingToRepair,
}

/** Long enough to see that the deadline passed without harm. */
const RESTARTED_AGENT: Fault = { ...FAULTS['agent-restarted'], observeSeconds: TTL_SECONDS + 2 }
