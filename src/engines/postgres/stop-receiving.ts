// Cuts a running standby off from its upstream for certain (protocol A8, steps 2-5; decisions 0052).
import { setTimeout as sleep } from 'node:timers/promises'
import { VigilError } from '../../kernel/errors.ts'
import type { Ms } from '../../kernel/time.ts'
import { cleanAutoConfiguration } from './auto-configuration.ts'
import { mainPath } from './configuration.ts'
import { withConnection } from './connection.ts'
import { readIfPresent, writeIfChanged } from './durable.ts'
import { localTarget, nothingRuns, type PostgresHost } from './host.ts'
import { type Child, childrenOf } from './postmaster-children.ts'
import { readPostmasterFile, runsOn } from './postmaster-file.ts'
import { SHOW_UPSTREAM } from './sql.ts'

/** Between two looks at the postmaster's children. */
const LOOK_AGAIN_MS: Ms = 100
const POLL_MS: Ms = 5

export async function stopReceiving(host: PostgresHost, signal: AbortSignal): Promise<void> {
  const postmaster = await running(host)
  await forgetUpstream(host)
  process.kill(postmaster, 'SIGHUP')
  await untilInForce(host, signal)
  // Two looks without one: a receiver that was asked for before the reload may still have been on its way.
  for (let clear = 0; clear < 2; ) {
    const receivers = (await childrenOf(postmaster)).filter(mayReceive)
    for (const { pid, kind } of receivers) if (kind === 'walreceiver') terminate(pid)
    clear = receivers.length === 0 ? clear + 1 : 0
    if (clear < 2) await sleep(clear === 0 ? POLL_MS : LOOK_AGAIN_MS, undefined, { signal })
  }
  if ((await running(host)) !== postmaster) throw failed('the instance was started again meanwhile')
}

/** A child that has not said yet what it is may become one. */
function mayReceive({ kind }: Child): boolean {
  return kind === 'walreceiver' || kind === 'unnamed'
}

async function running(host: PostgresHost): Promise<number> {
  const { dataDirectory } = host.options
  const file = await readPostmasterFile(dataDirectory)
  if (file === null || !(await runsOn(file.pid, dataDirectory))) throw failed(nothingRuns(host))
  return file.pid
}

/** The last line of a file wins over the others, and postgresql.auto.conf over the whole file. */
async function forgetUpstream(host: PostgresHost): Promise<void> {
  const path = mainPath(host)
  const lines = ((await readIfPresent(path)) ?? '').replace(/\n$/, '').split('\n')
  const kept = lines.filter(line => !/^\s*primary_conninfo\b/i.test(line))
  await writeIfChanged(path, `${[...kept, "primary_conninfo = ''"].join('\n')}\n`)
  await cleanAutoConfiguration(host)
}

/** A new connection is forked after the postmaster has passed the signal on to all who were there. */
async function untilInForce(host: PostgresHost, signal: AbortSignal): Promise<void> {
  for (;;) {
    const target = await localTarget(host)
    const [row] = await withConnection(target, signal, query => query(SHOW_UPSTREAM))
    if (row?.['primary_conninfo'] === '') return
    await sleep(POLL_MS, undefined, { signal })
  }
}

/** Always, and by signal: a reload reaches a receiver only through the startup process, which may be stuck. */
function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It is gone.
  }
}

function failed(reason: string): VigilError {
  return new VigilError('POSTGRES_FAILED', { reason })
}
