import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { unifiedDiff } from '../../src/core/document-diff.ts'
import {
  checkDynamicConfig,
  isAcceptable,
  newClusterConfig,
  patchDynamicConfig,
  sameDocument,
} from '../../src/core/dynamic-config.ts'
import { editDistance, nearest } from '../../src/core/nearest.ts'
import { effectiveSettings, NO_LOCAL_SETTINGS } from '../../src/core/settings.ts'

const CURRENT = {
  ttl: 30,
  postgresql: { parameters: { work_mem: '4MB', max_connections: 100 } },
  slots: { a: { type: 'physical' } },
}

test('a patch merges mappings, replaces values and deletes with null', () => {
  const patch = {
    ttl: null,
    loop_wait: 5,
    postgresql: { parameters: { work_mem: null, jit: 'off' } },
    slots: { a: null },
  }
  assert.deepEqual(patchDynamicConfig(CURRENT, patch), {
    loop_wait: 5,
    postgresql: { parameters: { max_connections: 100, jit: 'off' } },
    slots: {},
  })
  assert.equal(CURRENT.ttl, 30)
})

test('a patch with what is there already changes nothing, and none can reach a prototype', () => {
  const json = fc.dictionary(
    fc.string(),
    fc.jsonValue().filter(value => value !== null),
  )
  fc.assert(
    fc.property(json, document => {
      assert.ok(
        sameDocument(
          patchDynamicConfig({}, patchDynamicConfig({}, document)),
          patchDynamicConfig({}, document),
        ),
      )
      assert.ok(sameDocument(patchDynamicConfig(document, {}), document))
    }),
  )
  const patch = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')
  patchDynamicConfig(JSON.parse('{"a": {}}'), patch)
  assert.equal(({} as { polluted?: number }).polluted, undefined)
})

test('a wrong value is a reason not to write, an unknown key is not', () => {
  assert.equal(isAcceptable(checkDynamicConfig({ ttl: 'long' })), false)
  assert.equal(isAcceptable(checkDynamicConfig({ postgresql: [] })), false)
  assert.equal(isAcceptable(checkDynamicConfig([])), false)
  const unknown = checkDynamicConfig({ tll: 30 })
  assert.equal(isAcceptable(unknown), true)
  assert.deepEqual(
    unknown.map(({ code, expected }) => [code, expected]),
    [['unknown-key', 'ttl']],
  )
})

test('a configuration of Patroni with everything in it can be written', () => {
  const findings = checkDynamicConfig({
    ttl: 30,
    loop_wait: 10,
    retry_timeout: 10,
    maximum_lag_on_failover: 1048576,
    master_start_timeout: 300,
    synchronous_mode: false,
    failsafe_mode: true,
    pause: null,
    standby_cluster: { host: '10.0.0.9', port: 5432 },
    slots: { audit: { type: 'logical', database: 'a', plugin: 'pgoutput' }, backup: null },
    ignore_slots: [{ name: 'x', type: 'physical' }],
    postgresql: {
      use_pg_rewind: true,
      parameters: { wal_level: 'hot_standby', archive_mode: true },
      pg_hba: ['local all all peer'],
    },
  })
  assert.equal(isAcceptable(findings), true)
  assert.deepEqual(
    findings.map(({ path, code }) => [path.join('.'), code]),
    [['standby_cluster', 'not-used-yet']],
  )
})

test('what is acceptable is also what the settings take without complaint', () => {
  const value = fc.oneof(
    fc.integer({ min: -5, max: 100 }),
    fc.constantFrom('on', 'quorum', '1MB', '5min', 'x'),
    fc.boolean(),
    fc.jsonValue(),
  )
  const keys = fc.constantFrom(
    'ttl',
    'loop_wait',
    'slots',
    'pause',
    'synchronous_mode',
    'ignore_slots',
    'member_slots_ttl',
    'standby_cluster',
  )
  fc.assert(
    fc.property(fc.dictionary(keys, value), document => {
      if (!isAcceptable(checkDynamicConfig(document))) return
      const { problems } = effectiveSettings(document, NO_LOCAL_SETTINGS)
      assert.deepEqual(
        problems.filter(problem => !problem.adjusted),
        [],
      )
    }),
    { numRuns: 500 },
  )
})

