// A host of the laboratory as everything else sees it: an address, a directory, ports, and processes.
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type DatabaseUser, switchUser } from './database-user.ts'
import { isAlive, sendSignal } from './processes.ts'

export type Purpose = 'postgres' | 'rest' | 'etcd' | 'etcdPeer'

export interface Host {
  readonly name: string
  readonly address: string
  /** Where everything of this host lies; every process of the host works below it. */
  readonly directory: string
  port(purpose: Purpose): number
  /** Starts a program on this host, its output in `<directory>/<log>.log`. */
  launch(log: string, command: readonly string[], options?: LaunchOptions): Launched
  /** Every process of this host. */
  processes(): readonly number[]
}

export interface LaunchOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** `root`: in a cgroup of the laboratory, with every right that it has itself. The database user by default. */
  readonly as?: 'database-user' | 'root'
}

/** A program that was started. It belongs to its host: whoever closes the network ends it. */
export interface Launched {
  readonly pid: number
  readonly logFile: string
  /** Exit code or signal once it has ended. */
  readonly ended: Promise<string>
  alive(): boolean
  signal(signal: NodeJS.Signals): boolean
}

/** What runs on every host, whichever way the host is made. `enter` is the prefix that takes a program there. */
export function launchOn(
  directory: string,
  user: DatabaseUser,
  enter: readonly string[],
  log: string,
  command: readonly string[],
  { environment = {}, as = 'database-user' }: LaunchOptions = {},
): Launched {
  const logFile = join(directory, `${log}.log`)
  const output = openSync(logFile, 'a')
  const [program, ...args] = [...enter, ...(as === 'root' ? [] : switchUser(user)), ...command]
  const child = spawn(program!, args, {
    cwd: directory,
    // Not the developer's environment: a member starts from a service manager's.
    env: {
      PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: directory,
      LANG: 'C.UTF-8',
      ...environment,
    },
    stdio: ['ignore', output, output],
    // Ctrl-C on the terminal is for the laboratory, which then closes in order.
    detached: true,
  })
  closeSync(output)
  const ended = new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`could not start ${program}: is it installed?`)
  return { pid, logFile, ended, alive: () => isAlive(pid), signal: signal => sendSignal(pid, signal) }
}
