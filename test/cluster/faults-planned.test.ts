// What operators ask for: switchover, restarts, a new copy, a maintenance pause.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { FAULTS, type Fault } from '../lab/faults.ts'
import type { Member } from '../lab/member.ts'
import { waitFor } from '../lab/wait.ts'
import { LOWEST, type Stage, scene, seatOf } from './failover-lab.ts'

const REQUEST_LIMIT_MS = 60_000

scene('operations', ({ play }) => {
  play('a switchover loses no acknowledged row, and the old primary follows as it is', async stage => {
    let seat = ''
    const { victim, to, verdict } = await stage.endure({
      ...FAULTS.switchover,
      apply: async (cluster, primary) => {
        seat = seatOf(primary)
        await FAULTS.switchover.apply(cluster, primary)
      },
    })
    assert.notEqual(to.holder.name, victim.name)
    assert.deepEqual(verdict.lost, [])
    assert.equal(seatOf(victim), seat)
  })

  play('every member is restarted over REST, and the leader stays the leader', async stage => {
    const { cluster } = stage
    const before = await postmasters(stage)
    const primary = await cluster.waitForPrimary()
    for (const standby of cluster.members.filter(member => member !== primary)) {
      await ask(standby, '/restart', 'POST', 200)
      await cluster.waitUntilWhole()
    }
    const { from, to, verdict } = await stage.endure(RESTARTED)
    assert.equal(to.holder.install, from.holder.install)
    assert.deepEqual(verdict.lost, [])
    const after = await postmasters(stage)
    for (const [index, started] of after.entries()) assert.notEqual(started, before[index])
  })

  play('a standby gets a new copy when asked, and streams again', async stage => {
    const primary = await stage.cluster.waitUntilWhole()
    const standby = stage.cluster.members.find(member => member !== primary)!
    const seat = seatOf(standby)
    await ask(standby, '/reinitialize', 'POST', 200)
    await waitFor(`${standby.name} has another copy`, 60_000, () => seatOf(standby) !== seat)
    assert.equal(await stage.cluster.waitUntilWhole(), primary)
  })

  play('in a maintenance pause a dead primary stays dead; afterwards it comes back', async stage => {
    const { from, to } = await stage.endure({
      ...KILLED_IN_PAUSE,
      apply: (_, primary) => killInPause(stage, primary),
    })
    assert.equal(to.state, 'serving')
    assert.ok(to.term > from.term)
    assert.equal(to.holder.install, from.holder.install)
  })
})

const RESTARTED: Fault = {
  title: 'primary restarted',
  resumes: 'anywhere',
  observeSeconds: 1,
  apply: async (_cluster, primary) => {
    await ask(primary, '/restart', 'POST', 200)
  },
  repair: async () => {},
}

const KILLED_IN_PAUSE = {
  title: 'postmaster killed in a maintenance pause',
  resumes: 'anywhere',
  observeSeconds: 1,
  repair: async () => {},
} satisfies Omit<Fault, 'apply'>

/** Kills the primary in a pause, looks on for longer than any deadline, and ends the pause. */
async function killInPause({ cluster, term }: Stage, primary: Member): Promise<void> {
  await ask(primary, '/config', 'PATCH', 200, { pause: true })
  const paused = await term.waitFor('the pause is recorded', ({ state }) => state === 'paused')
  primary.signal('postmaster', 'SIGKILL')
  await waitFor('nobody accepts writes', 15_000, async () => (await cluster.primary()) === null)
  const until = performance.now() + (LOWEST.ttl + 3) * 1000
  while (performance.now() < until) {
    for (const member of cluster.members)
      assert.equal(await member.writable(), false, `${member.name} accepts writes`)
    assert.equal(term.latest()?.term, paused.term)
    await sleep(200)
  }
  await ask(primary, '/config', 'PATCH', 200, { pause: null })
}

async function ask(
  member: Member,
  path: string,
  method: string,
  status: number,
  body?: unknown,
): Promise<void> {
  const answer = await member.rest(path, { method, body, limitMs: REQUEST_LIMIT_MS })
  assert.equal(answer.status, status, answer.body)
}

/** When each member's PostgreSQL was started. */
function postmasters({ cluster }: Stage): Promise<readonly string[]> {
  return Promise.all(
    cluster.members.map(async member => {
      const [row] = await member.query<{ started: string }>(
        'SELECT pg_postmaster_start_time()::text AS started',
      )
      return row!.started
    }),
  )
}
