// Processes of this machine, read from /proc: who lives, whose child, which belong to a directory or a namespace.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'

export interface ProcessState {
  readonly pid: number
  readonly parent: number
  /** `R`, `S`, `D`, `T`, `Z`, ... */
  readonly state: string
  /** Clock ticks after boot: with the pid it identifies a process for ever. */
  readonly startedAt: number
  readonly command: string
}

/** null when there is no such process. A zombie is still there, with state `Z`. */
export function processState(pid: number): ProcessState | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name stands in parentheses and may itself hold some.
    const end = text.lastIndexOf(')')
    const fields = text.slice(end + 2).split(' ')
    return {
      pid,
      command: text.slice(text.indexOf('(') + 1, end),
      state: fields[0]!,
      parent: Number(fields[1]),
      startedAt: Number(fields[19]),
    }
  } catch {
    return null
  }
}

export function isAlive(pid: number): boolean {
  const state = processState(pid)?.state
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Arguments of a process, empty when it is gone. */
export function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
  } catch {
    return []
  }
}

export function allProcesses(): readonly number[] {
  return readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? [Number(name)] : []))
}

/** Processes that work in `directory` or below, even after it was deleted. PostgreSQL's work in their data directory. */
export function processesIn(directory: string): readonly number[] {
  const within = (path: string) =>
    path === directory || path.startsWith(`${directory}/`) || path === `${directory} (deleted)`
  return allProcesses().filter(pid => pid !== process.pid && within(linkOf(`/proc/${pid}/cwd`)))
}

/** Processes whose network is the named namespace. */
export function processesInNamespace(namespaceFile: string): readonly number[] {
  let wanted: string
  try {
    wanted = `net:[${statSync(namespaceFile).ino}]`
  } catch {
    return []
  }
  return allProcesses().filter(pid => linkOf(`/proc/${pid}/ns/net`) === wanted)
}

/** Kills with SIGKILL until a look finds none: what forks meanwhile is met by the next look. Waits for the kernel, not for luck. */
export function killAll(find: () => readonly number[], limitMs = 5000): void {
  const until = performance.now() + limitMs
  for (;;) {
    const left = find().filter(isAlive)
    if (left.length === 0) return
    for (const pid of left) sendSignal(pid, 'SIGKILL')
    if (performance.now() > until)
      throw new Error(`processes ${left.join(', ')} did not die within ${limitMs} ms`)
    pauseSync(5)
  }
}

/** False when the process was gone already. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

export interface Memory {
  /** Shared pages count by share: the sum over all processes is what the machine uses. */
  readonly proportionalBytes: number
  /** What ends with the process. */
  readonly privateBytes: number
}

/** null when the process is gone or not ours to read. */
export function memoryOf(pid: number): Memory | null {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)
    const privateBytes = (kilobytes('Private_Clean') + kilobytes('Private_Dirty')) * 1024
    return { proportionalBytes: kilobytes('Pss') * 1024, privateBytes }
  } catch {
    return null
  }
}

/** Processor time used so far, in seconds. */
export function processorSeconds(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const TICKS_PER_SECOND = 100
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return null
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function pauseSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
