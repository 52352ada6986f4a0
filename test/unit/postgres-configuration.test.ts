// Quoting and refusing: lines of configuration files, options of programs, verifiers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ProgramOption } from '../../src/core/setting-kind.ts'
import { splitAutoConfiguration } from '../../src/engines/postgres/auto-configuration.ts'
import { parseProgress } from '../../src/engines/postgres/basebackup.ts'
import { words } from '../../src/engines/postgres/cluster-roles.ts'
import { closedHba, configuredHba, defaultHba, identFile } from '../../src/engines/postgres/hba.ts'
import {
  commandLineParameters,
  fileParameters,
  parameterLine,
} from '../../src/engines/postgres/parameters.ts'
import { pendingRestart } from '../../src/engines/postgres/pending-restart.ts'
import { programArguments } from '../../src/engines/postgres/program-options.ts'
import { childEnvironment } from '../../src/engines/postgres/run.ts'
import { scramVerifier, verifies } from '../../src/engines/postgres/scram.ts'
import { alterRole } from '../../src/engines/postgres/sql.ts'
import { isVigilError } from '../../src/kernel/errors.ts'

const invalid = (error: unknown) => isVigilError(error, 'CONFIG_INVALID')
const people = {
  superuser: { username: 'postgres', password: 'x' },
  replication: { username: 'replicator', password: 'x' },
  account: 'postgres',
}

test('a value in postgresql.conf is read back by its rules and stays on its line', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("'", '\\', 'a', ' ', '#', '=') }), value => {
      const line = parameterLine('x', value)
      const match = /^x = '((?:[^'\\]|''|\\\\)*)'$/.exec(line)
      assert.ok(match, line)
      assert.equal(
        match[1]!.replace(/''|\\\\/g, pair => pair[0]!),
        value,
      )
    }),
  )
})

test('what belongs to the engine is not taken from the configuration, and names are checked', () => {
  const parameters = fileParameters({
    Listen_Addresses: '*',
    primary_conninfo: 'host=evil',
    recovery_target_time: 'now',
    restart_after_crash: 'on',
    'my.setting': 'x',
    Work_Mem: '5MB',
  })
  assert.equal(parameters['listen_addresses'], undefined)
  assert.equal(parameters['primary_conninfo'], undefined)
  assert.equal(parameters['recovery_target_time'], undefined)
  assert.equal(parameters['restart_after_crash'], 'off')
  assert.equal(parameters['my.setting'], 'x')
  assert.equal(parameters['work_mem'], '5MB')
  const refused: readonly Record<string, string>[] = [
    { 'a b': '1' },
    { '': '1' },
    { "a'": '1' },
    { a: 'x\ny' },
    { a: '\u0000' },
  ]
  for (const bad of refused) assert.throws(() => fileParameters(bad), invalid)
})

test('on the command line a standby never goes below what its primary had', () => {
  const parameters = commandLineParameters(
    { max_connections: '50', max_wal_senders: '20' },
    { max_connections: 100, max_wal_senders: 10 },
  )
  assert.equal(parameters['max_connections'], '100')
  assert.equal(parameters['max_wal_senders'], '20')
  assert.equal(parameters['restart_after_crash'], 'off')
})

test('the agent is let in over the socket unless the configuration speaks of the socket itself', () => {
  const tcpOnly = configuredHba(['host all all 0.0.0.0/0\tscram-sha-256'], people).split('\n')
  assert.match(tcpOnly[1]!, /^local\s+all\s+"postgres"\s+scram-sha-256$/)
  assert.match(tcpOnly[3]!, /^host all all/)
  assert.doesNotMatch(configuredHba(['local all all peer'], people), /"postgres"/)
  assert.match(
    defaultHba({ ...people, superuser: { username: 'postgres', password: null } }),
    /"postgres"\s+peer$/m,
  )
  const foreign = { ...people, superuser: { username: 'admin', password: null }, account: 'vigil' }
  assert.match(defaultHba(foreign), /"admin"\s+peer map=vigil$/m)
  assert.match(identFile(null, foreign), /^vigil "vigil" "admin"$/m)
})

test('lines that would become two, and names that would become other words, are refused', () => {
  assert.throws(() => configuredHba(['local all all peer\nhost all all all trust'], people), invalid)
  assert.throws(() => identFile(['a b c\r'], people), invalid)
  assert.throws(() => defaultHba({ ...people, replication: { username: 'a" all', password: null } }), invalid)
})

test('recovery and synchronous settings leave postgresql.auto.conf, everything else stays as it was', () => {
  const text =
    "# Do not edit\nwork_mem = '5MB'\nprimary_conninfo = 'host=a'\nRecovery_Target_Lsn='0/1'\nsynchronous_standby_names 'x'\n"
  const { kept, removed } = splitAutoConfiguration(text)
  assert.equal(kept, "# Do not edit\nwork_mem = '5MB'\n")
  assert.deepEqual(removed, ['primary_conninfo', 'recovery_target_lsn', 'synchronous_standby_names'])
})

