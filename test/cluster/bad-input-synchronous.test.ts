// Synchronous members with something wrong: renamed, or asked for more copies than there are. Nothing may be lost by it.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { AcknowledgementRule } from '../../src/core/term.ts'
import { waitFor } from '../lab/wait.ts'
import { type BadInputLab, LIMIT_MS, openLab, passed, type Seat, waitForWarning } from './bad-input-lab.ts'

const TERM = '/service/lab/vigil/term'

let lab: BadInputLab
let amber: Seat
let birch: Seat
let failed = false

before(async () => {
  lab = openLab(['amber', 'birch'], {
    dynamic: { synchronous_mode: 'quorum', synchronous_mode_strict: true },
  })
  amber = lab.seat('amber')
  birch = lab.seat('birch')
  lab.etcd.startAll()
  await lab.etcd.waitUntilHealthy()
  start(amber)
  await waitFor('amber is primary', LIMIT_MS, () => amber.member.writable())
  birch.write()
  start(birch)
  await settled(amber, 'birch')
  await amber.member.query('CREATE TABLE kept (n int)')
})
afterEach(context => {
  failed ||= !passed(context)
})
after(() => lab.close(failed))

async function record(): Promise<{
  readonly term: number
  readonly state: string
  readonly holder: { readonly name: string }
  readonly rules: readonly AcknowledgementRule[] | null
}> {
  return JSON.parse((await lab.etcd.list(TERM)).get(TERM) ?? 'null')
}

async function namesOf(seat: Seat): Promise<string> {
  const rows = await seat.member.query<{ names: string }>(
    `SELECT current_setting('synchronous_standby_names') AS names`,
  )
  return rows[0]?.names ?? ''
}

/** One copy is recorded, and PostgreSQL waits for the member of that name alone. Returns the copy. */
async function settled(leader: Seat, name: string): Promise<string> {
  return waitFor(`commits of ${leader.name} wait for ${name}`, LIMIT_MS, async () => {
    const { state, rules } = await record()
    if (state !== 'serving' || rules?.length !== 1 || rules[0]!.seats.length !== 1) return null
    return (await namesOf(leader)) === `ANY 1 ("${name}")` ? rules[0]!.seats[0]! : null
  })
}

async function rowsOf(seat: Seat): Promise<readonly number[]> {
  const rows = await seat.member.query<{ n: number }>('SELECT n FROM kept ORDER BY n')
  return rows.map(({ n }) => n)
}

async function configure(count: number | null): Promise<void> {
  const body = { synchronous_node_count: count }
  const answer = await amber.member.rest('/config', { method: 'PATCH', body })
  assert.equal(answer.status, 200, answer.body)
}

/** Each begins where the one before it ended. */
function step(name: string, act: () => Promise<void>): void {
  test(name, { timeout: 200_000 }, async context => {
    if (failed) return context.skip('an earlier test failed')
    await act()
  })
}

const agents = new Map<Seat, ReturnType<Seat['start']>>()

function start(seat: Seat): void {
  agents.set(seat, seat.start())
}

/** In order, as an operator does it. */
async function stop(seat: Seat): Promise<void> {
  const agent = agents.get(seat)!
  agent.signal('SIGTERM')
  await waitFor(`the agent of ${seat.name} has ended`, LIMIT_MS, () => !agent.alive())
}

step(
  'more standbys are asked for than there are: an alarm, and a strict cluster acknowledges nothing',
  async () => {
    await configure(5)
    console.log(`message: ${await waitForWarning(amber, /wait for 5 standbys and there are 1/)}`)
    await waitFor('commits wait', LIMIT_MS, async () => /^ANY (5|200) /.test(await namesOf(amber)))
    // Not refused either: it waits, and whoever gives up has no acknowledgement.
    await assert.rejects(amber.member.query('CREATE TABLE unanswered ()', [], 3000))
    await configure(null)
    await settled(amber, 'birch')
    await amber.member.query('INSERT INTO kept VALUES (1)', [], LIMIT_MS)
  },
)

step(
  'a standby that is renamed keeps its place in the rule under its new name, and what it has',
  async () => {
    const copy = await settled(amber, 'birch')
    const { term } = await record()
    await stop(birch)
    birch.write({ name: 'cedar' })
    start(birch)
    assert.equal(await settled(amber, 'cedar'), copy)
    await amber.member.query('INSERT INTO kept VALUES (2)', [], LIMIT_MS)
    assert.deepEqual(await rowsOf(birch), [1, 2])
    assert.equal((await record()).term, term)
    await waitFor('the old name is gone', LIMIT_MS, async () => {
      const keys = [...(await lab.etcd.list('/service/lab/members/')).keys()]
      return (
        keys
          .map(key => key.split('/').at(-1))
          .sort()
          .join() === 'amber,cedar'
      )
    })
    assert.equal(await settled(amber, 'cedar'), copy)
  },
)

step('the slot that was left under the old name is pointed at', async () => {
  console.log(`message: ${await waitForWarning(amber, /slot birch/)}`)
})

step('a leader that is renamed comes back as a standby under its new name, and nothing is lost', async () => {
  await settled(amber, 'cedar')
  await stop(amber)
  await waitFor('cedar leads', LIMIT_MS, async () => (await record()).holder.name === 'cedar')
  amber.write({ name: 'ash' })
  start(amber)
  await settled(birch, 'ash')
  await birch.member.query('INSERT INTO kept VALUES (3)', [], LIMIT_MS)
  assert.deepEqual(await rowsOf(amber), [1, 2, 3])
})
