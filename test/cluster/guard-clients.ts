// Clients that insert as fast as they can and say when each insert was acknowledged. Started as a process of its own.
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** CLOCK_MONOTONIC in milliseconds. */
export interface AckReport {
  readonly at: readonly number[]
  /** Everything that had arrived when it was asked for (SIGUSR2) has been reported. */
  readonly settled?: boolean
}

const REPORT_MS = 50
const options = JSON.parse(process.argv[2]!) as { readonly port: number; readonly count: number }
let acknowledged: number[] = []

function report(settled: boolean): void {
  process.stdout.write(`${JSON.stringify({ at: acknowledged, settled } satisfies AckReport)}\n`)
  acknowledged = []
}

setInterval(() => {
  if (acknowledged.length > 0) report(false)
}, REPORT_MS)
// Some turns of the loop later: what the kernel had already received has been read.
process.on('SIGUSR2', () => setTimeout(report, REPORT_MS, true))

/** Connects again after an error, as applications do: an instance that comes back would be found out. */
async function write(client: number): Promise<void> {
  for (;;) {
    const connection = new pg.Client({
      host: '127.0.0.1',
      port: options.port,
      user: 'vigil',
      database: 'postgres',
    })
    connection.on('error', () => {})
    try {
      await connection.connect()
      for (;;) {
        await connection.query('insert into acks (client) values ($1)', [client])
        acknowledged.push(Number(process.hrtime.bigint()) / 1e6)
      }
    } catch {
      connection.connection.stream.destroy()
      await delay(20)
    }
  }
}

for (let client = 0; client < options.count; client++) void write(client)
