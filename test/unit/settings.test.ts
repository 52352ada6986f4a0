import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  DEFAULT_SETTINGS,
  effectiveSettings,
  type LocalSettings,
  NO_LOCAL_SETTINGS,
} from '../../src/core/settings.ts'
import { NO_TAGS, publishedTags, readTags } from '../../src/core/tags.ts'
import { adjustTimeouts, TTL_FLOOR_FENCED_MS, TTL_FLOOR_MS } from '../../src/core/timeouts.ts'

function local(change: Partial<LocalSettings> = {}): LocalSettings {
  return { ...NO_LOCAL_SETTINGS, ...change }
}

test('an unconfigured cluster has the defaults of Patroni', () => {
  const { settings, problems } = effectiveSettings(null, local())
  assert.deepEqual(problems, [])
  assert.deepEqual(settings, DEFAULT_SETTINGS)
  const { ttlMs, loopWaitMs, retryTimeoutMs, maximumLagOnFailover, useRewind, useSlots } = settings
  assert.deepEqual(
    { ttlMs, loopWaitMs, retryTimeoutMs, maximumLagOnFailover, useRewind, useSlots },
    {
      ttlMs: 30_000,
      loopWaitMs: 10_000,
      retryTimeoutMs: 10_000,
      maximumLagOnFailover: 1_048_576,
      useRewind: false,
      useSlots: true,
    },
  )
})

test('units are understood', () => {
  const dynamic = {
    ttl: '20s',
    primary_start_timeout: '5min',
    maximum_lag_on_failover: '2MB',
    loop_wait: '2000ms',
    retry_timeout: 3,
  }
  const { settings, problems } = effectiveSettings(dynamic, local())
  assert.deepEqual(problems, [])
  assert.equal(settings.ttlMs, 20_000)
  assert.equal(settings.loopWaitMs, 2000)
  assert.equal(settings.primaryStartTimeoutMs, 300_000)
  assert.equal(settings.maximumLagOnFailover, 2 * 1024 * 1024)
})

test('a bad value is reported, and the one before stays in force', () => {
  const before = effectiveSettings(
    { maximum_lag_on_failover: 5, postgresql: { parameters: { max_connections: 300 } } },
    local(),
  )
  const bad = { maximum_lag_on_failover: 'much', postgresql: { parameters: { max_connections: 'many' } } }
  const { settings, problems } = effectiveSettings(bad, local(), before.settings)
  assert.equal(settings.maximumLagOnFailover, 5)
  assert.equal(settings.parameters['max_connections'], '300')
  assert.deepEqual(
    problems.map(({ key, used }) => [key, used]),
    [
      ['maximum_lag_on_failover', 'the value before'],
      ['postgresql.parameters.max_connections', '300'],
    ],
  )
})

test('a bad value without one before gives the default', () => {
  const { settings, problems } = effectiveSettings({ maximum_lag_on_failover: -1 }, local())
  assert.equal(settings.maximumLagOnFailover, 1_048_576)
  assert.equal(problems[0]?.used, 'the default')
})

test('a key that is taken away returns to its default, not to the value before', () => {
  const before = effectiveSettings({ max_timelines_history: 5 }, local()).settings
  assert.equal(effectiveSettings({}, local(), before).settings.maxTimelinesHistory, 0)
})

test('older names of keys are understood', () => {
  const { settings } = effectiveSettings(
    { master_start_timeout: 7, permanent_slots: { audit: null } },
    local(),
  )
  assert.equal(settings.primaryStartTimeoutMs, 7000)
  assert.deepEqual(settings.slots, { audit: { type: 'physical' } })
})

test('synchronous_mode has three values', () => {
  const mode = (value: unknown) =>
    effectiveSettings({ synchronous_mode: value }, local()).settings.synchronousMode
  assert.deepEqual([true, 'on', false, 'off', 'quorum', 'QUORUM'].map(mode), [
    'on',
    'on',
    'off',
    'off',
    'quorum',
    'quorum',
  ])
})

test('anything in standby_cluster forbids promotions', () => {
  const standbyCluster = (value: unknown) =>
    effectiveSettings({ standby_cluster: value }, local()).settings.standbyCluster
  assert.equal(standbyCluster(null), null)
  assert.deepEqual(standbyCluster({ host: 'x' }), { host: 'x' })
  assert.deepEqual(standbyCluster('wrong'), {})
})

test('timeouts that do not fit are shortened: loop_wait first, then retry_timeout', () => {
  const adjust = (ttl: number, loop: number, retry: number) => {
    const asked = { ttlMs: ttl * 1000, loopWaitMs: loop * 1000, retryTimeoutMs: retry * 1000 }
    const { ttlMs, loopWaitMs, retryTimeoutMs } = adjustTimeouts(asked, TTL_FLOOR_MS).timeouts
    return [ttlMs / 1000, loopWaitMs / 1000, retryTimeoutMs / 1000]
  }
  assert.deepEqual(adjust(30, 10, 10), [30, 10, 10])
  assert.deepEqual(adjust(30, 20, 10), [30, 10, 10])
  assert.deepEqual(adjust(20, 10, 10), [20, 1, 9])
  assert.deepEqual(adjust(10, 2, 3), [10, 2, 3])
  assert.deepEqual(adjust(7, 10, 10), [7, 1, 3])
  assert.deepEqual(adjust(1, 1, 1), [7, 1, 3])
})

test('the least ttl is that of the guard', () => {
  const least = (ttlFloorMs: number) => effectiveSettings({ ttl: 2 }, local({ ttlFloorMs })).settings.ttlMs
  assert.equal(least(TTL_FLOOR_MS), 7000)
  assert.equal(least(TTL_FLOOR_FENCED_MS), 5000)
})

