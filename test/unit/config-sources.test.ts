import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { loadConfig, parseConfig } from '../../src/config/load.ts'
import { localSettings } from '../../src/config/local-config.ts'
import { generateSampleConfig } from '../../src/config/sample.ts'
import { checkEnvironment, validateConfig } from '../../src/config/validate.ts'
import { effectiveSettings } from '../../src/core/settings.ts'

const directory = mkdtempSync(join(tmpdir(), 'vigil-config-'))
after(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const GOOD = generateSampleConfig()

test('a file that is not there is named', async () => {
  const { text, exitCode } = await validateConfig({ file: join(directory, 'absent.yml'), environment: {} })
  assert.equal(exitCode, 1)
  assert.match(text, /absent\.yml: found no such file, expected a YAML file/)
})

test('a file that this user may not read is named', async () => {
  const path = file('closed.yml', GOOD)
  chmodSync(path, 0)
  const root = process.geteuid?.() === 0
  // Root may read everything, so for a moment we are nobody.
  if (root) process.seteuid?.(65_534)
  try {
    const { text } = await validateConfig({ file: path, environment: {} })
    assert.match(text, /closed\.yml: found a file that this user may not read/)
  } finally {
    if (root) process.seteuid?.(0)
  }
})

test('the files of a directory are merged in order of their names, whatever else lies there', async () => {
  const folder = join(directory, 'parts')
  mkdirSync(folder)
  file('parts/10-base.yml', GOOD)
  file('parts/20-own.yaml', 'name: birch\npostgresql:\n  data_dir: /srv/birch\n')
  file('parts/30-backup.yml.bak', 'name: cedar\n')
  const { config } = await loadConfig({ file: folder, environment: {} })
  assert.equal(config?.name, 'birch')
  assert.equal(config?.postgresql.dataDir, '/srv/birch')
  assert.equal(config?.postgresql.listen.port, 5432)
})

test('a finding in a directory of files names the file that has it', async () => {
  const folder = join(directory, 'bad-parts')
  mkdirSync(folder)
  file('bad-parts/10-base.yml', GOOD)
  file('bad-parts/20-own.yml', 'tags:\n  nofailover: perhaps\n')
  const { findings } = await loadConfig({ file: folder, environment: {} })
  assert.deepEqual(
    findings.map(({ file: found, line, key }) => [found, line, key]),
    [[join(folder, '20-own.yml'), 2, 'tags.nofailover']],
  )
})

test('an empty directory is an error', async () => {
  const folder = join(directory, 'empty')
  mkdirSync(folder)
  const { config, findings } = await loadConfig({ file: folder, environment: {} })
  assert.equal(config, null)
  assert.equal(findings[0]?.code, 'unreadable')
})

test('without a file, a variable may hold the whole configuration', async () => {
  const { config } = await loadConfig({ file: null, environment: { PATRONI_CONFIGURATION: GOOD } })
  assert.equal(config?.name, 'amber')
})

test('with a file, the variable with a whole configuration is not read', async () => {
  const environment = { PATRONI_CONFIGURATION: GOOD.replace('amber', 'birch') }
  const { config } = await loadConfig({ file: file('good.yml', GOOD), environment })
  assert.equal(config?.name, 'amber')
})

const IN_VARIABLES = {
  PATRONI_SCOPE: 'main',
  PATRONI_NAME: 'amber',
  PATRONI_RESTAPI_LISTEN: '0.0.0.0:8008',
  PATRONI_RESTAPI_CONNECT_ADDRESS: '10.0.0.1:8008',
  PATRONI_RESTAPI_USERNAME: 'vigil',
  PATRONI_RESTAPI_PASSWORD: '0042',
  PATRONI_RESTAPI_ALLOWLIST: '10.0.0.0/8, db-admin',
  PATRONI_ETCD3_HOSTS: "'10.0.0.1:2379','10.0.0.2:2379'",
  PATRONI_POSTGRESQL_LISTEN: '0.0.0.0:5432',
  PATRONI_POSTGRESQL_CONNECT_ADDRESS: '10.0.0.1:5432',
  PATRONI_POSTGRESQL_DATA_DIR: '/srv/main',
  PATRONI_POSTGRESQL_BIN_PG_REWIND: 'pg_rewind15',
  PATRONI_SUPERUSER_USERNAME: 'postgres',
  PATRONI_SUPERUSER_PASSWORD: 'a: "b" #c',
  PATRONI_SUPERUSER_SSLMODE: 'require',
  PATRONI_LOGLEVEL: 'DEBUG',
}

const IN_A_FILE = `
scope: main
name: amber
restapi:
  listen: 0.0.0.0:8008
  connect_address: 10.0.0.1:8008
  authentication: {username: vigil, password: 0042}
  allowlist: [10.0.0.0/8, db-admin]
etcd3:
  hosts: [10.0.0.1:2379, 10.0.0.2:2379]
postgresql:
  listen: 0.0.0.0:5432
  connect_address: 10.0.0.1:5432
  data_dir: /srv/main
  bin_name: {pg_rewind: pg_rewind15}
  authentication:
    superuser: {username: postgres, password: 'a: "b" #c', sslmode: require}
log:
  level: DEBUG
`

test('variables alone give the same configuration as the file', () => {
  const fromFile = parseConfig([{ name: 'vigil.yml', text: IN_A_FILE }])
  const fromVariables = parseConfig([], IN_VARIABLES)
  assert.deepEqual(fromVariables.findings, [])
  assert.notEqual(fromVariables.config, null)
  assert.deepEqual(fromVariables.config, fromFile.config)
})

test('an older name of a variable gives way to the newer one', () => {
  const { config } = parseConfig([], {
    ...IN_VARIABLES,
    PATRONI_LOG_LEVEL: 'ERROR',
    PATRONI_LOGLEVEL: 'DEBUG',
  })
  assert.equal(config?.log.level, 'error')
})

test('variables win over the file', () => {
  const environment = { PATRONI_NAME: 'birch', PATRONI_SCOPE: '' }
  const { config } = parseConfig([{ name: 'vigil.yml', text: IN_A_FILE }], environment)
  assert.equal(config?.name, 'birch')
  assert.equal(config?.scope, 'main')
})

test('a finding about a variable names the variable', () => {
  const { findings } = parseConfig([], {
    ...IN_VARIABLES,
    PATRONI_RESTAPI_LISTEN: 'here:there',
    PATRONI_POSTGRES_LISTEN: '0.0.0.0:5432',
  })
  assert.deepEqual(
    findings.map(({ file: found, line, expected }) => [found, line, expected]),
    [
      ['PATRONI_POSTGRES_LISTEN', null, 'PATRONI_POSTGRESQL_LISTEN'],
      ['PATRONI_RESTAPI_LISTEN', null, 'HOST:PORT, or HOST,HOST:PORT, for example 0.0.0.0:8008'],
    ],
  )
})

test('a scalar written to the file and to a variable reads the same', () => {
  const plainText = fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/).filter(text => text !== '.' && text !== '..')
  fc.assert(
    fc.property(plainText, plainText, (name, password) => {
      const environment = { ...IN_VARIABLES, PATRONI_NAME: name, PATRONI_RESTAPI_PASSWORD: password }
      const text = IN_A_FILE.replace('name: amber', `name: ${JSON.stringify(name)}`).replace(
        'password: 0042',
        `password: ${JSON.stringify(password)}`,
      )
      const fromFile = parseConfig([{ name: 'vigil.yml', text }])
      assert.deepEqual(parseConfig([], environment).config, fromFile.config)
      assert.equal(fromFile.config?.restapi.authentication?.password, password)
    }),
    { numRuns: 100 },
  )
})

