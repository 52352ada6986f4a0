// What operators do: by the store, as the command line and REST do it, or by asking an agent.

import type { MemberRequest } from '../src/core/request.ts'
import { encodeConfig, encodeFailover } from '../src/stores/codec.ts'
import type { Fault } from './faults.ts'
import { KEYS } from './keys.ts'
import type { Host, World } from './world.ts'

export const switchover: Fault = {
  name: 'switchover asked for',
  begin: (world, host, random) => {
    const others = world.hosts.filter(other => other !== host)
    const member = random.chance(0.7) ? random.pick(others).name : null
    world.store.put(KEYS.failover, encodeFailover({ leader: host.name, member, scheduledAt: null }))
    return () => {}
  },
}

export const failover: Fault = {
  name: 'failover asked for',
  begin: (world, host, random) => {
    const others = world.hosts.filter(other => other !== host)
    world.store.put(
      KEYS.failover,
      encodeFailover({ leader: null, member: random.pick(others).name, scheduledAt: null }),
    )
    return () => {}
  },
}

export const maintenancePause: Fault = {
  name: 'maintenance pause',
  begin: world => {
    if (!configure(world, { pause: true })) return null
    return () => void configure(world, { pause: false })
  },
}

export const ttlChange: Fault = {
  name: 'ttl changed',
  begin: (world, _host, random) => (configure(world, { ttl: random.integer(7, 16) }) ? () => {} : null),
}

export const restartRequest: Fault = {
  name: 'restart asked for',
  begin: (_world, host, random) => ask(host, { kind: 'restart', id: random.hex(), onlyIfPending: false }),
}

export const reinitialiseRequest: Fault = {
  name: 'reinitialisation asked for',
  begin: (_world, host, random) =>
    ask(host, { kind: 'reinitialise', id: random.hex(), force: true, fromLeader: random.chance(0.5) }),
}

function ask(host: Host, request: MemberRequest) {
  if (!host.agent?.process.running()) return null
  void host.agent.handle.request(request)
  return () => {}
}

/** Merges into `/config`, as PATCH does. */
export function configure(world: World, change: Readonly<Record<string, unknown>>): boolean {
  const text = world.store.state.entry(KEYS.config)?.value
  if (text === undefined) return false
  world.store.put(KEYS.config, encodeConfig({ ...(JSON.parse(text) as object), ...change }))
  return true
}

/** `/config` says so now, and said so when a request was sent that is applied now. */
export function pauseConfigured({ store }: Pick<World, 'store'>, sentAt: number): boolean {
  const pauses = (text: string | undefined) =>
    text !== undefined && (JSON.parse(text) as { pause?: unknown }).pause === true
  return pauses(store.state.entry(KEYS.config)?.value) && pauses(store.putBy(KEYS.config, sentAt))
}

/** Sealed takeovers before the old deadline: on unless `/config` says no, and has said so for a moment. */
export function earlyAllowed({ store }: Pick<World, 'store'>): boolean {
  const text = store.state.entry(KEYS.config)?.value
  if (text === undefined) return true
  const { vigil } = JSON.parse(text) as { vigil?: { early_takeover?: unknown } }
  return vigil?.early_takeover !== false
}

export function clearRequests(world: World): void {
  world.store.put(KEYS.failover, encodeFailover(null))
}
