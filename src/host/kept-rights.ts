// While the agent is still root: rights that it and its guard keep as another user. A service manager gives the same
// by Delegate=yes, AmbientCapabilities= and LimitRTPRIO=; whatever can't be given is missed and said later on.
import { execFile } from 'node:child_process'
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { User } from './accounts.ts'

const LIMIT_MS = 2000

/** Before `become`. Never throws. */
export async function keepRights(user: User, member: string): Promise<void> {
  await Promise.allSettled([enterOwnCgroup(user, member), allowRealtime()])
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
  await mkdir(path, { recursive: true })
  for (const file of ['.', 'cgroup.procs']) await chown(join(path, file), uid, gid)
  await writeFile(join(path, 'cgroup.procs'), `${process.pid}`)
}

/** A limit is inherited; the guard uses it (docs/decisions/0015). */
async function allowRealtime(): Promise<void> {
  const options = ['--rtprio=1', '--pid', `${process.pid}`]
  await promisify(execFile)('prlimit', options, { timeout: LIMIT_MS, cwd: '/' })
}