test('words of YAML 1.1 mean what Patroni takes them for, and text stays as it was written', () => {
  const text = IN_A_FILE.replace('password: 0042', 'password: 1_000e3').concat(
    'tags: {nofailover: yes, clonefrom: Off, zone: 2024-01-01, rack: 012, label: y}\n',
  )
  const { config } = parseConfig([{ name: 'vigil.yml', text }])
  assert.equal(config?.restapi.authentication?.password, '1_000e3')
  const { tags } = effectiveSettings({}, localSettings(config!, 7000)).settings
  assert.equal(tags.nofailover, true)
  assert.equal(tags.clonefrom, false)
  assert.deepEqual(tags.others, { zone: '2024-01-01', rack: 10, label: 'y' })
})

test('anchors and merge keys work as in Patroni', () => {
  const text = IN_A_FILE.replace('restapi:\n', 'restapi:\n  <<: *shared\n').concat('')
  const { config } = parseConfig([
    { name: 'vigil.yml', text: `log: &shared\n  level: INFO\n${text.replace(/log:\n.*\n$/s, '')}` },
  ])
  assert.equal(config?.log.level, 'info')
  assert.equal(config?.restapi.listen.port, 8008)
})

test('addresses are read with and without port, and with IPv6', () => {
  for (const [written, hosts, port] of [
    ['10.0.0.1', ['10.0.0.1'], 5432],
    ['*:6000', ['*'], 6000],
    ['10.0.0.1,127.0.0.1:6000', ['10.0.0.1', '127.0.0.1'], 6000],
    ['[::1]:6000', ['::1'], 6000],
    ['[2001:db8::7]', ['2001:db8::7'], 5432],
    ['2001:db8::7:6000', ['2001:db8::7'], 6000],
    ['::', ['::'], 5432],
    ['"::1"', ['::1'], 5432],
  ] as const) {
    const text = IN_A_FILE.replace(
      'listen: 0.0.0.0:5432',
      `listen: ${written.startsWith('[') || written === '*:6000' || written.startsWith(':') ? `"${written}"` : written}`,
    )
    const { config, findings } = parseConfig([{ name: 'vigil.yml', text }])
    assert.deepEqual(config?.postgresql.listen, { hosts, port }, `${written}: ${findings[0]?.found}`)
  }
})

