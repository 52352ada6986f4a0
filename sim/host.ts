// One machine: clocks, a disk, an agent, a guard, a PostgreSQL. What survives what is decided here.

import { startAgent } from '../src/agent/agent.ts'
import { freshMemory } from '../src/core/member-memory.ts'
import type { LocalSettings } from '../src/core/settings.ts'
import type { Me } from '../src/core/view.ts'
import type { Log } from '../src/ports/log.ts'
import { createLeaderStore } from '../src/stores/leader-store.ts'
import { openClock } from './agent-clock.ts'
import { openEngine } from './engine.ts'
import { openGuardPort } from './guard-port.ts'
import type { HostClock } from './host-clock.ts'
import { openJournal } from './journal.ts'
import { KEYS } from './keys.ts'
import { openPeers } from './peers.ts'
import { createPostgres } from './postgres.ts'
import { createProcess } from './process.ts'
import type { AgentRun, Host, World } from './world.ts'

export interface HostOptions {
  readonly name: string
  readonly clock: HostClock
  readonly local: LocalSettings
  readonly mayBootstrap: boolean
  readonly bootstrapConfig: Readonly<Record<string, unknown>>
}

const RESTART_AGENT_MS = 2000
const FAULT_REMEMBERED_MS = 40_000

export function createHost(world: World, options: HostOptions): Host {
  const { name, clock } = options
  const { scheduler, random, log } = world
  let state: 'up' | 'frozen' | 'off' = 'up'
  const frozen = () => state === 'frozen'
  const install = random.hex()
  const me = identity(options, install)
  const host: Host = {
    name,
    clock,
    postgres: createPostgres(world, name, frozen),
    guard: null,
    agent: null,
    memory: freshMemory(install, me.machine),
    local: options.local,
    killMs: 60,
    rewindFailure: 0,
    disksLost: 0,
    slowDiskMs: 0,
    disk: 'fine',
    lastStall: Number.NEGATIVE_INFINITY,
    clockFaultUntil: Number.NEGATIVE_INFINITY,
    lastFault: Number.NEGATIVE_INFINITY,
    diskDelayMs: () => (host.slowDiskMs === 0 ? 0 : random.next() * host.slowDiskMs),
    frozen,
    up: () => state !== 'off',
    startAgent: () => {
      if (state === 'off' || host.agent?.process.alive()) return
      host.agent = runAgent(world, host, me)
    },
    killAgent: () => host.agent?.process.kill(),
    freeze: kind => {
      if (state !== 'up') return
      state = 'frozen'
      if (kind !== 'processes') clock.stop(kind)
      if (kind === 'freeze') host.clockFaultUntil = Number.POSITIVE_INFINITY
    },
    thaw: () => {
      if (state !== 'frozen') return
      state = 'up'
      goOn(world, host)
    },
    powerOff: () => {
      if (state === 'off') return
      if (state === 'frozen') host.thaw()
      state = 'off'
      loseEverythingRunning(host)
    },
    powerOn: () => {
      if (state !== 'off') return
      state = 'up'
      clock.restart()
      log.line(name, 'machine starts')
      scheduler.after(random.between(200, 1500), () => host.startAgent())
    },
  }
  return host
}

function goOn({ scheduler }: World, host: Host): void {
  host.clock.go()
  host.lastStall = scheduler.now()
  if (host.clockFaultUntil === Number.POSITIVE_INFINITY)
    host.clockFaultUntil = scheduler.now() + FAULT_REMEMBERED_MS
  host.agent?.process.continue()
  host.guard?.process.continue()
  host.postgres.instance?.postmaster.continue()
  host.postgres.instance?.children.continue()
}

function loseEverythingRunning(host: Host): void {
  host.agent?.process.kill()
  host.guard?.process.kill()
  host.guard = null
  host.postgres.powerOff()
}

function identity(options: HostOptions, install: string): Me {
  const { name, mayBootstrap, bootstrapConfig, local } = options
  return {
    name,
    install,
    machine: `machine-${name}`,
    connUrl: `postgres://${name}:5432/postgres`,
    apiUrl: `http://${name}:8008/patroni`,
    version: '0.0.0',
    mayBootstrap,
    bootstrapConfig,
    tags: local.tags,
  }
}

function runAgent(world: World, host: Host, me: Me): AgentRun {
  const { scheduler, log } = world
  const process = createProcess(`agent of ${host.name}`, { scheduler, frozen: host.frozen })
  const guard = openGuardPort(world, host, process)
  const handle = startAgent(
    {
      clock: openClock(world, host.clock, process),
      store: createLeaderStore(world.store.open(process, host.name), KEYS),
      guard,
      engine: openEngine(world, host, process),
      peers: openPeers(world, host, process),
      journal: openJournal(world, host, process),
      log: openLog(world, host.name),
    },
    { me, local: () => host.local, reloadFiles: () => {} },
  )
  const run: AgentRun = { process, handle, ending: false }
  process.onDeath(() => guard.detach())
  void handle.ended.then(({ status, reason }) => {
    if (!process.alive()) return
    log.line(host.name, `agent ends with ${status}: ${reason}`)
    process.kill()
    // What starts a service again would do so here.
    if (!run.ending) scheduler.after(RESTART_AGENT_MS, () => host.agent === run && host.startAgent())
  })
  return run
}

function openLog(world: World, name: string): Log {
  const write = (level: string) => (message: string, fields?: object) => {
    world.log.line(name, `${level} ${message}${fields ? ` ${json(fields)}` : ''}`)
    if (level === 'error') world.observe.report('bug', `${name}: ${message} ${fields ? json(fields) : ''}`)
  }
  return { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') }
}

function json(fields: object): string {
  return JSON.stringify(fields, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}