test('options of programs become long options, and those that are ours are refused', () => {
  const options: readonly ProgramOption[] = [
    'data-checksums',
    { encoding: 'UTF8', locale: 'C' },
    '--verbose',
    { 'allow-group-access': 'false' },
  ]
  assert.deepEqual(programArguments('k', options, []), [
    '--data-checksums',
    '--encoding=UTF8',
    '--locale=C',
    '--verbose',
  ])
  const refused: readonly ProgramOption[] = [
    'pgdata=/x',
    { pgdata: '/x' },
    '-D/x',
    { 'a b': '1' },
    { locale: 'x\ny' },
  ]
  for (const bad of refused) assert.throws(() => programArguments('k', [bad], ['pgdata']), invalid)
})

test('a verifier is recognised as of its password and of no other', async () => {
  const verifier = await scramVerifier("pass'word\\ ü")
  assert.equal(await verifies(verifier, "pass'word\\ ü"), true)
  assert.equal(await verifies(verifier, 'other'), false)
  assert.equal(await verifies('md5abc', 'other'), false)
  assert.equal(await verifies(null, 'other'), false)
  // The example of RFC 7677 has the password "pencil", this salt and 4096 rounds.
  const rfc =
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU='
  assert.equal(await verifies(rfc, 'pencil'), true)
})

test('names of roles are quoted', () => {
  assert.equal(alterRole('a"; drop', 'LOGIN', "x'y"), `ALTER ROLE "a""; drop" WITH LOGIN PASSWORD 'x''y'`)
})

test('a command is split as a shell would split it, without one', () => {
  assert.deepEqual(words(`/opt/do  it 'a b' "c \\"d\\"" e\\ f "$HOME;x"`), [
    '/opt/do',
    'it',
    'a b',
    'c "d"',
    'e f',
    '$HOME;x',
  ])
  assert.deepEqual(words(`a=''b ""`), ['a=b', ''])
  assert.throws(() => words(`x 'y`), invalid)
})

test('progress is read from the lines of pg_basebackup, other lines are not progress', () => {
  assert.deepEqual(parseProgress('   1024/4096 kB (25%), 0/1 tablespace'), {
    bytesDone: 1048576,
    bytesTotal: 4194304,
  })
  assert.equal(parseProgress('pg_basebackup: error: no'), null)
})

test('children inherit neither secrets nor what changes their loading', () => {
  const inherited = {
    PATH: '/bin',
    LANG: 'C',
    PGPASSWORD: 'x',
    PATRONI_X: 'x',
    VIGIL_X: 'x',
    NODE_OPTIONS: 'x',
    LD_PRELOAD: 'x',
    NOTIFY_SOCKET: 'x',
    KUBERNETES_X: 'x',
    AWS_X: 'kept',
    LD_LIBRARY_PATH: '/l',
    EMPTY: undefined,
  }
  assert.deepEqual(childEnvironment(inherited, { LC_ALL: 'C' }), {
    PATH: '/bin',
    LANG: 'C',
    AWS_X: 'kept',
    LD_LIBRARY_PATH: '/l',
    LC_ALL: 'C',
  })
})

test('of the command line only what differs waits for a restart', () => {
  const pending = pendingRestart({
    reported: [{ name: 'shared_buffers', value: '16MB' }],
    files: { shared_buffers: '32MB' },
    commandLine: { max_connections: '100', wal_log_hints: 'on', hot_standby: 'on', max_wal_senders: '10' },
    owned: {
      max_connections: '50',
      wal_log_hints: 'true',
      hot_standby: 'on',
      max_wal_senders: '10',
      absent: '1',
    },
  })
  assert.deepEqual(pending, {
    shared_buffers: { oldValue: '16MB', newValue: '32MB' },
    max_connections: { oldValue: '100', newValue: '50' },
  })
})

test('before others may look only agents and standbys are let in, by the lines that let them in anyway', () => {
  const people = {
    superuser: { username: 'postgres', password: 'x' },
    replication: { username: 'replicator', password: 'x' },
    rewind: { username: 'rewind_user', password: 'x' },
    account: 'postgres',
  }
  const open = [
    '# kept',
    'local all all peer',
    'hostssl replication replicator 10.0.0.0/8 cert',
    'host app,other "app user",rewind_user 10.0.0.0/8 md5',
    'host all all 0.0.0.0/0\tscram-sha-256',
    'host all app 0.0.0.0/0 trust',
  ].join('\n')
  const closed = closedHba(open, people).trimEnd().split('\n').slice(1)
  assert.deepEqual(closed, [
    '# kept',
    'local all all peer',
    'hostssl replication "replicator" 10.0.0.0/8 cert',
    'host app,other "rewind_user" 10.0.0.0/8 md5',
    'host all "postgres","replicator","rewind_user" 0.0.0.0/0\tscram-sha-256',
    'host all all all reject',
  ])
})
