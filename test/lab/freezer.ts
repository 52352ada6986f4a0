// A whole member stands still: the kernel's freezer where it can be had, else SIGSTOP to every process, again and again
// until none runs.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from './host.ts'
import { processState, sendSignal } from './processes.ts'

type Frozen = Pick<Host, 'name' | 'processes'>

const FREEZER = '/sys/fs/cgroup/freezer'
const LOOKS = 20

export function freezeHost(host: Frozen): 'freezer' | 'signals' {
  const group = groupOf(host)
  if (group === null) {
    stopAll(host)
    return 'signals'
  }
  mkdirSync(group, { recursive: true })
  // Twice: what was forked while the first look went on.
  for (let look = 0; look < 2; look += 1) for (const pid of host.processes()) move(pid, group)
  writeFileSync(join(group, 'freezer.state'), 'FROZEN')
  return 'freezer'
}

/** Whether it stood still by the freezer. Signals are undone by `continueAll`. */
export function thawHost(host: Frozen): void {
  const group = groupOf(host)
  if (group === null || !existsSync(group)) return
  writeFileSync(join(group, 'freezer.state'), 'THAWED')
  for (let look = 0; look < LOOKS; look += 1) {
    const left = readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)
    if (left.length === 0) break
    for (const pid of left) move(Number(pid), FREEZER)
  }
  try {
    rmdirSync(group)
  } catch {
    // Somebody forked meanwhile; the next thaw takes it.
  }
}

/** Wakes processes that a signal has stopped: those, or all of the host. */
export function continueAll(host: Frozen, pids: readonly number[] = host.processes()): void {
  for (const pid of pids) if (processState(pid)?.state === 'T') sendSignal(pid, 'SIGCONT')
}

function groupOf(host: Frozen): string | null {
  return existsSync(FREEZER) ? join(FREEZER, `vigil-lab-${process.pid}-${host.name}`) : null
}

function move(pid: number, group: string): void {
  try {
    writeFileSync(join(group, 'cgroup.procs'), String(pid))
  } catch {
    // Gone by now.
  }
}

function stopAll(host: Frozen): void {
  for (let look = 0; look < LOOKS; look += 1) {
    const running = host.processes().filter(pid => !'TZX'.includes(processState(pid)?.state ?? 'X'))
    if (running.length === 0) return
    for (const pid of running) sendSignal(pid, 'SIGSTOP')
  }
}
