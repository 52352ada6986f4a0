// A real instance under a real guard: a small data directory, a guard's bundle, agents and clients as processes.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGuardClient } from '../../src/guard/client.ts'
import { openMachineClock } from '../../src/guard/clock.ts'
import { guardCommand } from '../../src/guard/launch.ts'
import { processesStartedWith } from '../../src/guard/processes.ts'
import type { WatchdogSettings } from '../../src/guard/watchdog.ts'
import { type Instant, later } from '../../src/kernel/time.ts'
import type { Guard, GuardAnswer, GuardStatus, StartCommand } from '../../src/ports/guard.ts'
import { databaseUser, giveTo, switchUser } from '../lab/database-user.ts'
import { type Disk, makeDisk } from '../lab/disk.ts'
import { freePorts } from '../lab/free-ports.ts'
import { bundleProgram } from '../lab/node-program.ts'
import { isAlive, killAll, processesIn, sendSignal } from '../lab/processes.ts'
import { query } from '../lab/sql.ts'
import { waitFor } from '../lab/wait.ts'
import type { AgentOptions, AgentReport } from './guard-agent.ts'
import type { AckReport } from './guard-clients.ts'

const BINARIES = process.env['PG_BIN_DIR'] ?? '/usr/lib/postgresql/15/bin'
const LOGIN = { user: 'vigil', password: '' }
export const now = openMachineClock()

export interface GuardLab {
  readonly directory: string
  readonly stateDirectory: string
  readonly dataDirectory: string
  readonly disk: Disk | null
  readonly port: number
  readonly command: StartCommand
  readonly guardCommand: readonly [string, ...string[]]
  /** A client of this process: the test is the agent. */
  client(): Guard
  /** An agent as a process of its own, which renews the deadline until it is stopped. */
  agent(options: Partial<AgentOptions>): Agent
  clients(count: number): Promise<Clients>
  /** Resolves when no process of the instance lives, and the clients have told all they know. */
  ended(clients?: Clients): Promise<void>
  /** The guard's process id; fails when there is not exactly one. */
  guardPid(): number
  /** Living processes of the instance. */
  instance(): readonly number[]
  sql(text: string): Promise<void>
  /** Ends what the last test left behind; the data directory stays usable. */
  reset(): Promise<void>
  close(): void
}

export interface Agent {
  readonly process: ChildProcess
  readonly reports: readonly AgentReport[]
  /** Of the last renewal that the guard accepted. */
  deadline(): Instant
  until(kind: AgentReport['kind']): Promise<AgentReport>
}

export interface Clients {
  /** CLOCK_MONOTONIC, milliseconds, of each acknowledgement so far. */
  readonly acknowledged: readonly number[]
  /** Resolves when the clients have reported everything that reached them so far. */
  settle(): Promise<void>
}

const DISK_MEGABYTES = 300

/** What the protocol assumes for the time from the guard's deadline to the last possible acknowledgement (A4: F). */
export const MARGIN_MS = 1000

export interface GuardLabOptions {
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[]
  /** In front of the command that starts the guard: another cgroup, another namespace. */
  readonly enter?: readonly string[]
  /** The data directory on a file system of its own. */
  readonly disk?: boolean
  readonly watchdog?: (directory: string) => WatchdogSettings
}

