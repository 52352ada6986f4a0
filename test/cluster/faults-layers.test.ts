// Members with everything that fences beside the guard's own kill: agents that are started as root, cgroup.kill, and the
// gate at the database port. And clocks of the day that jump under all of them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { FAULTS, type Fault } from '../lab/faults.ts'
import { continueAll } from '../lab/freezer.ts'
import { acknowledgedAfter, lastGrant } from '../lab/grant.ts'
import type { Member, Part } from '../lab/member.ts'
import { newestPostgres } from '../lab/postgres-programs.ts'
import { commandLine, processState, sendSignal } from '../lab/processes.ts'
import { serverName } from '../lab/record.ts'
import { monotonicNs, waitFor } from '../lab/wait.ts'
import { buildClock, clockedNode, clockedPostgres, createClock, stepClock } from '../lab/wall-clock.ts'
import { LOWEST, scene } from './failover-lab.ts'

const HOUR_SECONDS = 3600
const PARTS: readonly Part[] = ['agent', 'guard', 'postmaster']
const nothingToRepair = async () => {}

scene(
  'members with every layer, under clocks that jump',
  ({ play }) => {
    play('cgroup.kill and the gate are in force on every member, and status says so', async stage => {
      await stage.cluster.waitUntilWhole()
      for (const member of stage.cluster.members) {
        const { grade, layers, missing } = await fencingOf(member)
        assert.deepEqual([grade, missing], ['B', ['watchdog']], `${member.name}: ${layers.join(', ')}`)
        assert.notEqual(cgroupOf(member.pid('postmaster')!), cgroupOf(member.pid('guard')!))
        assert.equal(Number(statusLine(member.pid('agent')!, 'CapEff')), 0)
      }
    })

    play('agent and guard stopped together: nothing is acknowledged after the deadline', async stage => {
      const { term, writer } = stage
      const before = term.latest()!
      const faultNs = monotonicNs()
      const { victim, to } = await stage.endure(BOTH_STOPPED)
      const { deadlineNs } = lastGrant(term.revisions(), { term: before.term, holder: before.holder.name })
      const own = serverName(victim.server)
      assert.equal(acknowledgedAfter(writer.record(), own, faultNs, deadlineNs), 0)
      // They had something to lose: somebody was served after the watchers had been stopped.
      assert.ok(acknowledgedAfter(writer.record(), own, faultNs, faultNs) > 0)
      assert.notEqual(to.holder.name, victim.name)
    })

    play(
      'an agent that is killed and back in time goes on with the gate, and interrupts nobody',
      async stage => {
        const { verdict, from, to } = await stage.endure(FAULTS['agent-restarted'])
        assert.equal(verdict.errors, 0)
        assert.equal(to.term, from.term)
      },
    )

    play('a primary whose gate nobody can renew any more hands over before the port is shut', async stage => {
      const { victim, verdict, to } = await stage.endure(HELPERS_KILLED)
      assert.notEqual(to.holder.name, victim.name)
      assert.deepEqual(verdict.lost, [])
      assert.equal((await fencingOf(victim)).grade, 'B')
    })

    play('the time of day jumps by an hour, both ways, under agent, guard and PostgreSQL', async stage => {
      const { cluster, term, writer } = stage
      await cluster.waitUntilWhole()
      const [before, fromNs] = [term.latest()!, monotonicNs()]
      for (const member of cluster.members) for (const part of PARTS) assertShifted(member, part)
      for (const hours of [1, -1, 0]) {
        for (const { host } of cluster.members) stepClock(host, hours * HOUR_SECONDS)
        for (const member of cluster.members) await assertHours(member, hours)
        // Long enough for everything that counts a deadline to miss it.
        await sleep(LOWEST.ttl * 1000 + 2000)
      }
      // On one alone as well: it is then an hour ahead of the others.
      stepClock((await cluster.waitUntilWhole()).host, HOUR_SECONDS)
      await sleep(LOWEST.ttl * 1000 + 2000)
      const [after, untilNs] = [term.latest()!, monotonicNs()]
      assert.deepEqual([after.term, after.holder.install], [before.term, before.holder.install])
      await writer.waitForAcknowledgement({ afterNs: untilNs })
      const failed = writer.record().filter(({ kind, atNs }) => atNs > fromNs && kind !== 'acknowledged')
      assert.deepEqual(failed, [])
    })
  },
  {
    layers: 'full',
    prepareHosts: network => {
      buildClock(network.directory)
      for (const host of network.hosts) createClock(host)
    },
    binDirectory: network => clockedPostgres(network.directory, newestPostgres()),
    dress: (product, network) => ({
      ...product,
      prepare: host => {
        const [node, ...rest] = product.prepare(host)
        return [clockedNode(network.directory, host, node!), ...rest]
      },
    }),
  },
)

const BOTH_STOPPED: Fault = {
  title: 'agent and guard stopped',
  resumes: 'second',
  // Past the deadline, and what they do when they go on is seen too.
  observeSeconds: 3 * LOWEST.ttl,
  apply: async (_cluster, primary) => {
    const pids = [primary.signal('agent', 'SIGSTOP'), primary.signal('guard', 'SIGSTOP')]
    setTimeout(() => continueAll(primary.host, pids), 3 * LOWEST.ttl * 1000)
  },
  repair: nothingToRepair,
}

const HELPERS_KILLED: Fault = {
  title: 'helpers with the right to renew the gate killed',
  resumes: 'elsewhere',
  observeSeconds: 3,
  apply: async (_cluster, primary) => {
    const agent = primary.pid('agent')!
    const helpers = primary.host
      .processes()
      .filter(pid => processState(pid)?.parent === agent && commandLine(pid).at(-1)?.endsWith('/nft'))
    assert.equal(helpers.length, 2)
    for (const pid of helpers) sendSignal(pid, 'SIGKILL')
  },
  // As its service manager would: the agent has ended, since its port is shut for good.
  repair: async (_cluster, victim) => {
    await waitFor('the agent has ended', 30_000, () => !victim.agentAlive())
    victim.start()
  },
}

async function fencingOf(member: Member) {
  const { body } = await member.rest('/status')
  const { member: own } = JSON.parse(body) as {
    readonly member: {
      readonly fencing: {
        readonly grade: string
        readonly layers: readonly string[]
        readonly missing: readonly string[]
      }
    }
  }
  return own.fencing
}

function cgroupOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cgroup`, 'utf8').match(/^0::(.*)$/m)![1]!
}

function statusLine(pid: number, name: string): string {
  return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
}

/** It runs with the library that makes its time of day jump. */
function assertShifted(member: Member, part: Part): void {
  assert.match(readFileSync(`/proc/${member.pid(part)!}/maps`, 'utf8'), /\/clock\.so$/m)
}

/** What PostgreSQL and the agent say the time is; an HTTP server writes the same date for up to a second. */
async function assertHours(member: Member, hours: number): Promise<void> {
  const ahead = (time: number) => Math.round((time - Date.now()) / 1000 / HOUR_SECONDS)
  await waitFor(`${member.name} is ${hours} hours ahead`, 10_000, async () => {
    const [row] = await member.query<{ now: Date }>('SELECT clock_timestamp() AS now')
    const answer = await fetch(`${member.restUrl}/liveness`)
    return [row!.now.getTime(), Date.parse(answer.headers.get('date')!)].every(time => ahead(time) === hours)
  })
}
