// Processes as /proc shows them: who is whose child, what belongs to a data directory, who can still act.
// Synchronous on purpose: /proc is memory, and nothing may come between a look and the signal that follows it.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Exiting, or killed by a signal: such a task never returns to user code. From the kernel's PF_ flags. */
const LEAVING_FLAGS = 0x4 | 0x400
const SIGKILL_BIT = 1n << 8n

interface ProcessStat {
  readonly name: string
  readonly state: string
  readonly parent: number
  readonly flags: number
  /** In clock ticks since boot. */
  readonly startedAt: string
}

/** One process for ever: a pid alone may be given to another. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string
}

/** null: there is no such process. */
export function identify(pid: number): ProcessIdentity | null {
  const stat = readStat(pid)
  return stat && { pid, startedAt: stat.startedAt }
}

/** Zombies are there too. */
export function stillThere({ pid, startedAt }: ProcessIdentity): boolean {
  return readStat(pid)?.startedAt === startedAt
}

/** null: there is no such process. */
export function readStat(pid: number): ProcessStat | null {
  const text = readProc(`${pid}/stat`)
  if (text === null) return null
  // The name may contain anything, also parentheses and spaces.
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  const fields = text.slice(close + 2).split(' ')
  return {
    name: text.slice(open + 1, close),
    state: fields[0]!,
    parent: Number(fields[1]),
    flags: Number(fields[6]),
    startedAt: fields[19]!,
  }
}

/**
 * Whether a process may still run code of its own. A zombie may not, nor one that holds a pending SIGKILL: it never
 * returns from the kernel, even if the kernel waits for a disk.
 */
export function canAct(pid: number): boolean {
  const stat = readStat(pid)
  if (stat === null || stat.state === 'Z' || stat.state === 'X') return false
  if ((stat.flags & LEAVING_FLAGS) !== 0) return false
  const status = readProc(`${pid}/status`)
  if (status === null) return false
  return !pending(status, 'SigPnd') && !pending(status, 'ShdPnd')
}

function pending(status: string, field: string): boolean {
  const mask = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1]
  return mask !== undefined && (BigInt(`0x${mask}`) & SIGKILL_BIT) !== 0n
}

/** Children, their children and so on; not `pid` itself. */
export function descendants(pid: number): number[] {
  const found: number[] = []
  const open = [pid]
  while (open.length > 0) {
    const children = childrenOf(open.pop()!)
    found.push(...children)
    open.push(...children)
  }
  return found
}

export function childrenOf(pid: number): number[] {
  const text = readProc(`${pid}/task/${pid}/children`)
  if (text !== null) return text.split(' ').filter(Boolean).map(Number)
  // Kernels without that file; also taken for a process that has just gone, which is harmless.
  return readStat(pid) === null ? [] : allProcesses().filter(other => readStat(other)?.parent === pid)
}

/** PostgreSQL processes that work in this data directory, whoever their parent is. */
export function processesIn(dataDirectory: string): number[] {
  return allProcesses().filter(pid => worksIn(pid, dataDirectory))
}

/** A shell that somebody left in the directory is none: the program's name counts too. */
export function worksIn(pid: number, dataDirectory: string): boolean {
  const name = readProc(`${pid}/comm`)?.trim()
  if (name !== 'postgres' && name !== 'postmaster') return false
  return workingDirectory(pid) === dataDirectory
}

/** A process that certainly does not work in this directory (any more): a zombie, or one that works elsewhere. */
export function worksElsewhere(pid: number, dataDirectory: string): boolean {
  const state = readStat(pid)?.state
  if (state === 'Z' || state === 'X') return true
  const directory = workingDirectory(pid)
  return directory !== null && directory !== dataDirectory
}

/** Processes with these two arguments beside each other. */
export function processesStartedWith(option: string, value: string): number[] {
  return allProcesses().filter(pid => readProc(`${pid}/cmdline`)?.includes(`\0${option}\0${value}\0`))
}

function workingDirectory(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && pid > 0)
}

/** Sends a signal; false if there is no such process (any more) or it is not ours to signal. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

function readProc(path: string): string | null {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return null
  }
}