export async function openGuardLab({
  settings = [],
  enter = [],
  disk: ownDisk = false,
  watchdog,
}: GuardLabOptions = {}): Promise<GuardLab> {
  const user = databaseUser()
  const directory = mkdtempSync(join(tmpdir(), 'vigil-guard-'))
  chmodSync(directory, 0o755)
  giveTo(user, directory)
  const disk = ownDisk ? makeDisk(join(directory, 'disk'), DISK_MEGABYTES) : null
  const [stateDirectory, dataDirectory] = [join(directory, 'state'), join(disk?.place ?? directory, 'data')]
  mkdirSync(stateDirectory, { mode: 0o700 })
  giveTo(user, stateDirectory)
  const [port] = freePorts(1) as [number]
  initialise(dataDirectory, settings)

  const source = (path: string) => new URL(path, import.meta.url)
  const [node, bundle] = await bundleProgram(directory, 'guard', source('../../src/bin/guard.ts'))
  const agentProgram = await bundleProgram(directory, 'agent', source('./guard-agent.ts'))
  const clientProgram = await bundleProgram(directory, 'clients', source('./guard-clients.ts'))
  const guardLaunch = [...enter, ...switchUser(user), ...guardCommand(node!, bundle!)] as [
    string,
    ...string[],
  ]
  const command = postgresCommand(dataDirectory, port, directory)
  const children: ChildProcess[] = []
  const guards: Guard[] = []
  let gateUsed = false

  function launch(program: readonly string[], options: object): ChildProcess {
    const child = spawn(program[0]!, [...program.slice(1), JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    return child
  }

  function endEverything(): void {
    for (const guard of guards.splice(0)) guard.detach()
    for (const child of children.splice(0)) if (child.pid) sendSignal(child.pid, 'SIGKILL')
    killAll(() => processesStartedWith('--state', stateDirectory))
    killAll(() => processesIn(dataDirectory))
    removeCgroup(dataDirectory)
    if (gateUsed) removeGate(port)
    gateUsed = false
  }

  return {
    directory,
    stateDirectory,
    dataDirectory,
    disk,
    port,
    command,
    guardCommand: guardLaunch,
    client() {
      const environment = process.env
      const guard = createGuardClient({
        stateDirectory,
        dataDirectory,
        command: guardLaunch,
        environment,
        now,
        ...(watchdog && { watchdog: watchdog(directory) }),
      })
      guards.push(guard)
      return guard
    },
    agent(options) {
      gateUsed ||= options.gate === true
      const settings: AgentOptions = {
        ...{ stateDirectory, dataDirectory, guardCommand: guardLaunch, command, port },
        ...{ term: 1, ttl: 3000, renewMs: 250, fence: false, ...options },
      }
      return readAgent(launch(agentProgram, settings))
    },
    clients: count => readClients(launch(clientProgram, { port, count })),
    async ended(clients) {
      await waitFor(
        'the instance is gone',
        60_000,
        () => processesIn(dataDirectory).filter(isAlive).length === 0,
      )
      await clients?.settle()
    },
    guardPid() {
      const pids = processesStartedWith('--state', stateDirectory).filter(isAlive)
      if (pids.length !== 1) throw new Error(`guards: ${pids.join(', ') || 'none'}`)
      return pids[0]!
    },
    instance: () => processesIn(dataDirectory).filter(isAlive),
    sql: async text => void (await query({ host: '127.0.0.1', port }, LOGIN, text)),
    async reset() {
      endEverything()
      rmSync(join(dataDirectory, 'standby.signal'), { force: true })
      rmSync(join(stateDirectory, 'guard.run'), { force: true })
    },
    close() {
      disk?.thaw()
      endEverything()
      if (disk) execFileSync('umount', [disk.place])
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** What an agent does to get a primary: start as standby, arm, promote. Returns when it takes writes. */
export async function makePrimary(lab: GuardLab, guard: Guard, term: number, ttl: number): Promise<Instant> {
  done(await guard.start(lab.command))
  await waitFor('the standby answers', 60_000, () => lab.sql('select 1').then(() => true))
  const deadline = later(now(), ttl - 50)
  done(await guard.arm(term, deadline, ttl))
  done(await guard.promote(term))
  await waitFor('the primary takes writes', 60_000, async () => {
    await lab.sql('create table if not exists acks (id bigserial primary key, client int)')
    return true
  })
  return deadline
}

export function done(answer: GuardAnswer): GuardStatus {
  if (answer.kind !== 'done') throw new Error(`${answer.kind}: ${answer.reason}`)
  return answer.status
}

/** Of a guard that was root and was killed: nobody else removes it. */
function removeCgroup(dataDirectory: string): void {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8').match(/ (\S+) \S+ - cgroup2 /)?.[1]
  const path = join(mount ?? '', `vigil-${encodeURIComponent(dataDirectory)}`)
  // What was killed needs a moment to leave.
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      rmdirSync(path)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** Of the table that the gate at this port has made, or of none. */
function removeGate(port: number): void {
  const table = ['inet', `vigil_127_0_0_1_${port}`]
  for (const verb of ['add', 'delete']) execFileSync('nft', [verb, 'table', ...table])
}

function initialise(dataDirectory: string, settings: readonly string[]): void {
  const user = databaseUser()
  const [program, ...rest] = [...switchUser(user), join(BINARIES, 'initdb')]
  execFileSync(
    program!,
    [...rest, '-D', dataDirectory, '-U', LOGIN.user, '-A', 'trust', '-N', '--no-locale'],
    {
      stdio: 'ignore',
      cwd: '/',
    },
  )
  const lines = ['fsync = off', 'restart_after_crash = off', 'shared_buffers = 16MB', 'max_connections = 250']
  appendFileSync(join(dataDirectory, 'postgresql.conf'), `${[...lines, ...settings].join('\n')}\n`)
}

function postgresCommand(dataDirectory: string, port: number, sockets: string): StartCommand {
  return {
    program: join(BINARIES, 'postgres'),
    arguments: ['-D', dataDirectory, '-p', `${port}`, '-k', sockets, '-h', '127.0.0.1'],
    environment: { LANG: 'C.UTF-8', NODE_OPTIONS: '--inspect', LD_PRELOAD: '/nonexistent.so' },
  }
}

function readAgent(child: ChildProcess): Agent {
  const reports: AgentReport[] = []
  createInterface({ input: child.stdout! }).on('line', line => reports.push(JSON.parse(line) as AgentReport))
  const last = (kind: AgentReport['kind']) => reports.findLast(report => report.kind === kind)
  return {
    process: child,
    reports,
    deadline: () => last('renewed')!.deadline!,
    until: kind => waitFor(`the agent reports ${kind}`, 60_000, () => last(kind)),
  }
}

async function readClients(child: ChildProcess): Promise<Clients> {
  const acknowledged: number[] = []
  let settled = 0
  createInterface({ input: child.stdout! }).on('line', line => {
    const report = JSON.parse(line) as AckReport
    acknowledged.push(...report.at)
    if (report.settled) settled++
  })
  await waitFor('the clients write', 60_000, () => acknowledged.length > 0)
  return {
    acknowledged,
    async settle() {
      const before = settled
      child.kill('SIGUSR2')
      await waitFor('the clients have reported', 60_000, () => settled > before)
    },
  }
}

export function after(clients: Clients, moment: number): number {
  return clients.acknowledged.filter(at => at > moment).length
}

/** Of the machine's monotonic clock, ms. There may be too many to spread into arguments. */
export function lastAcknowledgement(clients: Clients): number {
  return clients.acknowledged.reduce((latest, at) => Math.max(latest, at), 0)
}