test('a new cluster gets fast timings and rewind, unless its file has timings', () => {
  const fresh = newClusterConfig({})
  assert.deepEqual([fresh['ttl'], fresh['loop_wait'], fresh['retry_timeout']], [10, 2, 3])
  assert.deepEqual(fresh['postgresql'], { use_pg_rewind: true, use_slots: true })
  const given = newClusterConfig({
    ttl: 40,
    postgresql: { use_pg_rewind: false, parameters: { jit: 'off' } },
  })
  assert.deepEqual([given['ttl'], given['loop_wait'], given['retry_timeout']], [40, 10, 10])
  assert.deepEqual(given['postgresql'], { use_pg_rewind: false, use_slots: true, parameters: { jit: 'off' } })
  assert.deepEqual(effectiveSettings(fresh, NO_LOCAL_SETTINGS).problems, [])
  assert.deepEqual(effectiveSettings(newClusterConfig({ ttl: 10 }), NO_LOCAL_SETTINGS).problems, [])
})

test('a difference is shown as diff -u shows it', () => {
  const before = 'a\nb\nc\nd\ne\nf\ng\nh\n'
  const after = 'a\nb\nC\nd\ne\nf\ng\nh\ni\n'
  assert.equal(
    unifiedDiff(before, after),
    [
      '--- before',
      '+++ after',
      '@@ -1,8 +1,9 @@',
      ' a',
      ' b',
      '-c',
      '+C',
      ' d',
      ' e',
      ' f',
      ' g',
      ' h',
      '+i',
    ].join('\n'),
  )
  assert.equal(unifiedDiff('a\n', 'a\n'), '')
  assert.equal(unifiedDiff('', 'a\n'), '--- before\n+++ after\n@@ -0,0 +1 @@\n+a')
})

test('a difference has every line of both texts that differ', () => {
  const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 })
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const diff = unifiedDiff(before.join('\n'), after.join('\n')).split('\n').slice(2)
      const balance =
        diff.filter(line => line.startsWith('+')).length - diff.filter(line => line.startsWith('-')).length
      const length = (part: readonly string[]) => (part.length === 0 ? 0 : part.length)
      assert.equal(balance, length(after) - length(before))
    }),
  )
})

test('the nearest known word is found, and none where none is near', () => {
  assert.equal(nearest('data_dri', ['data_dir', 'bin_dir']), 'data_dir')
  assert.equal(nearest('lsiten', ['listen', 'name']), 'listen')
  assert.equal(nearest('colour', ['listen', 'name']), null)
  assert.equal(editDistance('kitten', 'sitting'), 3)
  assert.equal(editDistance('ab', 'ba'), 1)
})

for (const [what, document, path, severity] of [
  ['strict without a mode', { synchronous_mode_strict: true }, 'synchronous_mode_strict', 'warning'],
  [
    'names of its own',
    { synchronous_mode: true, postgresql: { parameters: { synchronous_standby_names: '*' } } },
    'postgresql.parameters.synchronous_standby_names',
    'error',
  ],
  [
    'commits that wait for nobody',
    { synchronous_mode: 'quorum', postgresql: { parameters: { synchronous_commit: false } } },
    'postgresql.parameters.synchronous_commit',
    'error',
  ],
] as const)
  test(`a synchronous cluster with ${what} is a contradiction`, () => {
    const [finding, ...others] = checkDynamicConfig(document)
    assert.deepEqual([finding?.path.join('.'), finding?.severity, others.length], [path, severity, 0])
  })

test('what weakens commits is no contradiction where nobody is waited for, or where they wait anyway', () => {
  const weak = { postgresql: { parameters: { synchronous_commit: 'off', synchronous_standby_names: 'x' } } }
  assert.deepEqual(checkDynamicConfig({ synchronous_mode: 'off', ...weak }), [])
  const remote = { postgresql: { parameters: { synchronous_commit: 'remote_apply' } } }
  assert.deepEqual(
    checkDynamicConfig({ synchronous_mode: 'on', synchronous_mode_strict: true, ...remote }),
    [],
  )
})
