// Cuts a running standby off from its upstream for certain (protocol A8, steps 2-5; decision 0052).
import { setTimeout as sleep } from 'node:timers/promises'
import { VigilError } from '../../kernel/errors.ts'
import type { Ms } from '../../kernel/time.ts'
import { cleanAutoConfiguration } from './auto-configuration.ts'
import { mainPath } from './configuration.ts'
import { type Row, withConnection } from './connection.ts'
import { readIfPresent, writeIfChanged } from './durable.ts'
import { localTarget, nothingRuns, type PostgresHost } from './host.ts'
import { type Child, childrenOf } from './postmaster-children.ts'
import { readPostmasterFile, runsOn } from './postmaster-file.ts'
import { PAUSE_REPLAY, PAUSE_STATE, REPLAY_PAUSED, RESUME_REPLAY, SHOW_UPSTREAM } from './sql.ts'

const POLL_MS: Ms = 3
/** A startup process that has not paused by then is inside a record, far from asking for a receiver. */
const PAUSE_LIMIT_MS: Ms = 150
/** Between two looks when the startup process has not said that it knows the new setting. */
const LOOK_AGAIN_MS: Ms = 100

export async function stopReceiving(host: PostgresHost, signal: AbortSignal): Promise<void> {
  const postmaster = await running(host)
  await forgetUpstream(host)
  process.kill(postmaster, 'SIGHUP')
  // Always, and by signal: a reload reaches a receiver only through the startup process, which may be stuck.
  await endReceivers(postmaster, signal)
  const told = await untilTold(host, signal)
  for (let looks = 0; looks < 2; looks++) {
    if (looks > 0 && !told) await sleep(LOOK_AGAIN_MS, undefined, { signal })
    // Forked only after the postmaster has handled every request for a receiver that was made before.
    if (!(await hasNoUpstream(host, signal))) throw failed('the upstream is set again')
    if (await endReceivers(postmaster, signal)) looks = -1
  }
  if ((await running(host)) !== postmaster) throw failed('the instance was started again meanwhile')
}

/** Whether there were any. */
async function endReceivers(postmaster: number, signal: AbortSignal): Promise<boolean> {
  for (let found = false; ; found = true) {
    const receivers = (await childrenOf(postmaster)).filter(mayReceive)
    if (receivers.length === 0) return found
    for (const { pid, kind } of receivers) if (kind === 'walreceiver') terminate(pid)
    await sleep(POLL_MS, undefined, { signal })
  }
}

/** A child that has not said yet what it is may become one. */
function mayReceive({ kind }: Child): boolean {
  return kind === 'walreceiver' || kind === 'unnamed'
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It is gone.
  }
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

/** By a new connection: it is forked after the postmaster has passed the reload on to all who were there. */
async function hasNoUpstream(host: PostgresHost, signal: AbortSignal): Promise<boolean> {
  const [row] = await withConnection(await localTarget(host), signal, query => query(SHOW_UPSTREAM))
  return row?.['primary_conninfo'] === ''
}

/** Until the setting is in force; whether the startup process has said that it knows it. */
async function untilTold(host: PostgresHost, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const told = await withConnection(await localTarget(host), signal, async query => {
      const [row] = await query(SHOW_UPSTREAM)
      return row?.['primary_conninfo'] === '' ? startupKnows(query, signal) : null
    })
    if (told !== null) return told
    await sleep(POLL_MS, undefined, { signal })
  }
}

/**
 * A startup process that has paused has read its files after the reload: it will ask for no receiver any more. False
 * when it did not say so in time, when somebody else has paused it, and in version 13.
 */
async function startupKnows(query: Query, signal: AbortSignal): Promise<boolean> {
  if ((await query(REPLAY_PAUSED))[0]?.['paused'] !== 'false') return false
  try {
    await query(PAUSE_REPLAY)
    const until = performance.now() + PAUSE_LIMIT_MS
    do {
      if ((await query(PAUSE_STATE))[0]?.['state'] === 'paused') return true
      await sleep(POLL_MS, undefined, { signal })
    } while (performance.now() < until)
    return false
  } catch (error) {
    if (signal.aborted) throw error
    return false
  } finally {
    await query(RESUME_REPLAY)
  }
}

type Query = (text: string) => Promise<readonly Row[]>

function failed(reason: string): VigilError {
  return new VigilError('POSTGRES_FAILED', { reason })
}
