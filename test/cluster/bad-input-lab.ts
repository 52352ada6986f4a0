// Members with something wrong: one configuration each, one agent at a time, and what lay on disk before and after.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type ClusterSettings, configurationOf, writeConfiguration } from '../lab/configuration.ts'
import { databaseUser, giveTo, switchUser } from '../lab/database-user.ts'
import { type EtcdCluster, etcdOn } from '../lab/etcd.ts'
import type { Host, Launched } from '../lab/host.ts'
import { type Member, memberOn, SUPERUSER } from '../lab/member.ts'
import { type Network, openNetwork } from '../lab/network.ts'
import { newestPostgres } from '../lab/postgres-programs.ts'
import { commandLine, isAlive, processesIn, sendSignal } from '../lab/processes.ts'
import { installVigil, stateDirectoryOf } from '../lab/vigil.ts'
import { waitFor } from '../lab/wait.ts'

/** Generous: other work shares the machine. */
export const LIMIT_MS = 90_000
export const TTL_S = 10

/** A change of a configuration: sections are merged, null removes. */
export type Change = { readonly [key: string]: unknown }

export interface Ended {
  readonly status: number | null
  readonly output: string
}

export interface Seat {
  readonly name: string
  readonly host: Host
  readonly dataDirectory: string
  readonly stateDirectory: string
  readonly member: Member
  /** Writes the member's file with a change, or with a text of its own, and returns its path. */
  write(change?: Change | string): string
  /** Starts the agent with the file as last written. */
  start(...args: readonly string[]): Launched
  /** Runs it to its own end. @throws when it does not end */
  run(...args: readonly string[]): Promise<Ended>
  /** Everything that this seat's agents have printed so far. */
  printed(): string
  /** Ends agent, guard and PostgreSQL of this seat with SIGKILL. */
  crash(): Promise<void>
}

export interface BadInputLab {
  readonly network: Network
  readonly etcd: EtcdCluster
  readonly seats: readonly Seat[]
  seat(name: string): Seat
  close(failed: boolean): void
}

export const PROGRAMS = newestPostgres()

export function openLab(names: readonly string[], settings: Partial<ClusterSettings> = {}): BadInputLab {
  const network = openNetwork(names, 'loopback')
  const etcd = etcdOn(network.hosts.slice(0, 1))
  const all: ClusterSettings = {
    scope: 'lab',
    timings: { ttl: TTL_S, loopWait: 2, retryTimeout: 3 },
    subnet: network.subnet,
    etcd: etcd.hosts,
    binDirectory: PROGRAMS,
    ...settings,
  }
  const seats = network.hosts.map(host => seatOn(host, network, all))
  return {
    network,
    etcd,
    seats,
    seat: name => seats.find(seat => seat.name === name)!,
    close: failed => {
      const kept = network.close({ keep: failed })
      if (kept) console.error(`logs are in ${kept}`)
    },
  }
}

function seatOn(host: Host, network: Network, settings: ClusterSettings): Seat {
  const product = installVigil(network.directory, settings)
  const user = databaseUser()
  const member = memberOn(host, product)
  const stateDirectory = stateDirectoryOf(host)
  const plain = () => ({
    ...configurationOf(host, settings),
    vigil: { state_dir: stateDirectory },
  })
  let command: readonly string[] | null = null
  let runs = 0
  const write: Seat['write'] = (change = {}) => {
    command ??= product.prepare(host)
    if (typeof change === 'string') return writeText(host, change)
    return writeConfiguration(host, merge(plain(), change), path => giveTo(user, path))
  }
  const start: Seat['start'] = (...args) => {
    if (command === null) write()
    const [node, program, file] = command!
    runs += 1
    return host.launch(`agent-${String(runs).padStart(2, '0')}`, [node!, program!, ...args, file!])
  }
  return {
    name: host.name,
    host,
    dataDirectory: product.dataDirectory(host),
    stateDirectory,
    member,
    write,
    start,
    async run(...args) {
      const agent = start(...args)
      const ended = await waitFor(`vigild of ${host.name} ends`, LIMIT_MS, () =>
        agent.alive() ? null : agent.ended,
      )
      const status = /^exit code (\d+)$/.exec(ended)?.[1]
      return { status: status ? Number(status) : null, output: readFileSync(agent.logFile, 'utf8') }
    },
    printed: () =>
      readdirSync(host.directory)
        .filter(name => /^agent-\d+\.log$/.test(name))
        .map(name => readFileSync(join(host.directory, name), 'utf8'))
        .join(''),
    crash: () =>
      waitFor(`everything of ${host.name} is dead`, LIMIT_MS, () => {
        const left = partsOf(host.directory).filter(isAlive)
        for (const pid of left) sendSignal(pid, 'SIGKILL')
        return left.length === 0
      }).then(() => undefined),
  }
}

