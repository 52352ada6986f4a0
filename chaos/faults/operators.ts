// What people do to a cluster, wisely or not.
import { join } from 'node:path'
import type { Member, RestAnswer } from '../../test/lab/member.ts'
import { newestPostgres } from '../../test/lab/postgres-programs.ts'
import { sendSignal } from '../../test/lab/processes.ts'
import type { World } from '../world.ts'
import { aroundTtl, type DrawnFault, type FaultKind, noParameters, othersThan, victimOf } from './fault.ts'

const base = { secondsMin: 1, secondsMax: aroundTtl, draw: noParameters } as const
const REQUEST_LIMIT_MS = 30_000
const SYNCHRONOUS = ['on', 'quorum'] as const

export const OPERATOR_FAULTS: readonly FaultKind[] = [
  {
    ...base,
    name: 'switchover',
    about: 'an operator asks for a switchover',
    weight: 3,
    begin: (world, fault) => {
      const leader = world.leader()
      const candidate = othersThan(world, leader)[fault.target % (world.cluster.members.length - 1)]!
      const body = { leader: leader.name, candidate: candidate.name }
      return request(leader, 'POST', '/switchover', body, `to ${candidate.name}`)
    },
  },
  {
    ...base,
    name: 'failover',
    about: 'an operator asks for a failover, whoever leads',
    weight: 2,
    begin: (world, fault) => {
      const candidate = othersThan(world, world.leader())[fault.target % (world.cluster.members.length - 1)]!
      return request(candidate, 'POST', '/failover', { candidate: candidate.name }, `to ${candidate.name}`)
    },
  },
  {
    ...base,
    name: 'restart',
    about: 'an operator restarts a PostgreSQL',
    weight: 2,
    begin: (world, fault) => request(victimOf(world, fault), 'POST', '/restart', {}, ''),
  },
  {
    ...base,
    name: 'reinitialize',
    about: 'an operator gives a standby a new copy',
    weight: 1,
    begin: (world, fault) => {
      const standby = othersThan(world, world.leader())[fault.target % (world.cluster.members.length - 1)]!
      return request(standby, 'POST', '/reinitialize', {}, '')
    },
  },
  {
    ...base,
    name: 'reload',
    about: 'an operator reloads a configuration',
    weight: 1,
    begin: (world, fault) => request(victimOf(world, fault), 'POST', '/reload', undefined, ''),
  },
  {
    ...base,
    name: 'pause',
    about: 'an operator pauses the automatic, and ends the pause',
    weight: 1,
    begin: world => edited(world, { pause: true }),
  },
  {
    ...base,
    name: 'edit-ttl',
    about: 'an operator changes the ttl, and takes it back',
    weight: 2,
    draw: random => ({ ttl: random.pick([7, 8, 10, 15, 20]) }),
    begin: (world, fault) => edited(world, { ttl: Number(fault.parameters['ttl']) }),
  },
  {
    ...base,
    name: 'edit-synchronous',
    about: 'an operator changes the number of synchronous standbys or the mode, and takes it back',
    weight: 2,
    modes: SYNCHRONOUS,
    draw: random => ({ key: random.pick(['nodes', 'mode', 'mode']) }),
    begin: (world, fault) => {
      if (fault.parameters['key'] === 'nodes') return edited(world, { synchronous_node_count: 2 })
      // From one synchronous mode to the other: nothing may be lost on the way either.
      return edited(world, { synchronous_mode: world.options.mode === 'on' ? 'quorum' : true })
    },
  },
  {
    ...base,
    name: 'promoted-by-hand',
    about: 'somebody promotes a standby with pg_promote',
    weight: 1,
    // Without a rule that it would have to wait for, nothing holds back what clients write to it.
    modes: SYNCHRONOUS,
    begin: async (world, fault) => {
      const standby = othersThan(world, world.leader())[fault.target % (world.cluster.members.length - 1)]!
      await standby.query('SELECT pg_promote(false)')
      return { victims: [standby.name], detail: '', end: async () => {} }
    },
  },
  {
    ...base,
    name: 'started-by-hand',
    about: 'agent, guard and PostgreSQL are killed, and somebody starts PostgreSQL without them',
    weight: 1,
    begin: startByHand,
  },
  {
    ...base,
    name: 'walsenders-terminated',
    about: 'somebody ends the connections of all standbys',
    weight: 2,
    begin: world =>
      onLeader(
        world,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'walsender'`,
      ),
  },
  {
    ...base,
    name: 'commits-cancelled',
    about: 'somebody cancels whatever clients are doing, also commits that wait for a standby',
    weight: 2,
    begin: world =>
      onLeader(
        world,
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      ),
  },
  {
    ...base,
    name: 'backends-terminated',
    about: 'somebody ends the sessions of all clients',
    weight: 1,
    begin: world =>
      onLeader(
        world,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      ),
  },
]

/** The answer is not waited for: it goes on while other faults happen, and is part of the report. */
async function request(member: Member, method: string, path: string, body: unknown, detail: string) {
  const answer = member
    .rest(path, { method, ...(body === undefined ? {} : { body }), limitMs: REQUEST_LIMIT_MS })
    .catch((error: unknown): RestAnswer => ({ status: 0, body: String(error) }))
  return {
    victims: [member.name],
    detail,
    end: async () => {
      const { status, body: text } = await answer
      return `${status} ${text.slice(0, 120)}`
    },
  }
}

/** A change of the cluster-wide configuration, taken back at the end. */
async function edited(world: World, change: Readonly<Record<string, unknown>>) {
  await patch(world, change)
  const original = { ttl: world.options.ttlSeconds, ...world.dynamic } as Readonly<Record<string, unknown>>
  const back = Object.fromEntries(Object.keys(change).map(key => [key, original[key] ?? null]))
  return { victims: [], detail: JSON.stringify(change), end: () => restore(world, back) }
}

async function patch(world: World, change: Readonly<Record<string, unknown>>): Promise<void> {
  let last: unknown = 'nobody was asked'
  for (const member of [world.leader(), ...othersThan(world, world.leader())]) {
    try {
      const answer = await member.rest('/config', { method: 'PATCH', body: change })
      if (answer.status === 200) return
      last = `${answer.status} ${answer.body}`
    } catch (error) {
      last = error
    }
  }
  throw new Error(`no member took the change: ${last}`)
}

const RESTORE_TRIES = 60

/** Whatever else is broken at that moment, a pause must not outlive its fault. */
async function restore(world: World, back: Readonly<Record<string, unknown>>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await patch(world, back)
    } catch (error) {
      if (attempt === RESTORE_TRIES) throw error
      await new Promise(resolve => setTimeout(resolve, 1000))
    }
  }
}

async function onLeader(world: World, sql: string) {
  const leader = world.leader()
  const rows = await leader.query(sql)
  return { victims: [leader.name], detail: `${rows.length} sessions`, end: async () => {} }
}

async function startByHand(world: World, fault: DrawnFault) {
  const victim = victimOf(world, fault)
  world.supervisor.expectEnd(victim)
  world.supervisor.hold(victim)
  for (const part of ['agent', 'guard', 'postmaster'] as const) {
    const pid = victim.pid(part)
    if (pid !== null) sendSignal(pid, 'SIGKILL')
  }
  victim.host.launch('by-hand', [join(newestPostgres(), 'postgres'), '-D', victim.dataDirectory])
  return {
    victims: [victim.name],
    detail: '',
    end: async () => world.supervisor.release(victim),
  }
}
