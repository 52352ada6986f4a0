// The world of one scenario: its members, its store, and the checker that watches all of it.

import { type Checker, createChecker } from './checker.ts'
import { startClients } from './clients.ts'
import { createHost } from './host.ts'
import { createHostClock } from './host-clock.ts'
import { KEYS } from './keys.ts'
import { createLog } from './log.ts'
import { createNetwork } from './network.ts'
import { earlyAllowed, pauseConfigured } from './operators.ts'
import type { Random } from './random.ts'
import type { Scenario } from './scenario.ts'
import { createScheduler, type Scheduler } from './scheduler.ts'
import { createStore } from './store.ts'
import type { Host, World } from './world.ts'

export interface Built {
  readonly world: World
  readonly checker: Checker
}

export function buildWorld(scenario: Scenario, worldRandom: Random): Built {
  let report: (error: unknown) => void = () => {}
  const scheduler = createScheduler(error => report(error))
  const log = createLog(scheduler.now)
  const hosts: Host[] = []
  const look: { pause: (sentAt: number) => boolean; early: () => boolean } = {
    pause: () => false,
    early: () => false,
  }
  const checker = createChecker({
    scheduler,
    log,
    hosts,
    world: () => world,
    wanted: { pauseWanted: sentAt => look.pause(sentAt), earlyAllowed: () => look.early() },
  })
  report = error =>
    checker.report('bug', error instanceof Error ? (error.stack ?? error.message) : String(error))
  const network = createNetwork(scheduler, worldRandom, scenario.latency)
  const store = createStore({ scheduler, network, random: worldRandom })
  look.pause = sentAt => pauseConfigured({ store }, sentAt)
  look.early = () => earlyAllowed({ store })
  let branches = 0
  const find = (name: string) => hosts.find(host => host.name === name)
  const world: World = {
    scheduler,
    random: worldRandom,
    log,
    network,
    store,
    hosts,
    observe: checker,
    host: find,
    postgresAt: name => find(name)?.postgres,
    nextBranchId: () => ++branches,
    clients: (postgres, instance) => startClients(world, postgres, instance, scenario.habits),
    lingerLimitMs: name => lingerLimit(checker, find(name)!, scheduler),
  }
  store.onApplied(({ transaction, sentAt }) => {
    const compared = transaction.compare.find(({ key }) => key === KEYS.term)
    const base = compared && 'modRevision' in compared ? compared.modRevision : null
    for (const write of transaction.writes)
      if ('put' in write && write.put === KEYS.term) checker.termWritten(write.value, base, sentAt)
  })
  for (const [index, name] of scenario.members.entries())
    hosts.push(newHost(world, scenario, { name, index }))
  return { world, checker }
}

function newHost(world: World, scenario: Scenario, { name, index }: { name: string; index: number }): Host {
  const clock = createHostClock(world.scheduler.now, {
    rate: scenario.clockRates[index]!,
    bootOffset: world.random.between(1000, 1e7),
    wallOffset: world.random.between(-1e6, 1e6),
  })
  const host = createHost(world, {
    name,
    clock,
    local: { ttlFloorMs: 7000, postgresql: {}, tags: {} },
    mayBootstrap: true,
    bootstrapConfig: {
      ttl: scenario.ttlSeconds,
      loop_wait: 1,
      retry_timeout: 3,
      ...scenario.promises,
      postgresql: { use_pg_rewind: true, use_slots: true },
    },
  })
  host.killMs = scenario.killMs
  return host
}

/** Children of a dead guard's postmaster may live for 5 s: promised is only what a deadline that far away allows. */
function lingerLimit(checker: Checker, host: Host, scheduler: Scheduler): number {
  const armed = checker.facts.armed.get(host.name)
  if (!armed?.deadline) return Number.POSITIVE_INFINITY
  return Math.max(20, host.clock.reachedAt(armed.deadline) - scheduler.now())
}