test('adjusted timeouts always fit, and adjusting them again changes nothing', () => {
  const ms = fc.integer({ min: 1, max: 3600 }).map(value => value * 1000)
  fc.assert(
    fc.property(
      ms,
      ms,
      ms,
      fc.constantFrom(TTL_FLOOR_MS, TTL_FLOOR_FENCED_MS),
      (ttlMs, loopWaitMs, retryTimeoutMs, floor) => {
        const { timeouts } = adjustTimeouts({ ttlMs, loopWaitMs, retryTimeoutMs }, floor)
        assert.ok(timeouts.loopWaitMs + 2 * timeouts.retryTimeoutMs <= timeouts.ttlMs)
        assert.ok(timeouts.loopWaitMs >= 1000 && timeouts.retryTimeoutMs >= 2000 && timeouts.ttlMs >= floor)
        if (timeouts.retryTimeoutMs >= 3000)
          assert.deepEqual(adjustTimeouts(timeouts, floor).timeouts, timeouts)
      },
    ),
  )
})

test('local parameters win, except those that must be alike everywhere', () => {
  const dynamic = { postgresql: { parameters: { work_mem: '4MB', Max_Connections: 200 } } }
  const own = { parameters: { WORK_MEM: '8MB', max_connections: 500, wal_log_hints: false } }
  const { settings, problems } = effectiveSettings(dynamic, local({ postgresql: own }))
  assert.equal(settings.parameters['work_mem'], '8MB')
  assert.equal(settings.parameters['max_connections'], '200')
  assert.equal(settings.parameters['wal_log_hints'], 'off')
  assert.deepEqual(
    problems.map(({ key, misplaced }) => [key, misplaced]),
    [['postgresql.parameters.max_connections', true]],
  )
})

test('parameters that belong to the agent never come from a configuration', () => {
  const names = [
    'listen_addresses',
    'port',
    'cluster_name',
    'primary_conninfo',
    'restart_after_crash',
    'include',
    'recovery_target_lsn',
  ]
  const parameters = Object.fromEntries(names.map(name => [name, 'x']))
  const { settings, problems } = effectiveSettings(
    { postgresql: { parameters } },
    local({ postgresql: { parameters } }),
  )
  for (const name of names) assert.ok(!Object.hasOwn(settings.parameters, name), name)
  assert.equal(problems.length, 2 * names.length)
})

test('names that every object has are no parameters', () => {
  const parameters = JSON.parse('{"__proto__": {}, "constructor": {}, "toString": []}') as Record<
    string,
    unknown
  >
  const { settings } = effectiveSettings({ postgresql: { parameters } }, local())
  assert.deepEqual(settings.parameters, DEFAULT_SETTINGS.parameters)
})

test('recovery_conf gives ordinary parameters, and parameters win over it', () => {
  const own = {
    recovery_conf: { restore_command: 'cp a', archive_cleanup_command: 'rm' },
    parameters: { restore_command: 'cp b' },
  }
  const { settings } = effectiveSettings({}, local({ postgresql: own }))
  assert.equal(settings.parameters['restore_command'], 'cp b')
  assert.equal(settings.parameters['archive_cleanup_command'], 'rm')
})

test('use_slots is not for one member to decide', () => {
  assert.equal(effectiveSettings({}, local({ postgresql: { use_slots: false } })).settings.useSlots, true)
  assert.equal(effectiveSettings({ postgresql: { use_slots: false } }, local()).settings.useSlots, false)
})

test('an empty pg_hba leaves the file alone rather than locking everybody out', () => {
  assert.equal(effectiveSettings({ postgresql: { pg_hba: [] } }, local()).settings.hba, null)
})

test('whatever the configuration holds, settings come out, and no line break comes through', () => {
  fc.assert(
    fc.property(fc.anything(), fc.dictionary(fc.string(), fc.anything()), (dynamic, parameters) => {
      const { settings } = effectiveSettings(
        { ...(typeof dynamic === 'object' ? dynamic : {}), postgresql: { parameters, pg_hba: dynamic } },
        local({ postgresql: { parameters: dynamic }, tags: parameters }),
      )
      assert.ok(settings.ttlMs >= TTL_FLOOR_MS)
      for (const [name, value] of Object.entries(settings.parameters)) {
        assert.match(name, /^[a-z_][a-z0-9_$.]*$/)
        assert.doesNotMatch(value, /[\n\r\0]/)
      }
      for (const line of settings.hba ?? []) assert.doesNotMatch(line, /[\n\r\0]/)
    }),
    { numRuns: 500 },
  )
})

test('a flag wins over its priority, and a priority of 0 means never', () => {
  assert.equal(readTags({ nofailover: false, failover_priority: 0 }).tags.nofailover, false)
  assert.equal(readTags({ failover_priority: 0 }).tags.nofailover, true)
  assert.equal(readTags({ nofailover: true, failover_priority: 5 }).tags.failoverPriority, 0)
  assert.equal(readTags({ failover_priority: '5' }).tags.failoverPriority, 5)
})

test('tags are published as Patroni does: flags that are off are left out', () => {
  assert.deepEqual(publishedTags(NO_TAGS), {})
  const { tags } = readTags({ nofailover: 'off', clonefrom: true, failover_priority: 2, zone: 'a' })
  assert.deepEqual(publishedTags(tags), { zone: 'a', failover_priority: 2, clonefrom: true })
  assert.deepEqual(readTags(publishedTags(tags)).tags, tags)
})