test('the state directory lies beside the data, one for each member of each cluster', () => {
  const { config } = parseConfig([{ name: 'vigil.yml', text: IN_A_FILE }])
  assert.equal(config?.stateDir, '/srv/vigil-main-amber')
})

test('what a check finds on the machine stands at the line of its key', async () => {
  const loaded = parseConfig([{ name: 'vigil.yml', text: IN_A_FILE }])
  const problem = {
    severity: 'error',
    key: ['postgresql', 'data_dir'],
    found: 'nothing',
    expected: 'a directory',
    hint: '',
  } as const
  const findings = await checkEnvironment(loaded, [async () => [problem], async () => []])
  assert.deepEqual(
    findings.map(({ line, key, code }) => [line, key, code]),
    [
      [
        IN_A_FILE.split('\n').findIndex(text => text.includes('data_dir')) + 1,
        'postgresql.data_dir',
        'environment',
      ],
    ],
  )
})

test('the rules of bootstrap.pg_hba become dynamic, unless rules are given elsewhere', () => {
  const rules = ['host all all 10.0.0.0/8 md5']
  const bootstrap = `bootstrap:\n  pg_hba: ${JSON.stringify(rules)}\n`
  const dynamicRules = (text: string) => {
    const { config } = parseConfig([{ name: 'vigil.yml', text }])
    return (config?.bootstrap.dcs['postgresql'] as { pg_hba?: unknown } | undefined)?.pg_hba
  }
  assert.deepEqual(dynamicRules(IN_A_FILE + bootstrap), rules)
  const own = IN_A_FILE.replace('postgresql:\n', 'postgresql:\n  pg_hba: [local all all peer]\n')
  assert.equal(dynamicRules(own + bootstrap), undefined)
  const dynamic = `${IN_A_FILE}${bootstrap}  dcs: {postgresql: {pg_hba: [local all all peer]}}\n`
  assert.deepEqual(dynamicRules(dynamic), ['local all all peer'])
})

test('endpoints of the store become URLs', () => {
  for (const [written, endpoints] of [
    ['hosts: a:2379,b', ['http://a:2379', 'http://b:2379']],
    ['hosts: [https://a:443, "[::1]:2380"]', ['https://a:443', 'http://[::1]:2380']],
    ['{host: "a:80", protocol: https}', ['https://a:80']],
    ['url: http://a:80', ['http://a:80']],
  ] as const) {
    const text = IN_A_FILE.replace('etcd3:\n  hosts: [10.0.0.1:2379, 10.0.0.2:2379]', `etcd3:\n  ${written}`)
    const { config, findings } = parseConfig([{ name: 'vigil.yml', text }])
    assert.deepEqual(config?.store.endpoints, endpoints, findings[0]?.found)
  }
})
