// What the command line changes: questions, dry runs, exit statuses, and which member is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lab, openLab } from './cli-world.ts'

const requestsOf = (lab: Lab) =>
  Object.fromEntries(
    Object.entries(lab.worlds).map(([name, world]) => [name, world.requests.map(({ kind }) => kind)]),
  )

const LATER = '2030-06-01T00:00:00Z'

const HURTING = [
  ['switchover', '--scheduled', LATER],
  ['failover', '--candidate', 'birch'],
  ['restart'],
  ['restart', 'birch'],
  ['reinit', 'birch'],
  ['edit-config', '-s', 'ttl=20'],
  ['pause'],
] as const

for (const args of HURTING) {
  test(`without a terminal "${args.join(' ')}" needs --yes: exit status 3, a sentence, and nothing is done`, async t => {
    const lab = await openLab(t)
    const revision = lab.worlds.amber.store.revision
    for (const more of [[], ['--json']]) {
      const { exit, err } = await lab.vigil([...args, ...more])
      assert.equal(exit, 3)
      assert.match(err, /--yes/)
    }
    assert.equal(lab.worlds.amber.store.revision, revision)
    assert.deepEqual(requestsOf(lab), { amber: [], birch: [], cedar: [] })
  })

  test(`"${args.join(' ')}" answered with no is exit status 1, and nothing is done`, async t => {
    const lab = await openLab(t)
    const revision = lab.worlds.amber.store.revision
    const answers = args[0] === 'switchover' ? ['', 'n'] : ['n']
    const { exit, asked } = await lab.vigil(args, { answers })
    assert.equal(exit, 1)
    assert.match(asked.at(-1)!, /\[y\/N\] $/)
    assert.equal(lab.worlds.amber.store.revision, revision)
    assert.deepEqual(requestsOf(lab), { amber: [], birch: [], cedar: [] })
  })

  test(`a dry run of "${args.join(' ')}" asks nothing, does nothing, and says what would happen`, async t => {
    const lab = await openLab(t)
    const revision = lab.worlds.amber.store.revision
    const { exit, out } = await lab.vigil([...args, '--dry-run'])
    assert.equal(exit, 0, out)
    assert.match(out, /Dry run: would /)
    assert.equal(lab.worlds.amber.store.revision, revision)
    assert.deepEqual(requestsOf(lab), { amber: [], birch: [], cedar: [] })
  })
}

test('a switchover asks for a candidate and then whether, and is filed at the leader', async t => {
  const lab = await openLab(t)
  const { exit, out, asked } = await lab.vigil(['switchover', '--scheduled', LATER], {
    answers: ['cedar', 'yes'],
    url: lab.urls.birch,
  })
  assert.equal(exit, 0)
  assert.equal(out, 'Switchover scheduled\n')
  assert.equal(asked.length, 2)
  assert.deepEqual(lab.worlds.amber.failover(), {
    leader: 'amber',
    member: 'cedar',
    scheduled_at: '2030-06-01T00:00:00.000+00:00',
  })
})

test('a scheduled switchover is withdrawn with --cancel', async t => {
  const lab = await openLab(t)
  await lab.vigil(['switchover', '--scheduled', LATER, '--yes'])
  assert.equal((await lab.vigil(['switchover', '--cancel'])).exit, 0)
  assert.deepEqual(lab.worlds.amber.failover(), {})
  assert.equal((await lab.vigil(['switchover', '--cancel'])).exit, 1)
})

test('a refusal is exit status 1, with the member’s words', async t => {
  const lab = await openLab(t)
  const { exit, err } = await lab.vigil(['switchover', '--candidate', 'dogwood', '--yes'])
  assert.equal(exit, 1)
  assert.match(err, /There is no member dogwood/)
  const json = await lab.vigil(['switchover', '--candidate', 'dogwood', '--yes', '--json'])
  assert.deepEqual(JSON.parse(json.out), {
    ok: false,
    member: 'amber',
    status: 412,
    message: 'There is no member dogwood',
  })
})

test('a restart of all takes the standbys first and the leader last', async t => {
  const lab = await openLab(t)
  const { exit, out } = await lab.vigil(['restart', '--yes'])
  assert.equal(exit, 0)
  assert.deepEqual(
    out
      .split('\n')
      .slice(0, 3)
      .map(line => line.split(':')[0]),
    ['birch', 'cedar', 'amber'],
  )
  assert.deepEqual(requestsOf(lab), { amber: ['restart'], birch: ['restart'], cedar: ['restart'] })
})

