// What an agent does while it is still root, and what is left of it when it has ended.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { databaseUser, isRoot } from '../lab/database-user.ts'
import { waitFor } from '../lab/wait.ts'

const PROGRAM = `
import { readFileSync } from 'node:fs'
import { keepRights } from '${new URL('../../src/host/kept-rights.ts', import.meta.url).pathname}'
import { become } from '${new URL('../../src/host/privileges.ts', import.meta.url).pathname}'
const user = JSON.parse(process.argv[1])
const asThatUser = await keepRights(user, user.member)
become(user)
await asThatUser()
console.log(JSON.stringify({
  cgroup: readFileSync('/proc/self/cgroup', 'utf8').match(/^0::(.*)$/m)[1],
  oomScore: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
}))
process.stdin.resume()
`

interface Started {
  readonly cgroup: string
  readonly oomScore: number
}

function mountOfCgroups(): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find(each => each.includes(' - cgroup2 '))
  return line?.split(' ')[4] ?? assert.fail('no cgroup v2 here')
}

test('an agent that was root has a cgroup of its own, which is gone when it has ended', async t => {
  if (!isRoot()) return t.skip('needs root')
  const { uid, gid } = databaseUser()
  const member = `test-${process.pid}`
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', PROGRAM]
  const child = spawn(node[0]!, [...node.slice(1), JSON.stringify({ uid, gid, member })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = await new Promise<string[]>(resolve => lines.once('line', text => resolve([text])))
  const { cgroup, oomScore } = JSON.parse(line!) as Started
  assert.ok(cgroup.endsWith(`/vigil-${member}`), cgroup)
  // Whatever its guard may do, the agent itself is as it was.
  assert.equal(oomScore, Number(readFileSync('/proc/self/oom_score_adj', 'utf8')))
  const path = join(mountOfCgroups(), cgroup)
  assert.equal(existsSync(path), true)
  child.kill('SIGKILL')
  await waitFor('it is removed', 20_000, () => !existsSync(path))
})
