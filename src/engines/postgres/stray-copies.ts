// Copiers that outlived their agent: pg_basebackup's second process goes on for ever and holds the slot.
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOKS = 50
const BETWEEN_LOOKS_MS = 20

/** Ends every copier whose target begins with `target`, and waits until it is gone. */
export async function endStrayCopies(target: string): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    const strays = await copiersInto(target)
    if (strays.length === 0) return
    for (const pid of strays) kill(pid)
    await sleep(BETWEEN_LOOKS_MS)
  }
  throw new Error(`an earlier pg_basebackup into ${target} can't be ended`)
}

async function copiersInto(target: string): Promise<readonly number[]> {
  const numbers = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name))
  const found = await Promise.all(
    numbers.map(async number => {
      const line = await readFile(`/proc/${number}/cmdline`, 'utf8').catch(() => '')
      const copies = line.split('\0').some(argument => argument.startsWith(`--pgdata=${target}`))
      return copies && Number(number) !== process.pid ? [Number(number)] : []
    }),
  )
  return found.flat()
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone by itself, or another user's: the next look tells.
  }
}
