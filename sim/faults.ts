// Faults of one machine: its processes, its disk, its clocks, its power. Each returns how it is taken back.

import { NORMAL_PACE } from './postgres.ts'
import type { Random } from './random.ts'
import type { Host, World } from './world.ts'

export type Undo = () => void

/** Something that is done to a member. null: not possible now. */
export interface Fault {
  readonly name: string
  begin(world: World, host: Host, random: Random): Undo | null
}

const nothing: Undo = () => {}

/** Guard and agent both stopped is a hole that only other layers close (reliability 3.3 row 6): never together. */
function unstopGuard(host: Host): void {
  host.guard?.process.continue()
  host.lastStall = Number.MAX_SAFE_INTEGER
}

function settleStall(world: World, host: Host): void {
  host.lastStall = world.scheduler.now()
}

/** With the agent dead, and the guard too, a stopped postmaster would not even get the signal. */
function wakePostgres(host: Host): void {
  host.postgres.instance?.postmaster.continue()
  host.postgres.instance?.children.continue()
}

export const agentKill: Fault = {
  name: 'agent killed',
  begin: (world, host) => {
    if (!host.agent?.process.alive()) return null
    unstopGuard(host)
    settleStall(world, host)
    host.killAgent()
    return () => host.startAgent()
  },
}

export const agentStop: Fault = {
  name: 'agent stopped',
  begin: (world, host) => {
    const run = host.agent
    if (!run?.process.alive()) return null
    unstopGuard(host)
    settleStall(world, host)
    run.process.stop()
    return () => run.process.continue()
  },
}

export const agentUpgrade: Fault = {
  name: 'agent upgraded',
  begin: (_world, host) => endAgent(host, 'leave'),
}

export const agentShutdown: Fault = {
  name: 'member stopped by an operator',
  begin: (_world, host) => endAgent(host, 'stop'),
}

function endAgent(host: Host, how: 'stop' | 'leave'): Undo | null {
  const run = host.agent
  if (!run?.process.running()) return null
  run.ending = true
  run.handle.end(how)
  return () => {
    if (run.process.alive()) run.process.kill()
    host.startAgent()
  }
}

export const guardKill: Fault = {
  name: 'guard killed',
  begin: (_world, host) => {
    if (!host.guard?.process.alive()) return null
    if (!host.agent?.process.running()) wakePostgres(host)
    host.guard.process.kill()
    return nothing
  },
}

export const guardStop: Fault = {
  name: 'guard stopped',
  begin: (world, host) => {
    const { guard, agent } = host
    // An agent that has not heard of it yet knows no deadline: as good as both (seed 34347 of eb0bb3d).
    const watched = agent?.process.running() && agent.handle.latest()?.view.guard
    if (!guard?.process.running() || !watched) return null
    guard.process.stop()
    return () => {
      guard.process.continue()
      settleStall(world, host)
    }
  },
}

/** It gets a turn now and then only: what comes meanwhile waits, and comes in any order. */
export const guardStarved: Fault = {
  name: 'guard starved',
  begin: (world, host, random) => {
    const guard = host.guard
    if (!guard?.process.running()) return null
    let over = false
    const stall = () => {
      if (over || !guard.process.alive()) return
      guard.process.stop()
      world.scheduler.after(random.between(120, 300), () => {
        guard.process.continue()
        settleStall(world, host)
        world.scheduler.after(random.between(5, 60), stall)
      })
    }
    stall()
    return () => {
      over = true
    }
  },
}

export const bothKill: Fault = {
  name: 'agent and guard killed',
  begin: (_world, host) => {
    if (!host.guard?.process.alive()) return null
    wakePostgres(host)
    host.killAgent()
    host.guard.process.kill()
    return () => host.startAgent()
  },
}

export const postmasterKill: Fault = {
  name: 'postmaster killed',
  begin: (_world, host) => {
    if (!host.postgres.instance?.postmaster.alive()) return null
    host.postgres.killPostmaster()
    return nothing
  },
}

export const postmasterStop: Fault = {
  name: 'postmaster stopped',
  begin: (_world, host) => {
    const instance = host.postgres.instance
    if (!instance?.postmaster.running() || !host.agent?.process.running()) return null
    instance.postmaster.stop()
    return () => instance.postmaster.continue()
  },
}

export const postgresHang: Fault = {
  name: 'PostgreSQL hangs',
  begin: (_world, host) => {
    const instance = host.postgres.instance
    if (!instance?.postmaster.running() || !host.agent?.process.running()) return null
    instance.postmaster.stop()
    instance.children.stop()
    return () => {
      instance.postmaster.continue()
      instance.children.continue()
    }
  },
}

export const slowPostgres: Fault = {
  name: 'PostgreSQL is slow',
  begin: (_world, host, random) => {
    Object.assign(host.postgres.pace, {
      stopMs: random.between(500, 12_000),
      recoveryMs: random.between(500, 6000),
      promotionMs: random.between(100, 3000),
      lagMs: random.between(20, 3000),
    })
    return () => void Object.assign(host.postgres.pace, NORMAL_PACE)
  },
}

export const slowDisk: Fault = {
  name: 'slow disk',
  begin: (_world, host, random) => {
    host.slowDiskMs = random.between(100, 1500)
    return () => {
      host.slowDiskMs = 0
    }
  },
}

export const slowKill: Fault = {
  name: 'processes die slowly',
  begin: (_world, host, random) => {
    const before = host.killMs
    host.killMs = random.between(200, 700)
    return () => {
      host.killMs = before
    }
  },
}

export const rewindBreaks: Fault = {
  name: 'rewinds break off',
  begin: (_world, host) => {
    host.rewindFailure = 0.9
    return () => {
      host.rewindFailure = 0
    }
  },
}

export const powerLoss: Fault = {
  name: 'machine off',
  begin: (_world, host) => {
    if (!host.up()) return null
    host.powerOff()
    return () => host.powerOn()
  },
}

export const freeze = (kind: 'processes' | 'suspend' | 'freeze'): Fault => ({
  name: `machine stands still (${kind})`,
  begin: (_world, host) => {
    if (!host.up() || host.frozen()) return null
    host.freeze(kind)
    return () => host.thaw()
  },
})

export const wallJump: Fault = {
  name: 'wall clock jumps',
  begin: (_world, host, random) => {
    host.clock.jumpWall(random.between(-3_600_000, 3_600_000))
    return nothing
  },
}

export const promotedByHand: Fault = {
  name: 'promoted by hand',
  begin: (world, host) => {
    const { directory, instance } = host.postgres
    // Whoever streams from it would go with it, and only an operator gets a cluster back that has no other copy.
    const followed = world.hosts.some(
      ({ postgres }) => postgres.directory?.configuration.upstream?.name === host.name,
    )
    const led = world.hosts.some(({ postgres }) => postgres.instance?.sessions)
    if (!directory || followed || !led || instance?.phase !== 'standby' || !host.agent?.process.running())
      return null
    directory.promoteFile = true
    host.postgres.promoteIfAsked()
    return nothing
  },
}
