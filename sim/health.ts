// Phase two: every fault is taken back, and then there is one writable primary that everybody streams from.
import type { TermRecord } from '../src/core/term.ts'
import { reached } from '../src/kernel/time.ts'
import { decodeTerm } from '../src/stores/term-codec.ts'
import { KEYS } from './keys.ts'
import { clearRequests, configure } from './operators.ts'
import { NORMAL_PACE } from './postgres.ts'
import { healStore } from './store.ts'
import { contains, describeCopy, endOf } from './wal.ts'
import type { Host, World } from './world.ts'

/** A standby may be as many records behind: they are on their way. */
const RECORDS_BEHIND_MAX = 40

export function healEverything(world: World): void {
  world.network.heal()
  healStore(world.store.faults)
  configure(world, { pause: false })
  clearRequests(world)
  for (const host of world.hosts) {
    host.thaw()
    host.slowDiskMs = 0
    host.disk = 'fine'
    host.rewindFailure = 0
    host.killMs = Math.min(host.killMs, 100)
    Object.assign(host.postgres.pace, NORMAL_PACE)
    host.guard?.process.continue()
    host.agent?.process.continue()
    host.postgres.instance?.postmaster.continue()
    host.postgres.instance?.children.continue()
    host.powerOn()
    if (host.agent) host.agent.ending = false
    host.startAgent()
  }
}

/** null: everything works. `newcomer`: is not there yet. */
export function obstacleToHealth(world: World, newcomer: Host | null = null): string | null {
  const primaries = world.hosts.filter(({ postgres }) => {
    const { instance } = postgres
    return instance?.phase === 'primary' && instance.sessions && instance.children.running()
  })
  const [leader] = primaries
  if (!leader || primaries.length !== 1)
    return `${primaries.length} writable primaries; ${describeAll(world)}`
  const guard = leader.guard?.process.alive() ? leader.guard.state() : null
  const holds = guard?.mode === 'armed' && !reached(guard.deadline!, leader.clock.now())
  if (!holds) return `the guard of ${leader.name} holds no deadline; ${describeAll(world)}`
  const absent = world.hosts.find(host => host !== leader && host !== newcomer && !streams(host, leader))
  if (absent) return `${absent.name} does not stream from ${leader.name}; ${describeAll(world)}`
  const unkept = promiseNotKept(world, leader)
  return unkept ? `${unkept}; ${describeAll(world)}` : null
}

/** The mode that operators want is recorded and in force, and commits that wait are let go. */
function promiseNotKept(world: World, leader: Host): string | null {
  const { mode, strict, nodeCount } = wantedPromises(world)
  const rules = recordedRules(world)
  if (mode === 'off') return rules === null ? null : 'the record promises more than is wanted'
  const others = world.hosts.filter(host => host !== leader && host.local.tags['nosync'] !== true)
  if (others.length === 0) return null
  const [rule] = rules ?? []
  if (!rule || rules?.length !== 1 || rule.k === 0)
    return 'the rule of the record is not the one that is wanted'
  const { instance, directory } = leader.postgres
  if (!instance || !directory || (strict && others.length < nodeCount)) return null
  const waiting = endOf(directory.copy) - instance.commits.releasedTo
  return waiting > RECORDS_BEHIND_MAX * 168 ? 'commits wait' : null
}

/** null: commits wait for nobody, or there is no record that can be read. */
export function recordedRules(world: World): TermRecord['rules'] {
  const text = world.store.state.entry(KEYS.term)?.value
  const record = text === undefined ? null : decodeTerm(text)
  return record?.ok ? record.value.rules : null
}

/** By the configuration that the cluster has. */
export function wantedPromises(world: World) {
  const config = JSON.parse(world.store.state.entry(KEYS.config)?.value ?? '{}') as Record<string, unknown>
  return {
    mode: config['synchronous_mode'] ?? 'off',
    strict: config['synchronous_mode_strict'] === true,
    nodeCount: Number(config['synchronous_node_count'] ?? 1),
  }
}

function streams(host: Host, leader: Host): boolean {
  const { instance, directory } = host.postgres
  const copy = leader.postgres.directory?.copy
  if (!host.agent?.process.alive() || instance?.phase !== 'standby' || !directory || !copy) return false
  if (instance.receiver?.source !== leader.postgres || !instance.receiver.open) return false
  const near =
    directory.copy.branch === copy.branch && copy.count - directory.copy.count <= RECORDS_BEHIND_MAX
  return near && contains(copy, directory.copy) && instance.children.running()
}

function describeAll(world: World): string {
  return world.hosts.map(describe).join('; ')
}

function describe(host: Host): string {
  const { instance, directory } = host.postgres
  const latest = host.agent?.process.alive() ? host.agent.handle.latest() : null
  const rule = latest ? `${latest.decision.rule} ${JSON.stringify(latest.decision.because)}` : 'no agent'
  const copy = directory
    ? `${describeCopy(directory.copy)}${directory.marker ? ` ${directory.marker}` : ''}`
    : 'no data'
  return `${host.name}: ${rule}, ${instance && host.postgres.alive() ? instance.phase : 'nothing runs'}, ${copy}`
}
