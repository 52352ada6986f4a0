// Ending walsenders that hold up a stop: by signal, since a server that stops lets nobody in.
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { readPostmasterFile } from './postmaster-file.ts'

export interface WalSender {
  readonly pid: number
  readonly applicationName: string
}

/** The first signal leaves one that is stuck in sending blocked in its farewell; the second ends it (decision 0014). */
const SECOND_SIGNAL_MS = 100

/** Never SIGKILL: the stop would no longer be a clean one. */
export async function terminate(
  dataDirectory: string,
  known: readonly WalSender[],
  applications: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const wanted = known.filter(one => applications.includes(one.applicationName))
  await terminateByPid(
    dataDirectory,
    wanted.map(({ pid }) => pid),
    signal,
  )
}

/** What is no walsender of this instance any more is left alone. */
export async function terminateByPid(
  dataDirectory: string,
  pids: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  if (pids.length === 0) return
  await signalAll(dataDirectory, pids)
  await sleep(SECOND_SIGNAL_MS, undefined, { signal })
  await signalAll(dataDirectory, pids)
}

async function signalAll(dataDirectory: string, pids: readonly number[]): Promise<void> {
  const postmaster = await readPostmasterFile(dataDirectory)
  if (postmaster === null) return
  for (const pid of pids) {
    if (await isWalSenderOf(pid, postmaster.pid)) process.kill(pid, 'SIGTERM')
  }
}

/** The number may have gone to another process since it was seen. */
async function isWalSenderOf(pid: number, postmaster: number): Promise<boolean> {
  try {
    const [title, stat] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ])
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    return parent === postmaster && title.includes('walsender')
  } catch {
    return false
  }
}
