// A planned switchover in which somebody dies (the crash table of protocol A9). The record says how far it has come.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TermRecord } from '../../src/core/term.ts'
import type { Fault } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { waitFor } from '../lab/wait.ts'
import { LOWEST, type Stage, scene } from './failover-lab.ts'

interface Parties {
  readonly leader: Member
  readonly successor: Member
}

const REQUEST_LIMIT_MS = 20_000

scene('a switchover in which somebody dies', ({ play }) => {
  play("the leader's agent, after the handover was recorded, and it is back in time", async stage => {
    const blow = strike(stage, handoverIsRecorded, async ({ leader }) => {
      leader.signal('agent', 'SIGKILL')
      await sleep(500)
      leader.start()
    })
    const { from, to } = await stage.endure({
      ...SURVIVED,
      resumes: 'unharmed',
      observeSeconds: LOWEST.ttl,
      ...blow,
    })
    // It goes on as before, or the successor was faster: either is in order.
    if (to.holder.install === from.holder.install) assert.equal(to.state, 'serving')
  })

  play("the leader's agent, after the handover was recorded, and it stays dead", async stage => {
    const blow = strike(stage, handoverIsRecorded, ({ leader }) => leader.signal('agent', 'SIGKILL'))
    const { victim, to } = await stage.endure({
      ...SURVIVED,
      ...blow,
      repair: (_, leader) => restart(leader),
    })
    assert.notEqual(to.holder.name, victim.name)
  })

  play("the leader's agent, while PostgreSQL stops: the successor takes over as planned", async stage => {
    let planned = ''
    const blow = strike(stage, handoverIsRecorded, async ({ leader, successor }) => {
      planned = successor.name
      await waitFor('PostgreSQL stops', 10_000, () => stops(leader), 1)
      leader.signal('agent', 'SIGKILL')
    })
    const { to } = await stage.endure({ ...SURVIVED, ...blow, repair: (_, leader) => restart(leader) })
    assert.equal(to.holder.name, planned)
  })

  play("the leader's host: an ordinary failover follows", async stage => {
    const blow = strike(stage, handoverIsRecorded, ({ leader }) => stage.cluster.network.lose(leader.host))
    const { victim, to } = await stage.endure({
      ...SURVIVED,
      ...blow,
      repair: async (cluster, leader) => cluster.revive(leader),
    })
    assert.notEqual(to.holder.name, victim.name)
  })

  play("the successor's agent, before it takes over: somebody else leads", async stage => {
    let dead: Member | null = null
    const blow = strike(stage, handoverIsRecorded, ({ successor }) => {
      dead = successor
      successor.signal('agent', 'SIGKILL')
    })
    const { to } = await stage.endure({
      ...SURVIVED,
      // Seen before the stop, the leader goes on and clients notice nothing; after it, it takes its term back.
      resumes: 'unharmed',
      observeSeconds: 6,
      ...blow,
      repair: () => restart(dead!),
    })
    assert.notEqual(to.holder.name, dead!.name)
  })

  play("the successor's agent, after it took over and before it serves", async stage => {
    let dead: Member | null = null
    const taken = ({ state, holder }: TermRecord, { successor }: Parties) =>
      state === 'electing' && holder.name === successor.name
    const blow = strike(stage, taken, ({ successor }) => {
      dead = successor
      successor.signal('agent', 'SIGKILL')
    })
    const { from, to } = await stage.endure({
      ...SURVIVED,
      resumes: 'anywhere',
      observeSeconds: LOWEST.ttl + 3,
      ...blow,
      repair: () => restart(dead!),
    })
    assert.ok(to.term >= from.term + 2)
    assert.notEqual(to.holder.name, dead!.name)
  })
})

const SURVIVED = {
  title: 'a death in a switchover',
  resumes: 'second',
  observeSeconds: 2,
  repair: async () => {},
} satisfies Omit<Fault, 'apply'>

/** Asks for a switchover, and strikes in the moment in which the record is as described. */
function strike(
  { term }: Stage,
  when: (record: TermRecord, parties: Parties) => boolean,
  blow: (parties: Parties) => unknown,
): Pick<Fault, 'apply'> {
  return {
    apply: async (cluster, leader) => {
      const successor = cluster.members.find(member => member !== leader)!
      const parties = { leader, successor }
      let cancel = () => {}
      const struck = new Promise<null>((resolve, reject) => {
        const matches = (record: TermRecord) => when(record, parties)
        cancel = term.once(matches, () => {
          Promise.resolve(parties)
            .then(blow)
            .then(() => resolve(null), reject)
        })
      })
      const body = { leader: leader.name, candidate: successor.name }
      const asked = leader.rest('/switchover', { method: 'POST', body, limitMs: REQUEST_LIMIT_MS }).then(
        ({ status, body: text }) => `${status} ${text}`,
        // Whoever answers may be the one that dies: what is judged is the cluster.
        () => null,
      )
      try {
        const refusal = await Promise.race([struck, asked.then(answer => answer ?? struck)])
        assert.equal(refusal, null, 'the switchover was answered before anybody was struck')
      } finally {
        cancel()
      }
    },
  }
}

function handoverIsRecorded({ state }: TermRecord): boolean {
  return state === 'handover'
}

/** The postmaster writes into its lock file what it is doing, and removes it when it is done. */
function stops(member: Member): boolean {
  try {
    return /^stopping/m.test(readFileSync(join(member.dataDirectory, 'postmaster.pid'), 'utf8'))
  } catch {
    return true
  }
}

async function restart(member: Member): Promise<void> {
  if (!member.agentAlive()) member.start()
}
