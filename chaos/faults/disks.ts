// Disks that are full, that stall, and that are slow; and clocks that jump.
import type { Disk } from '../../test/lab/disk.ts'
import type { Member } from '../../test/lab/member.ts'
import { processState } from '../../test/lab/processes.ts'
import { stepClock } from '../../test/lab/wall-clock.ts'
import { slowFsync } from '../hurt/slow-fsync.ts'
import type { World } from '../world.ts'
import { aroundTtl, type DrawnFault, type FaultKind, noParameters, victimOf } from './fault.ts'

const base = { secondsMin: 1, secondsMax: aroundTtl, draw: noParameters } as const
const DISK_PROGRAMS = ['fsfreeze', 'mkfs.ext4', 'mount'] as const
/** A frozen disk thaws by itself so long after it should have. */
const RESCUE_SECONDS = 10

export const DISK_FAULTS: readonly FaultKind[] = [
  {
    ...base,
    name: 'disk-full',
    about: "nothing is free on a member's disk",
    weight: 2,
    needs: DISK_PROGRAMS,
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const disk = diskOf(world, victim)
      disk.fill()
      // What is reserved already still takes writes; the next segment finds no room.
      await victim.query('SELECT pg_switch_wal()').catch(() => {})
      return { victims: [victim.name], detail: '', end: async () => disk.empty() }
    },
  },
  {
    ...base,
    name: 'disk-stall',
    about: "no write to a member's disk returns",
    weight: 2,
    needs: DISK_PROGRAMS,
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const disk = diskOf(world, victim)
      disk.freeze(fault.seconds + RESCUE_SECONDS)
      return {
        victims: [victim.name],
        detail: '',
        end: async () => {
          disk.thaw()
        },
      }
    },
  },
  {
    ...base,
    name: 'slow-fsync',
    about: 'each fsync of a PostgreSQL or of an etcd takes longer',
    weight: 2,
    needs: ['strace'],
    draw: random => ({ of: random.pick(['postgres', 'etcd']), delayMs: random.pick([20, 100, 500, 2000]) }),
    begin: beginSlowFsync,
  },
  {
    ...base,
    name: 'clock-step',
    about: "a member's time of day jumps",
    weight: 2,
    needs: ['gcc'],
    draw: random => ({ seconds: random.pick([-3600, -30, -3, 3, 30, 3600]) }),
    begin: async (world, fault) => {
      const victim = victimOf(world, fault)
      const seconds = Number(fault.parameters['seconds'])
      stepClock(victim.host, seconds)
      return { victims: [victim.name], detail: `${seconds} s`, end: async () => stepClock(victim.host, 0) }
    },
  },
]

function diskOf(world: World, member: Member): Disk {
  const disk = world.disks.get(member.host)
  if (!disk) throw new Error(`${member.name} has no disk of its own`)
  return disk
}

async function beginSlowFsync(world: World, fault: DrawnFault) {
  const victim = victimOf(world, fault)
  const delayMs = Number(fault.parameters['delayMs'])
  const of = String(fault.parameters['of'])
  const pids =
    of === 'etcd'
      ? [world.etcdOf(victim.host).pid()]
      : postgresProcesses(victim.pid('postmaster'), victim.host.processes())
  if (pids.length === 0) throw new Error(`no ${of} runs on ${victim.name}`)
  const end = slowFsync(pids, delayMs)
  return { victims: [victim.name], detail: `${of}, ${delayMs} ms`, end }
}

function postgresProcesses(postmaster: number | null, all: readonly number[]): readonly number[] {
  if (postmaster === null) return []
  return [postmaster, ...all.filter(pid => processState(pid)?.parent === postmaster)]
}
