// Children of a postmaster and what they are, from their titles: a server that hangs could not say it.
import { readdir, readFile } from 'node:fs/promises'

export interface Child {
  readonly pid: number
  /** `unnamed`: forked, and its title is still its parent's; or dead, and its parent does not know it yet. */
  readonly kind: 'walreceiver' | 'startup' | 'unnamed' | 'other'
}

export async function childrenOf(postmaster: number): Promise<readonly Child[]> {
  const [own, pids] = await Promise.all([titleOf(postmaster), childPids(postmaster)])
  const children = await Promise.all(
    pids.map(async (pid): Promise<readonly Child[]> => {
      const title = await titleOf(pid)
      // Gone meanwhile.
      if (title === null) return []
      return [{ pid, kind: title === own || title === '' ? 'unnamed' : kindOf(title) }]
    }),
  )
  return children.flat()
}

/** `postgres: cluster name: walreceiver streaming 0/3000060`; the name may be anything, also one of these words. */
function kindOf(title: string): Child['kind'] {
  const what = /^postgres: (?:.*: )?(walreceiver|startup)\b/s.exec(title)?.[1]
  return what === 'walreceiver' || what === 'startup' ? what : 'other'
}

/** The kernel's own list; without it, every process is asked for its parent. */
async function childPids(postmaster: number): Promise<readonly number[]> {
  try {
    const text = await readFile(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')
    return text.trim().split(/\s+/).filter(Boolean).map(Number)
  } catch {
    const all = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
    const parents = await Promise.all(all.map(parentOf))
    return all.filter((_, index) => parents[index] === postmaster)
  }
}

async function parentOf(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return null
  }
}

/** null: there is no such process. */
async function titleOf(pid: number): Promise<string | null> {
  try {
    const title = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return title.replace(/\0/g, ' ').trim()
  } catch {
    return null
  }
}
