// npm start: three members on this machine, clients that write all the time, three faults, and what the clients saw.
import { parseArgs } from 'node:util'
import { type Cluster, openCluster } from '../../test/lab/cluster.ts'
import { FAULTS } from '../../test/lab/faults.ts'
import { newestPostgres } from '../../test/lab/postgres-programs.ts'
import { type Trial, tryFault } from '../../test/lab/trial.ts'
import { installVigil } from '../../test/lab/vigil.ts'
import { startWriter, type Writer } from '../../test/lab/writer.ts'
import { addresses, jsonReport, type Shown, showTable } from './report.ts'

const HELP = `npm start [-- options]
  --once      end after the demonstration
  --json      print a JSON object as the last line (with --once)
  --loopback  processes on 127.0.0.1 instead of network namespaces, even as root`

const TIMINGS = { ttl: 10, loopWait: 2, retryTimeout: 3 }
/** What is shown, in this order. */
const SHOWN: readonly Shown[] = [
  { key: 'switchover', fault: FAULTS.switchover },
  { key: 'postmaster_killed', fault: FAULTS['postmaster-killed'] },
  { key: 'host_lost', fault: FAULTS['host-lost'] },
]

interface Options {
  readonly once: boolean
  readonly json: boolean
  readonly loopback: boolean
}

await main()

async function main(): Promise<void> {
  const options = readOptions()
  if (options === null) {
    process.exitCode = 1
    return
  }
  const startedAt = performance.now()
  const say = (line: string) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)
    process.stdout.write(`${seconds} s  ${line}\n`)
  }
  const cluster = await open(options, say)
  try {
    process.exitCode = await show(cluster, options, say)
  } catch (error) {
    const kept = cluster.close({ keep: true })
    process.stderr.write(
      `The demonstration did not get on: ${error instanceof Error ? error.message : error}\nThe logs are in ${kept}\n`,
    )
    process.exit(1)
  }
}

/** Returns the exit code: 1 when something happened that must never happen. */
async function show(cluster: Cluster, options: Options, say: (line: string) => void): Promise<number> {
  const writer = await startWriter(cluster, { pinned: true })
  say(
    'clients write: 4 sessions, 200 single-row commits a second, over a connection string with all three hosts',
  )
  const trials = await demonstrate(cluster, writer, say)
  process.stdout.write(`\n${showTable(SHOWN, trials)}\n`)
  const broken = trials.flatMap(({ violations }) => violations)
  for (const sentence of broken) process.stdout.write(`NOT SAFE: ${sentence}\n`)
  if (!options.once) await keepRunning(cluster)
  await writer.stop()
  cluster.close()
  if (options.json) process.stdout.write(`${JSON.stringify(jsonReport(SHOWN, trials))}\n`)
  return broken.length === 0 ? 0 : 1
}

function readOptions(): Options | null {
  const flag = { type: 'boolean', default: false } as const
  try {
    const { values } = parseArgs({ options: { once: flag, json: flag, loopback: flag, help: flag } })
    if (!values.help) return values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  }
  process.stderr.write(`${HELP}\n`)
  return null
}

async function open(options: Options, say: (line: string) => void): Promise<Cluster> {
  say('starting three members, each with its PostgreSQL, agent and etcd')
  try {
    return await openCluster({
      progress: say,
      ...(options.loopback ? { kind: 'loopback' as const } : {}),
      product: (network, etcd) =>
        installVigil(network.directory, {
          scope: 'demo',
          timings: TIMINGS,
          subnet: network.subnet,
          etcd: etcd.hosts,
          binDirectory: newestPostgres(),
        }),
    })
  } catch (error) {
    const { message, cause } = error as Error
    process.stderr.write(`${message}\n${cause instanceof Error ? cause.message : ''}\n`)
    process.exit(1)
  }
}

async function demonstrate(
  cluster: Cluster,
  writer: Writer,
  say: (line: string) => void,
): Promise<readonly Trial[]> {
  const trials: Trial[] = []
  for (const { fault } of SHOWN) {
    const before = await cluster.waitUntilWhole()
    say(`${fault.title}: ${before.name} is primary now`)
    const trial = await tryFault(cluster, writer, fault, { fromNs: trials.at(-1)?.untilNs ?? 0 })
    const after = await cluster.waitForPrimary()
    say(
      `  ${after.name} is primary; clients could not write for ${trial.verdict.stallSeconds.toFixed(2)} s; all members stream again`,
    )
    trials.push(trial)
  }
  return trials
}

async function keepRunning(cluster: Cluster): Promise<void> {
  process.stdout.write(
    `\n${addresses(cluster)}\n\nThe clients go on writing. Ctrl-C ends everything and leaves nothing behind.\n`,
  )
  await new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve())
  })
  process.stdout.write('\nstopping\n')
}
