import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eachLeaf } from '../../src/config/check.ts'
import { isSecretKey } from '../../src/config/finding.ts'
import { parseConfig } from '../../src/config/load.ts'

test('no text crashes the reader, and none goes through without a finding or a configuration', () => {
  const yamlish = fc.stringMatching(/^[-:{}[\]&*!|>'"%@`#,?<~\sa-z0-9]{0,60}$/)
  const key = fc.constantFrom(
    'scope',
    'name',
    'restapi',
    'etcd',
    'postgresql',
    'bootstrap',
    'tags',
    'vigil',
    '<<',
  )
  const line = fc.tuple(key, fc.oneof(yamlish, fc.string())).map(([name, value]) => `${name}: ${value}`)
  const text = fc.oneof(
    yamlish,
    fc.string(),
    fc.array(line, { maxLength: 8 }).map(lines => lines.join('\n')),
  )
  fc.assert(
    fc.property(text, written => {
      const { config, findings } = parseConfig([{ name: 'vigil.yml', text: written }])
      assert.ok(config !== null || findings.some(finding => finding.severity === 'error'))
    }),
    { numRuns: 600 },
  )
})

test('no tree of values crashes the check', () => {
  const leaf = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.integer())
  const keys = fc.constantFrom(
    ...[
      'scope',
      'restapi',
      'listen',
      'etcd3',
      'hosts',
      'postgresql',
      'parameters',
      'pg_hba',
      'bootstrap',
      'dcs',
    ],
    ...[
      'initdb',
      'authentication',
      'superuser',
      'slots',
      'ttl',
      'tags',
      '__proto__',
      'constructor',
      'toString',
    ],
  )
  const { tree } = fc.letrec(tie => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.dictionary(keys, tie('tree'), { maxKeys: 8 }),
      fc.array(tie('tree'), { maxLength: 4 }),
    ),
  }))
  fc.assert(
    fc.property(fc.dictionary(keys, tree, { maxKeys: 8 }), document => {
      const { config, findings } = parseConfig([{ name: 'vigil.yml', text: JSON.stringify(document) }])
      assert.ok(config !== null || findings.some(finding => finding.severity === 'error'))
    }),
    { numRuns: 600 },
  )
})

test('text that would exhaust memory or stack is refused', () => {
  const levels = '['.repeat(20_000)
  const bomb = ['a: &a [1,1,1,1,1,1,1,1,1,1]', ...'bcdefg'.split('').map(aliases)].join('\n')
  const loop = 'a: &a {b: *a}'
  for (const text of [levels, bomb, loop, `a: "${'x'.repeat(2 << 20)}"`]) {
    const { config, findings } = parseConfig([{ name: 'vigil.yml', text }])
    assert.equal(config, null)
    assert.equal(findings[0]?.code, 'syntax')
  }
})

function aliases(name: string): string {
  const before = String.fromCharCode(name.charCodeAt(0) - 1)
  return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(',')}]`
}

test('no finding shows the value of a secret, whatever is wrong with it', () => {
  const secret = 's3cr3tvalue'
  const forms = [secret, [secret], { [secret]: 1 }, `${secret}\n`, { a: secret }]
  const paths: (readonly string[])[] = [['bootstrap', 'dcs', 'postgresql', 'parameters', 'my.password']]
  eachLeaf(path => {
    if (isSecretKey(path.join('.'))) paths.push(path)
  })
  assert.ok(paths.length > 10)
  for (const path of paths) {
    for (const form of forms) {
      const document = path.reduceRight<unknown>((value, key) => ({ [key]: value }), form)
      const { findings } = parseConfig([{ name: 'vigil.yml', text: JSON.stringify(document) }])
      assert.ok(!JSON.stringify(findings).includes(secret), path.join('.'))
    }
  }
  const inside = {
    etcd3: { url: `http://u:${secret}@h@x:1`, hosts: [`http://u:${secret}@h`] },
    postgresql: {
      parameters: { primary_conninfo: `host=a password=${secret}`, port: `postgres://u:${secret}@h` },
    },
  }
  const { findings } = parseConfig([{ name: 'vigil.yml', text: JSON.stringify(inside) }])
  assert.ok(findings.length >= 4)
  assert.ok(!JSON.stringify(findings).includes(secret), JSON.stringify(findings))
})