test('a restart that fails on one member ends there, and says who was not asked', async t => {
  const lab = await openLab(t)
  lab.worlds.birch.outcome(Promise.resolve({ kind: 'refused', text: 'a clone is running' }))
  const { exit, out } = await lab.vigil(['restart', '--yes', '--json'])
  assert.equal(exit, 1)
  const outcomes = JSON.parse(out) as { member: string; ok: boolean; message: string }[]
  assert.deepEqual(
    outcomes.map(({ member, ok, message }) => [member, ok, message]),
    [
      ['birch', false, 'a clone is running'],
      ['cedar', false, 'not asked'],
      ['amber', false, 'not asked'],
    ],
  )
  assert.deepEqual(requestsOf(lab), { amber: [], birch: ['restart'], cedar: [] })
})

test('restart --pending asks only the members that wait for one', async t => {
  const pendingRestart = { max_connections: { oldValue: '100', newValue: '200' } }
  const lab = await openLab(t, { views: { cedar: { pendingRestart } } })
  assert.equal((await lab.vigil(['restart', '--pending', '--yes'])).exit, 0)
  assert.deepEqual(requestsOf(lab), { amber: [], birch: [], cedar: ['restart'] })
  const none = await lab.vigil(['restart', 'birch', '--pending', '--yes'])
  assert.deepEqual([none.exit, none.out], [0, 'No member waits for a restart\n'])
})

test('members are chosen by name and by role, and a name that nobody has is exit status 3', async t => {
  const lab = await openLab(t)
  await lab.vigil(['reload', 'cedar'])
  assert.deepEqual(requestsOf(lab), { amber: [], birch: [], cedar: ['reload'] })
  await lab.vigil(['reload', 'main', '--role', 'replica'])
  assert.deepEqual(requestsOf(lab), { amber: [], birch: ['reload'], cedar: ['reload', 'reload'] })
  await lab.vigil(['reload', '--role', 'leader'])
  assert.deepEqual(requestsOf(lab).amber, ['reload'])
  for (const args of [['reload', 'dogwood'], ['restart', '--role', 'boss', '--yes'], ['reinit']])
    assert.equal((await lab.vigil(args)).exit, 3, args.join(' '))
})

test('a member that does not answer fails its own restart only by name', async t => {
  const lab = await openLab(t, { dead: ['cedar'] })
  const { exit, err } = await lab.vigil(['reload', 'birch'])
  assert.equal(exit, 0, err)
})

test('a new copy is asked of the standby that is named', async t => {
  const lab = await openLab(t)
  const { exit, out } = await lab.vigil(['reinit', 'birch', '--from-leader', '--yes'])
  assert.equal(exit, 0)
  assert.equal(out, 'reinitialize started\n')
  assert.deepEqual(
    { ...lab.worlds.birch.requests[0], id: '' },
    { kind: 'reinitialise', id: '', force: false, fromLeader: true },
  )
  assert.equal((await lab.vigil(['reinit', 'amber', '--yes'])).exit, 1)
})

// --- configuration ---

const stored = ({ worlds: { amber } }: Lab) => JSON.parse(amber.store.entries.get(amber.keys.config)!.value)

test('edit-config shows the differences, asks, and writes', async t => {
  const lab = await openLab(t)
  const { exit, out } = await lab.vigil(
    ['edit-config', '-s', 'ttl=20', '-s', 'loop_wait=', '-p', 'work_mem=16MB'],
    { answers: ['y'] },
  )
  assert.equal(exit, 0, out)
  assert.match(out, /^--- current\n\+\+\+ new\n/)
  assert.match(out, /^-ttl: 10$/m)
  assert.match(out, /^\+ttl: 20$/m)
  assert.deepEqual(stored(lab), { ttl: 20, postgresql: { parameters: { work_mem: '16MB' } } })
})

test('edit-config in an editor writes what was edited', async t => {
  const lab = await openLab(t)
  const edit = (text: string) => text.replace('loop_wait: 2', 'loop_wait: 3')
  const { exit } = await lab.vigil(['edit-config'], { answers: ['y'], edit })
  assert.equal(exit, 0)
  assert.equal(stored(lab).loop_wait, 3)
})