function writeText(host: Host, text: string): string {
  const file = writeConfiguration(host, {}, () => {})
  execFileSync('tee', [file], { input: text, stdio: ['pipe', 'ignore', 'inherit'] })
  giveTo(databaseUser(), file)
  return file
}

/** The agent and PostgreSQL work below the host's directory; the guard names it. etcd is the host's too, and stays. */
function partsOf(directory: string): readonly number[] {
  const guards = processesIn('/').filter(pid => commandLine(pid).some(word => /guard\.mjs$/.test(word)))
  const own = guards.filter(pid => commandLine(pid).some(word => word.startsWith(`${directory}/`)))
  const rest = processesIn(directory).filter(pid => !/etcd$/.test(commandLine(pid)[0] ?? ''))
  return [...own, ...rest]
}

/** null removes a key. */
export function merge(
  base: Readonly<Record<string, unknown>>,
  change: Change,
): Readonly<Record<string, unknown>> {
  const merged = { ...base }
  for (const [key, value] of Object.entries(change)) {
    const below = merged[key]
    if (value === null) delete merged[key]
    else merged[key] = isSection(value) && isSection(below) ? merge(below, value) : value
  }
  return merged
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Every name below `directory` with its kind, and a digest of the control file, as one text. */
export function snapshot(directory: string): string {
  if (!existsSync(directory)) return 'absent'
  const about = lstatSync(directory)
  if (!about.isDirectory()) return `file ${digest(directory)}`
  const names = readdirSync(directory, { withFileTypes: true, recursive: true })
    .map(entry => `${entry.isDirectory() ? 'd' : 'f'} ${join(entry.parentPath, entry.name)}`)
    .sort()
  const control = join(directory, 'global', 'pg_control')
  const mode = (about.mode & 0o777).toString(8)
  return [`mode ${mode}`, existsSync(control) ? digest(control) : 'no control file', ...names].join('\n')
}

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** A data directory of a cluster of its own, made by initdb. */
export function makeDataDirectory(directory: string): void {
  const initdb = [
    join(PROGRAMS, 'initdb'),
    '--no-sync',
    '--auth=trust',
    '--data-checksums',
    '-U',
    SUPERUSER.user,
  ]
  const [program, ...args] = [...switchUser(databaseUser()), ...initdb, '-D', directory]
  execFileSync(program!, args, { stdio: 'ignore' })
}

/** A directory of the database user. */
export function makeDirectory(directory: string, mode = 0o700): string {
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, mode)
  giveTo(databaseUser(), directory)
  return directory
}

/** Listens at a port until it is called off. */
export async function occupy(host: string, port: number): Promise<() => Promise<void>> {
  const server = createServer(socket => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  return () => new Promise(resolve => server.close(() => resolve()))
}

/** Whether the test that has just ended passed: the logs of a failed one are worth keeping. */
export function passed(context: object): boolean {
  return 'passed' in context && context.passed === true
}

/** The member's own word over REST; null: no answer. */
export async function status(seat: Seat): Promise<Readonly<Record<string, unknown>> | null> {
  try {
    return JSON.parse((await seat.member.rest('/status')).body) as Record<string, unknown>
  } catch {
    return null
  }
}

/** Waits until the member's warnings have one that matches. */
export function waitForWarning(seat: Seat, pattern: RegExp): Promise<string> {
  return waitFor(`a warning ${pattern} of ${seat.name}`, LIMIT_MS, async () => {
    const warnings = (await status(seat))?.['warnings']
    if (!Array.isArray(warnings)) return null
    return warnings.map(warning => `${warning.code}: ${warning.text}`).find(text => pattern.test(text))
  })
}
