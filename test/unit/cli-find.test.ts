// Which cluster a command means, with which password, and what it does not understand.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { guardedRest } from './api-world.ts'
import { type Lab, openLab, runIn } from './cli-world.ts'

const requestsOf = (lab: Lab) =>
  Object.fromEntries(
    Object.entries(lab.worlds).map(([name, world]) => [name, world.requests.map(({ kind }) => kind)]),
  )

const CONFIG = (port: string, more = '') => `
scope: main
name: amber
restapi:
  listen: 127.0.0.1:${port}
  connect_address: 127.0.0.1:${port}
${more}etcd3:
  hosts: [127.0.0.1:2379]
postgresql:
  listen: 127.0.0.1:5432
  connect_address: 127.0.0.1:5432
  data_dir: /var/lib/vigil/data
  authentication:
    superuser: {username: postgres, password: secret}
    replication: {username: replicator, password: secret}
`

async function withConfig(t: TestContext, more = '') {
  const lab = await openLab(t, { rest: guardedRest })
  const folder = mkdtempSync(join(tmpdir(), 'vigil-cli-config-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'amber.yml')
  writeFileSync(file, CONFIG(new URL(lab.urls.amber).port, more))
  return { lab, folder, file }
}

test('the password of the configuration goes with what changes something', async t => {
  const { lab, file } = await withConfig(t, '  authentication: {username: ada, password: correct horse}\n')
  const { exit, err } = await lab.vigil(['-c', file, 'reload', 'amber'], { url: null })
  assert.equal(exit, 0, err)
  assert.deepEqual(requestsOf(lab).amber, ['reload'])
})

test('without the password the answer says what to set, and not what it is', async t => {
  const { lab, file } = await withConfig(t)
  const { exit, err } = await lab.vigil(['-c', file, 'reload', 'amber'], { url: null })
  assert.equal(exit, 1)
  assert.match(err, /restapi\.authentication/)
  assert.deepEqual(requestsOf(lab).amber, [])
})

test('a configuration that cannot be read is exit status 1, with line and key', async t => {
  const { lab, file } = await withConfig(t)
  writeFileSync(file, 'scope: [main]\n')
  const { exit, err } = await lab.vigil(['-c', file, 'status'], { url: null })
  assert.equal(exit, 1)
  assert.match(err, /amber\.yml:1.*scope/)
})

test('the configuration is found: variable, running agent, /etc/vigil, /etc/patroni', async t => {
  const { lab, folder, file } = await withConfig(t)
  const empty = join(folder, 'empty')
  const proc = join(folder, 'proc')
  const etc = join(folder, 'etc')
  const old = join(folder, 'old')
  for (const path of [
    empty,
    join(proc, '4711'),
    join(proc, '4712'),
    join(etc, 'vigil'),
    join(old, 'patroni'),
  ])
    mkdirSync(path, { recursive: true })
  writeFileSync(join(proc, '4711/cmdline'), ['/usr/bin/node', '/opt/bin/vigild', 'amber.yml', ''].join('\0'))
  symlinkSync(folder, join(proc, '4711/cwd'))
  // An editor with a file of that name is no agent.
  writeFileSync(join(proc, '4712/cmdline'), ['vi', '/opt/bin/vigild', 'other.yml', ''].join('\0'))
  symlinkSync(file, join(etc, 'vigil/main.yml'))
  symlinkSync(file, join(old, 'patroni/main.yaml'))
  const found = async (terminal: Parameters<Lab['vigil']>[1]) =>
    (await lab.vigil(['version'], { url: null, places: { proc: empty, etc: empty }, ...terminal })).exit
  assert.equal(await found({ environment: { VIGIL_CONFIG_FILE: file } }), 0)
  assert.equal(await found({ environment: { PATRONICTL_CONFIG_FILE: file } }), 0)
  assert.equal(await found({ places: { proc, etc: empty } }), 0)
  assert.equal(await found({ places: { proc: empty, etc } }), 0)
  assert.equal(await found({ places: { proc: empty, etc: old } }), 0)
  assert.equal(await found({}), 3)
})

test('of several configurations none is chosen; they are listed', async t => {
  const { lab, folder, file } = await withConfig(t)
  mkdirSync(join(folder, 'etc/vigil'), { recursive: true })
  for (const name of ['a.yml', 'b.yml']) symlinkSync(file, join(folder, 'etc/vigil', name))
  const places = { proc: join(folder, 'none'), etc: join(folder, 'etc') }
  const { exit, err } = await lab.vigil(['status'], { url: null, places })
  assert.equal(exit, 3)
  assert.match(err, /a\.yml[\s\S]*b\.yml/)
})

for (const args of [
  ['bogus'],
  ['status', '--watch', 'soon'],
  ['failover', '--yes'],
  ['logs', '-n', '0'],
  ['status', '--colour'],
]) {
  test(`"${args.join(' ')}" is not understood: exit status 3`, async t => {
    const lab = await openLab(t)
    assert.equal((await lab.vigil(args)).exit, 3)
  })
}

test('without a verb the help is shown, and it is exit status 3', async t => {
  const { exit, out, err } = await runIn(t, [])
  assert.equal(exit, 3)
  assert.match(out + err, /Usage: vigil/)
})

test('help is exit status 0', async t => {
  for (const args of [['--help'], ['help', 'switchover'], ['restart', '--help']])
    assert.equal((await runIn(t, args)).exit, 0, args.join(' '))
})
