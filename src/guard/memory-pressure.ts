// What keeps the guard alive and in memory when memory runs out: the kernel's killer passes it by, and pages are kept
// for it. Both only where somebody gave the right to.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../kernel/errors.ts'

const OOM_SCORE = '/proc/self/oom_score_adj'
/** Never chosen. */
const EXEMPT = -1000
const RESERVED_BYTES = 64 * 1024 * 1024

export interface OomScore {
  /** Why the killer may choose the guard; null: it does not. */
  readonly obstacle: string | null
  /** For what the guard starts: PostgreSQL is to be chosen as if it had been started by somebody else. */
  readonly forChildren: number | null
}

export function escapeOomKiller(file = OOM_SCORE): OomScore {
  try {
    const before = Number(readFileSync(file, 'latin1'))
    writeFileSync(file, `${EXEMPT}`)
    return { obstacle: null, forChildren: before === EXEMPT ? 0 : before }
  } catch (error) {
    return { obstacle: obstacleOf(error, 'CAP_SYS_RESOURCE, or OOMScoreAdjust=-1000'), forChildren: null }
  }
}

/** @param cgroup the guard's own (v2); null: it is in none. @returns why pages may be taken from it; null: they are not */
export function reserveMemory(cgroup: string | null): string | null {
  if (cgroup === null || !controllersOf(cgroup).includes('memory'))
    return 'the memory controller of cgroup v2 is not available here'
  const file = join(cgroup, 'memory.min')
  try {
    const kept = readFileSync(file, 'latin1').trim()
    if (kept !== 'max' && Number(kept) < RESERVED_BYTES) writeFileSync(file, `${RESERVED_BYTES}`)
    return null
  } catch (error) {
    return obstacleOf(error, 'MemoryMin=64M')
  }
}

function controllersOf(cgroup: string): readonly string[] {
  try {
    return readFileSync(join(cgroup, 'cgroup.controllers'), 'latin1').trim().split(' ')
  } catch {
    return []
  }
}

function obstacleOf(error: unknown, right: string): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'the kernel does not have it'
  return code === 'EACCES' || code === 'EPERM' ? `no right to (${right})` : reasonOf(error)
}