test('an edit that changes nothing asks nothing', async t => {
  const lab = await openLab(t)
  const { exit, out } = await lab.vigil(['edit-config'], { answers: [] })
  assert.deepEqual([exit, out], [0, 'Nothing changes\n'])
})

test('edit-config takes a patch or the whole from standard input', async t => {
  const lab = await openLab(t)
  assert.equal(
    (await lab.vigil(['edit-config', '--apply', '-', '--yes', '-q'], { input: 'ttl: 25\nloop_wait: null\n' }))
      .exit,
    0,
  )
  assert.deepEqual(stored(lab), { ttl: 25, postgresql: { parameters: { work_mem: '4MB' } } })
})

test('edit-config --replace puts the whole in its place', async t => {
  const lab = await openLab(t)
  assert.equal((await lab.vigil(['edit-config', '--replace', '-', '--yes'], { input: 'ttl: 25\n' })).exit, 0)
  assert.deepEqual(stored(lab), { ttl: 25 })
})

test('a value that cannot be used is refused before the question', async t => {
  const lab = await openLab(t)
  const { exit, err, asked } = await lab.vigil(['edit-config', '-s', 'ttl=soon'], { answers: [] })
  assert.equal(exit, 1)
  assert.match(err, /ttl: found soon/)
  assert.deepEqual(asked, [])
})

for (const args of [['-s', 'ttl'], ['-s', '=20'], ['--apply', '-'], []]) {
  test(`edit-config ${args.join(' ')} without a terminal is exit status 3`, async t => {
    const lab = await openLab(t)
    assert.equal((await lab.vigil(['edit-config', ...args], { input: '- a list' })).exit, 3)
  })
}

test('somebody else’s change in between is not written over', async t => {
  const lab = await openLab(t, { cluster: { config: { value: { ttl: 10 }, modRevision: 1n } } })
  const { exit, err } = await lab.vigil(['edit-config', '-s', 'ttl=20', '--yes'])
  assert.equal(exit, 1)
  assert.match(err, /has changed since it was read/)
  assert.equal(stored(lab).ttl, 10)
})

test('show-config is YAML, or JSON', async t => {
  const lab = await openLab(t)
  assert.equal(
    (await lab.vigil(['show-config'])).out,
    'ttl: 10\nloop_wait: 2\npostgresql:\n  parameters:\n    work_mem: 4MB\n',
  )
  assert.equal(JSON.parse((await lab.vigil(['show-config', '--json'])).out).ttl, 10)
})

test('pause and resume write the key, and say so when it is there already', async t => {
  const lab = await openLab(t)
  assert.equal((await lab.vigil(['pause', '--yes'])).out, 'Maintenance mode is on\n')
  assert.equal(stored(lab).pause, true)
  assert.equal((await lab.vigil(['resume'])).out, 'Maintenance mode is off already\n')
})

test('reinit --wait ends when the new copy streams, not while the old one still does', async t => {
  const lab = await openLab(t)
  const shown = lab.worlds.birch.desk.agent.latest()!.view
  const answer = lab.vigil(['reinit', 'birch', '--yes', '--wait'])
  let ended = false
  void answer.then(() => {
    ended = true
  })
  await new Promise(resolve => setTimeout(resolve, 2500))
  assert.equal(ended, false)
  lab.worlds.birch.show(() => ({ ...shown, remembered: { ...shown.remembered, seat: 's-new' } }))
  assert.equal((await answer).exit, 0)
})

test('reinit --wait fails with the reason when the copy fails', async t => {
  const lab = await openLab(t)
  const shown = lab.worlds.birch.desk.agent.latest()!.view
  const now = shown.now
  lab.worlds.birch.show(() => ({
    ...shown,
    job: {
      order: { kind: 'clone', from: { name: 'amber', host: 'h', port: 1 }, systemIdentifier: '7', seat: 's' },
      startedAt: now,
      progress: null,
      state: 'failed',
      reason: 'no space left on device',
      endedAt: now,
    },
  }))
  const { exit, err } = await lab.vigil(['reinit', 'birch', '--yes', '--wait'])
  assert.equal(exit, 1)
  assert.match(err, /birch: no space left on device/)
})
