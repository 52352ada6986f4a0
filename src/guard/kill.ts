// Kills every process of an instance and says whether anything of it can still act. Touches no disk, starts no process.
import { type InstanceCgroup, killInstanceCgroup } from './cgroup.ts'
import {
  canAct,
  childrenOf,
  descendants,
  identify,
  type ProcessIdentity,
  processesIn,
  processesStartedWith,
  readStat,
  send,
  stillThere,
  worksIn,
} from './processes.ts'

/** A fork under way may add a child after a look; a stopped postmaster cannot begin another. */
const SWEEPS_MAX = 50
const CONFIRM_ROUNDS = 40
const CONFIRM_PAUSE_MS = 1

export interface Instance {
  /** Absolute and without symbolic links, as the kernel names the processes' working directory. */
  readonly dataDirectory: string
  readonly postmaster: ProcessIdentity | null
  /** Seen while the postmaster lived: found again after its death even if their directory can't be read. */
  readonly knownChildren: readonly ProcessIdentity[]
  /** null: not known to whoever kills. Where it is not in force it does nothing. */
  readonly cgroup: InstanceCgroup | null
}

/** True while something may still act; then call it again soon. */
export function killInstance(instance: Instance): boolean {
  // One write for everything that is in it. What follows then only meets what is not in it, and looks whether it is over.
  instance.cgroup?.kill()
  const postmaster = instance.postmaster && stillThere(instance.postmaster) ? instance.postmaster.pid : null
  // Stopped first: it can't fork any more, and its children stay its children while we look.
  if (postmaster !== null) send(postmaster, 'SIGSTOP')
  const killed = new Set<number>()
  sweepChildren(postmaster, killed)
  killOrphans(instance, killed)
  if (postmaster !== null) kill(postmaster, killed)
  return confirm(instance, killed)
}

/**
 * The agent's own way to fence when the guard does not answer (stopped, dead): the same kill, by the same code.
 * Blocks the caller for some milliseconds; nothing is more urgent then.
 */
export function killInstanceWithoutGuard(dataDirectory: string, postmaster: number | null): boolean {
  killInstanceCgroup(dataDirectory)
  const known = postmaster !== null && worksIn(postmaster, dataDirectory) ? identify(postmaster) : null
  return killInstance({ dataDirectory, postmaster: known, knownChildren: [], cgroup: null })
}

/** Ends the guard of this member, which is stopped or hung: found by what it was started with. */
export function killGuard(stateDirectory: string): void {
  for (const pid of processesStartedWith('--state', stateDirectory)) send(pid, 'SIGKILL')
}

/** Whether anything of the instance can act; kills nothing. */
export function instanceAlive(instance: Instance): boolean {
  const { postmaster, dataDirectory, knownChildren } = instance
  if (postmaster !== null && stillThere(postmaster) && canAct(postmaster.pid)) return true
  const known = knownChildren.filter(stillThere).map(child => child.pid)
  return [...known, ...(instance.cgroup?.processes() ?? []), ...processesIn(dataDirectory)].some(canAct)
}

function sweepChildren(postmaster: number | null, killed: Set<number>): void {
  if (postmaster === null) return
  for (let round = 0; round < SWEEPS_MAX; round++) {
    const found = childrenOf(postmaster).filter(pid => !killed.has(pid))
    // All stopped first: that is quick, ends their work, and leaves the processor to us.
    for (const pid of found) send(pid, 'SIGSTOP')
    for (const pid of found) killFamily(pid, killed)
    if (found.length === 0 && !mayFork(postmaster)) return
  }
}

/** Looked at before it is killed: a backend's own children are lost from sight once it is dead. */
function killFamily(pid: number, killed: Set<number>): void {
  const family = descendants(pid)
  kill(pid, killed)
  for (const member of family) kill(member, killed)
}

/** A stop signal takes effect when the process next returns to user code. */
function mayFork(pid: number): boolean {
  const state = readStat(pid)?.state
  return state === 'R' || state === 'S'
}

/** Children of a postmaster that is gone: by the directory they work in, or remembered. */
function killOrphans({ dataDirectory, knownChildren }: Instance, killed: Set<number>): void {
  const remembered = knownChildren.filter(stillThere).map(child => child.pid)
  const orphans = [...processesIn(dataDirectory), ...remembered]
  for (const pid of orphans) send(pid, 'SIGSTOP')
  for (const pid of orphans) {
    if (!killed.has(pid)) killFamily(pid, killed)
  }
}

function kill(pid: number, killed: Set<number>): void {
  send(pid, 'SIGKILL')
  killed.add(pid)
}

/** SIGKILL is on its way to all of them; usually they are gone within a millisecond or two. */
function confirm(instance: Instance, killed: Set<number>): boolean {
  let suspects = [...killed]
  for (let round = 0; round < CONFIRM_ROUNDS; round++) {
    suspects = suspects.filter(canAct)
    if (suspects.length === 0) {
      suspects = [...(instance.cgroup?.processes() ?? []), ...processesIn(instance.dataDirectory)].filter(
        canAct,
      )
      if (suspects.length === 0) return false
      for (const pid of suspects) kill(pid, killed)
    }
    pause(CONFIRM_PAUSE_MS)
  }
  return true
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

function pause(ms: number): void {
  Atomics.wait(sleeper, 0, 0, ms)
}
