// Executes the postmaster as a child that the kernel stops when this process dies, and keeps what it prints.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { StartCommand } from '../ports/guard.ts'
import type { BoundedLog } from './bounded-log.ts'
import type { Owner } from './data-files.ts'

const OUTPUT_KEPT = 2048
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv', '/usr/local/bin/setpriv']
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Would change what a child of ours is, without anybody having asked for it in its configuration. */
const DROPPED = /^(NODE_.*|LD_PRELOAD|LD_AUDIT|BASH_ENV|ENV)$/

export interface PostmasterEnd {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
}

/** null: not installed. */
export function findSetpriv(): string | null {
  return SETPRIV.find(path => existsSync(path)) ?? null
}

export function childEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(environment).filter(([name]) => !DROPPED.test(name))
  return { PATH: DEFAULT_PATH, ...Object.fromEntries(kept) }
}

export interface Execution {
  readonly setpriv: string
  readonly command: StartCommand
  /** Whom to become; null: stay who we are. */
  readonly owner: Owner | null
  /** Where it enters its cgroup; null: it stays in the guard's. */
  readonly cgroupProcs: string | null
  /** How willingly the kernel kills it when memory runs out; null: as it does the guard. */
  readonly oomScore: number | null
  readonly log: BoundedLog
  /** Called before this returns. */
  readonly started: (pid: number) => void
  readonly failed: (reason: string) => void
  readonly ended: (end: PostmasterEnd) => void
}

/** The shell leaves the guard's place, if it can, and becomes setpriv by exec: no process of it is ever there. */
const ENTER =
  '{ echo 0 > "$0"; } 2> /dev/null; { echo "$1" > /proc/self/oom_score_adj; } 2> /dev/null; shift; exec "$@"'

/**
 * setpriv becomes the postmaster by exec. Call it from the main thread only: the kernel ties the death signal to the
 * thread that forked.
 */
export function executePostmaster(execution: Execution): void {
  const { command, log, started, failed, ended } = execution
  const [program, ...rest] = commandLine(execution)
  const child = spawn(program!, rest, {
    cwd: '/',
    env: childEnvironment(command.environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A session of its own, as pg_ctl gives it: no terminal reaches it.
    detached: true,
  })
  const output = keepOutput(child, log)
  child.once('error', error => failed(error.message))
  if (child.pid === undefined) return
  child.once('exit', (code, signal) => {
    // Two turns of the loop: its last words are still in the pipe.
    setImmediate(() => setImmediate(() => ended({ code, signal, output: output() })))
  })
  started(child.pid)
}

function commandLine({ setpriv, command, owner, cgroupProcs, oomScore }: Execution): readonly string[] {
  const identity = owner ? ['--reuid', `${owner.uid}`, '--regid', `${owner.gid}`, '--init-groups'] : []
  // Rights that a service manager gave to the agent and the guard are none of PostgreSQL's business.
  const rights = ['--ambient-caps=-all', '--inh-caps=-all', '--pdeathsig', 'QUIT', '--']
  const plain = [setpriv, ...identity, ...rights, command.program, ...command.arguments]
  if (cgroupProcs === null && oomScore === null) return plain
  // An empty name opens nothing, and an empty number changes nothing.
  return ['/bin/sh', '-c', ENTER, cgroupProcs ?? '', `${oomScore ?? ''}`, ...plain]
}

/** Reads always, so that PostgreSQL never waits for us, and forgets all but the end. */
function keepOutput(child: ChildProcess, log: BoundedLog): () => string {
  let kept = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => {
      kept = (kept + text).slice(-OUTPUT_KEPT)
      log.append(text)
    })
  }
  return () => kept
}
