import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import { reportFindings } from '../../src/config/validate.ts'
import { golden } from '../golden/config/golden.ts'

const GOOD = `scope: main
name: amber
restapi:
  listen: 0.0.0.0:8008
  connect_address: 10.0.0.1:8008
etcd3:
  hosts: 10.0.0.1:2379
postgresql:
  listen: 0.0.0.0:5432
  connect_address: 10.0.0.1:5432
  data_dir: /var/lib/postgresql/15/main
`

/** The good file with `from` replaced, or with `to` at its end. */
function changed(from: string | null, to: string): string {
  assert.ok(from === null || GOOD.includes(from))
  return from === null ? GOOD + to : GOOD.replace(from, to)
}

const CASES: Readonly<Record<string, string>> = {
  'wrong-type-section': changed('  hosts: 10.0.0.1:2379\n', '  - 10.0.0.1:2379\n'),
  'wrong-type-value': changed(
    null,
    'tags:\n  nofailover: maybe\n  failover_priority: high\n  replicatefrom: [a]\n',
  ),
  'unknown-key': changed('data_dir', 'dataa_dir'),
  'unknown-key-elsewhere': changed(null, 'ttl: 30\ndata_dir: /x\nsomething_else: 1\n'),
  'missing-section': 'scope: main\nname: amber\n',
  'missing-keys': 'restapi: {}\npostgresql:\n  listen: 0.0.0.0\netcd3:\n  protocol: http\n',
  'missing-etcd': changed('etcd3:\n  hosts: 10.0.0.1:2379', 'consul:\n  host: 10.0.0.1:8500'),
  'bad-address': changed('listen: 0.0.0.0:5432', 'listen: 0.0.0.0:70000'),
  'bad-connect-address': changed('10.0.0.1:8008', '0.0.0.0:8008'),
  'loopback-connect-address': changed('10.0.0.1:5432', '127.0.0.1:5432'),
  'same-port': changed('0.0.0.0:8008', '0.0.0.0:5432'),
  'bad-names': changed(
    'scope: main\nname: amber',
    'scope: a/b\nname: __patroni_strict_sync_replica_placeholder__',
  ),
  'control-character': changed('name: amber', 'name: "am\\u0007ber"'),
  'relative-data-directory': changed('/var/lib/postgresql/15/main', 'data/main'),
  'state-inside-data': changed(null, 'vigil:\n  state_dir: /var/lib/postgresql/15/main/vigil\n'),
  tab: changed('  hosts', '\thosts'),
  'duplicate-key': changed(null, 'name: birch\n'),
  'unclosed-quote': changed('amber', '"amber'),
  'two-colons': changed('name: amber', 'name: amber: birch'),
  'two-documents': changed(null, '---\nname: birch\n'),
  'empty-file': '# nothing yet\n',
  'a-list': '- scope\n- name\n',
  'secret-of-wrong-type': changed(
    null,
    'ctl:\n  authentication:\n    username: vigil\n    password: [hunter2]\n    pasword: hunter2\n',
  ),
  'secret-in-broken-yaml': changed(null, 'ctl:\n  keyfile_password: |hunter2\n  insecure: *hunter2\n'),
  'half-of-credentials': changed(
    '  listen: 0.0.0.0:8008',
    '  listen: 0.0.0.0:8008\n  authentication:\n    username: vigil',
  ),
  'not-used-yet': changed(
    null,
    'watchdog:\n  driver: testing\nlog:\n  traceback_level: ERROR\n  format: "%(message)s"\n',
  ),
  'dynamic-part': changed(
    null,
    [
      'bootstrap:',
      '  method: wal_e',
      '  dcs:',
      '    ttl: 3',
      '    loop_wait: soon',
      '    retry_timout: 10',
      '    synchronous_mode: true',
      '    use_pg_rewind: true',
      '    postgresql:',
      '      data_dir: /x',
      '      parameters:',
      '        max_connections: 10',
      '        listen_addresses: "*"',
      '        "work_mem; x": 1',
      '  initdb:',
      '    - encoding: UTF8',
      '    - pgdata: /x',
      '',
    ].join('\n'),
  ),
  'local-parameters': changed(
    null,
    '  parameters:\n    max_connections: 300\n    port: 5433\n    work_mem: 4MB\n    archive_command: "a\\nb"\n',
  ),
  'pg-hba': changed(
    null,
    '  pg_hba:\n    - host all all 10.0.0.0/8 md5\n    - hots all all all md5\n    - a: b\n',
  ),
  'tls-contradictions': changed(
    '  hosts: 10.0.0.1:2379',
    '  hosts: 10.0.0.1:2379\n  cacert: /etc/ca.crt\n  protocol: ftp',
  ).replace('restapi:', 'restapi:\n  verify_client: required'),
  'tags-that-disagree': changed(
    null,
    'tags:\n  nofailover: false\n  failover_priority: 0\n  replicatefrom: amber\n',
  ),
}

for (const [name, text] of Object.entries(CASES)) {
  test(`bad input is named with its line: ${name}`, () => {
    const { config, findings } = parseConfig([{ name: 'vigil.yml', text }])
    const { text: report, exitCode } = reportFindings(findings, { file: 'vigil.yml' })
    assert.equal(
      config === null,
      findings.some(finding => finding.severity === 'error'),
    )
    assert.ok(findings.length > 0)
    assert.ok(!report.includes('hunter2'), 'a secret is shown')
    const numbered = text
      .trimEnd()
      .split('\n')
      .map((line, index) => `${index + 1}\t${line}`)
    golden(`test/golden/config/${name}.txt`, `${numbered.join('\n')}\n\n${report}\nexit code ${exitCode}\n`)
  })
}

test('the file that the cases are made from has nothing wrong', () => {
  assert.deepEqual(parseConfig([{ name: 'vigil.yml', text: GOOD }]).findings, [])
})

test('the same findings come as JSON', () => {
  const { findings } = parseConfig([{ name: 'vigil.yml', text: CASES['unknown-key']! }])
  const { text, exitCode } = reportFindings(findings, { file: 'vigil.yml', json: true })
  assert.equal(exitCode, 1)
  const report = JSON.parse(text) as {
    valid: boolean
    findings: { key: string; line: number; expected: string }[]
  }
  assert.equal(report.valid, false)
  const unknown = report.findings.find(finding => finding.key === 'postgresql.dataa_dir')
  assert.equal(unknown?.line, 11)
  assert.equal(unknown?.expected, 'data_dir')
})
