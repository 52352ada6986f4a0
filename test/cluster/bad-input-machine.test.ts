// What is wrong with the file or with the machine ends the agent at once: with a sentence, and with nothing changed.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { databaseUser, giveTo, isRoot } from '../lab/database-user.ts'
import {
  type BadInputLab,
  type Change,
  type Ended,
  makeDataDirectory,
  makeDirectory,
  occupy,
  openLab,
  passed,
  type Seat,
  snapshot,
} from './bad-input-lab.ts'

let lab: BadInputLab
let seat: Seat
let failed = false

before(() => {
  // No etcd runs: nothing here may depend on it.
  lab = openLab(['amber'])
  seat = lab.seat('amber')
})
afterEach(context => {
  failed ||= !passed(context)
})
after(() => lab.close(failed))

interface Expected {
  readonly key: string | null
  readonly found: RegExp
  readonly fix: RegExp
}

/** Runs the agent with the change, and shows that it said so and touched nothing below its host's directory. */
async function refuses(change: Change | string, expected: Expected): Promise<Ended> {
  const file = seat.write(change)
  const earlier = snapshot(seat.dataDirectory)
  const stateThere = existsSync(seat.stateDirectory)
  const ended = await seat.run()
  const line = lineOf(ended.output, expected)
  console.log(`message: ${line}`)
  assert.equal(ended.status, 1, ended.output)
  if (expected.key !== null) assert.match(line, new RegExp(`^${file}(:\\d+)?: ${expected.key}: found `))
  assert.match(line, expected.found)
  assert.match(line, expected.fix)
  assert.equal(snapshot(seat.dataDirectory), earlier, 'the data directory is as it was')
  if (!stateThere) assert.equal(existsSync(join(seat.stateDirectory, 'member.json')), false)
  return ended
}

function lineOf(output: string, { key, found }: Expected): string {
  const lines = output.split('\n').filter(text => key === null || text.includes(` ${key}: `))
  return lines.find(text => found.test(text)) ?? output
}

/** The same message without an agent, with the exit code of a check. */
async function validates(expected: Expected): Promise<void> {
  const earlier = snapshot(seat.dataDirectory)
  const report = await seat.run('--validate-config')
  assert.equal(report.status, 1, report.output)
  assert.match(report.output, expected.found)
  assert.match(report.output, /not valid/)
  assert.equal(snapshot(seat.dataDirectory), earlier)
}

async function refusesAndValidates(change: Change, expected: Expected): Promise<void> {
  await refuses(change, expected)
  await validates(expected)
}

function fresh(): void {
  rmSync(seat.dataDirectory, { recursive: true, force: true })
  rmSync(seat.stateDirectory, { recursive: true, force: true })
}

test('a value of a wrong type', async () => {
  fresh()
  makeDataDirectory(seat.dataDirectory)
  const expected = { key: 'bootstrap.dcs.ttl', found: /found "ten"/, fix: /expected .*second/ }
  await refuses({ bootstrap: { dcs: { ttl: 'ten' } } }, expected)
})

test('an unknown key is an error of validation, with the nearest known one', async () => {
  seat.write({ postgresql: { data_dirr: '/srv/pg' } })
  const report = await seat.run('--validate-config')
  assert.equal(report.status, 1)
  assert.match(report.output, /postgresql\.data_dirr: found .*data_dir\b/)
})

test('a missing section', async () => {
  const expected = { key: 'postgresql', found: /found nothing/, fix: /listen, connect_address and data_dir/ }
  await refuses({ postgresql: null }, expected)
})

test('a file that is no YAML', async () => {
  await refuses('scope: "lab\nname: amber\n', { key: null, found: /found .*expected /, fix: /:\d+/ })
})

test('a file that does not exist', async () => {
  const file = seat.write()
  rmSync(file)
  const ended = await seat.run()
  assert.equal(ended.status, 1)
  assert.match(ended.output, /no such file/)
})

test('a data directory that may not be read', { skip: !isRoot() }, async () => {
  fresh()
  const closed = join(seat.host.directory, 'closed')
  mkdirSync(join(closed, 'data'), { recursive: true })
  chmodSync(closed, 0o700)
  const change = { postgresql: { data_dir: join(closed, 'data') } }
  await refusesAndValidates(change, {
    key: 'postgresql.data_dir',
    found: /can't read/,
    fix: /owner and mode/,
  })
  chmodSync(closed, 0o755)
  await refusesAndValidates(change, { key: 'postgresql.data_dir', found: /user root/, fix: /chown/ })
})

test('a data directory that lets others in', async () => {
  fresh()
  makeDataDirectory(seat.dataDirectory)
  chmodSync(seat.dataDirectory, 0o755)
  await refusesAndValidates({}, { key: 'postgresql.data_dir', found: /mode 0755/, fix: /chmod 0700/ })
})

test('a file where the data directory should be', async () => {
  fresh()
  writeFileSync(seat.dataDirectory, 'precious')
  await refusesAndValidates({}, { key: 'postgresql.data_dir', found: /is a file/, fix: /move the file away/ })
  rmSync(seat.dataDirectory)
})

