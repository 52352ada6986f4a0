// While the agent is still root: rights that it and its guard keep as another user. A service manager gives the same
// by Delegate=yes, AmbientCapabilities=, LimitRTPRIO= and OOMScoreAdjust=; what can't be given is missed and said later.
import { execFile, spawn } from 'node:child_process'
import { chown, type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { User } from './accounts.ts'

const LIMIT_MS = 2000
const OOM_SCORE = '/proc/self/oom_score_adj'
const EXEMPT = '-1000'

/** Before `become`. Never throws. @returns to be called after it */
export async function keepRights(user: User, member: string): Promise<() => Promise<void>> {
  const [oom] = await Promise.allSettled([allowExemption(), enterOwnCgroup(user, member), allowRealtime()])
  return async () => {
    if (oom.status === 'fulfilled') await oom.value()
  }
}

/**
 * Whoever was exempt from the kernel's killer once may be so again: that is for the guard. The agent itself is not to
 * be: it is started again when it dies. As another user it can't open the file any more, so it is opened now.
 */
async function allowExemption(): Promise<() => Promise<void>> {
  const before = (await readFile(OOM_SCORE, 'latin1')).trim()
  const file = await open(OOM_SCORE, 'r+')
  const failure = await file.write(EXEMPT).then(
    () => null,
    error => error as NodeJS.ErrnoException,
  )
  return () => restore(file, failure ? null : before)
}

async function restore(file: FileHandle, score: string | null): Promise<void> {
  if (score !== null) await file.write(score === EXEMPT ? '0' : score, 0)
  await file.close()
}

/** Also for an agent that is no root: exempt by its service manager, it passes that on to the guard alone. */
export async function resignExemption(): Promise<void> {
  const score = await readFile(OOM_SCORE, 'latin1').catch(() => '')
  if (score.trim() === EXEMPT) await writeFile(OOM_SCORE, '0').catch(() => {})
}

/** A cgroup (v2) of that user's, with this process in it: below it the guard can make another for PostgreSQL. */
async function enterOwnCgroup({ uid, gid }: User, member: string): Promise<void> {
  const [groups, mounts] = await Promise.all([
    readFile('/proc/self/cgroup', 'utf8'),
    readFile('/proc/self/mountinfo', 'utf8'),
  ])
  const own = /^0::(.*)$/m.exec(groups)?.[1]
  const mount = mounts.split('\n').find(line => line.includes(' - cgroup2 '))
  const [root, at] = mount?.split(' ').slice(3, 5) ?? []
  if (own === undefined || !at || root !== '/' || own.startsWith('/..')) return
  const path = join(at, own, `vigil-${encodeURIComponent(member)}`)
  // Before: whoever is in it keeps it.
  removeAtTheEnd(path)
  // Whoever removes it for the agent before this one may do so in between.
  await enter(path, { uid, gid }).catch(() => enter(path, { uid, gid }))
}

async function enter(path: string, { uid, gid }: User): Promise<void> {
  await mkdir(path, { recursive: true })
  for (const file of ['.', 'cgroup.procs']) await chown(join(path, file), uid, gid)
  // Only there with a memory controller.
  await chown(join(path, 'memory.min'), uid, gid).catch(() => {})
  await writeFile(join(path, 'cgroup.procs'), `${process.pid}`)
}

/** It hears nothing but the end of its input, and tries then for as long as a guard takes to follow its agent. One that stays keeps it. */
const REMOVE = 'read -r nothing; for second in 1 2 3 4 5 6 7 8 9 10; do rmdir "$0" && exit; sleep 1; done'

/** The directory above it is root's, so it takes root to remove it: a shell that waits outside until we have ended. */
function removeAtTheEnd(path: string): void {
  const child = spawn('/bin/sh', ['-c', REMOVE, path], {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  // Without it an empty directory stays, no more.
  child.on('error', () => {})
  child.stdin.on('error', () => {})
  child.unref()
  ;(child.stdin as { unref?: () => void }).unref?.()
}

/** A limit is inherited; the guard uses it (docs/decisions/0015). */
async function allowRealtime(): Promise<void> {
  const options = ['--rtprio=1', '--pid', `${process.pid}`]
  await promisify(execFile)('prlimit', options, { timeout: LIMIT_MS, cwd: '/' })
}