test('a directory that is not empty and is no data directory', async () => {
  fresh()
  makeDirectory(seat.dataDirectory)
  writeFileSync(join(seat.dataDirectory, 'family-photos.tar'), 'precious')
  await refusesAndValidates(
    {},
    { key: 'postgresql.data_dir', found: /holds "family-photos.tar"/, fix: /elsewhere, or move/ },
  )
})

test('a data directory whose parents can not be made', { skip: !isRoot() }, async () => {
  fresh()
  const place = join(dirname(seat.host.directory), 'not-mounted', 'pg', 'data')
  mkdirSync(dirname(dirname(place)))
  const change = { postgresql: { data_dir: place } }
  await refusesAndValidates(change, { key: 'postgresql.data_dir', found: /can't be made/, fix: /mount it/ })
  assert.equal(existsSync(dirname(place)), false, 'nothing was made there')
})

test('programs of PostgreSQL that are not there', async () => {
  fresh()
  const change = { postgresql: { bin_dir: '/usr/lib/postgresql/99/bin' } }
  const found = /"\/usr\/lib\/postgresql\/99\/bin" without postgres, initdb/
  await refusesAndValidates(change, { key: 'postgresql.bin_dir', found, fix: /Install PostgreSQL/ })
})

test('a port of the REST interface that is in use', async () => {
  fresh()
  const port = seat.host.port('rest')
  const leave = await occupy('127.0.0.1', port)
  const found = new RegExp(`127.0.0.1:${port}, which is already in use`)
  await refusesAndValidates({}, { key: 'restapi.listen', found, fix: /ss -ltnp/ })
  await leave()
})

test('a port of PostgreSQL that is in use: nobody is elected to find that out', async () => {
  fresh()
  makeDataDirectory(seat.dataDirectory)
  const port = seat.host.port('postgres')
  const leave = await occupy('127.0.0.1', port)
  const found = new RegExp(`127.0.0.1:${port}, which is already in use`)
  await refusesAndValidates({}, { key: 'postgresql.listen', found, fix: /pg_lsclusters/ })
  await leave()
})

test('an address that this machine does not have', async () => {
  fresh()
  const change = { restapi: { listen: '192.0.2.1:8008', connect_address: '192.0.2.1:8008' } }
  await refuses(change, { key: 'restapi.listen', found: /EADDRNOTAVAIL/, fix: /address of this machine/ })
})

test('TLS files that are missing, or hold something else', async () => {
  fresh()
  const change = { restapi: { certfile: '/nonexistent/rest.pem' } }
  await refusesAndValidates(change, {
    key: 'restapi.certfile',
    found: /rest\.pem", which does/,
    fix: /correct/,
  })
  const junk = join(seat.host.directory, 'junk.pem')
  writeFileSync(junk, 'no certificate')
  giveTo(databaseUser(), junk)
  const store = { etcd3: { protocol: 'https', cacert: junk } }
  await refuses(store, { key: 'etcd3.cacert', found: /holds no PEM/, fix: /correct etcd3\.cacert/ })
})

test('a state directory that can not be written', { skip: !isRoot() }, async () => {
  fresh()
  mkdirSync(seat.stateDirectory)
  await refusesAndValidates({}, { key: 'vigil.state_dir', found: /can't write \(EACCES\)/, fix: /chown/ })
})

test('a state directory with a file in its place', async () => {
  fresh()
  writeFileSync(seat.stateDirectory, '')
  await refuses({}, { key: 'vigil.state_dir', found: /is in the way/, fix: /Move it away/ })
  rmSync(seat.stateDirectory)
})

test('a damaged memory of the member is not guessed at', async () => {
  fresh()
  makeDataDirectory(seat.dataDirectory)
  makeDirectory(seat.stateDirectory)
  const file = join(seat.stateDirectory, 'member.json')
  writeFileSync(file, '{"install": "a', { mode: 0o600 })
  giveTo(databaseUser(), file)
  const state = snapshot(seat.stateDirectory)
  await refuses({}, { key: null, found: /member\.json is damaged/, fix: /backup.*move it away/ })
  assert.equal(snapshot(seat.stateDirectory).includes('member.json.new'), false)
  assert.ok(snapshot(seat.stateDirectory).startsWith(state.split('\n')[0]!))
})

test('a store that does not answer is named by validation', async () => {
  fresh()
  seat.write()
  const report = await seat.run('--validate-config')
  assert.equal(report.status, 1)
  assert.match(
    report.output,
    /etcd3\.hosts: found http:\/\/127\.0\.0\.1:\d+, where the store does not answer/,
  )
  const machine = await seat.run('--validate-config', '--json')
  const { findings } = JSON.parse(machine.output) as { findings: readonly { key: string; code: string }[] }
  assert.deepEqual(
    findings.map(({ key, code }) => [key, code]).filter(([, code]) => code === 'environment'),
    [['etcd3.hosts', 'environment']],
  )
})

test('a secret of the file is in no message', async () => {
  const ended = await refuses(
    { postgresql: { authentication: { superuser: { password: ['canary-5'] } } } },
    { key: 'postgresql.authentication.superuser.password', found: /found/, fix: /expected/ },
  )
  assert.equal(ended.output.includes('canary-5'), false)
})
