// Configuration files on a running pair: what is in force, what waits, what is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isVigilError } from '../../src/kernel/errors.ts'
import { waitFor } from '../lab/wait.ts'
import {
  asDatabaseUser,
  type Lab,
  LIMIT_MS,
  type Member,
  newCluster,
  openLab,
  SETTINGS,
  within,
} from './engine-lab.ts'

if (asDatabaseUser(import.meta.filename)) {
  describe('the configuration of an instance', { timeout: 10 * 60_000 }, () => {
    let lab: Lab
    let amber: Member
    let birch: Member
    before(async () => {
      lab = openLab()
      amber = await lab.member('amber')
      birch = await lab.member('birch')
      const systemIdentifier = await newCluster(amber)
      await amber.engine.ensureSlots(['vigil_birch'], [], within())
      await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within(), 'vigil_birch')
      await birch.start(amber.upstream, 'vigil_birch')
    })
    after(() => lab.close())

    test('a standby waits for nobody that exists, a primary for nobody', async () => {
      assert.equal(await birch.sql('show synchronous_standby_names'), 'ANY 200 ("vigil:not-leader")')
      assert.equal(await amber.sql('show synchronous_standby_names'), '')
      assert.equal(await amber.sql('show restart_after_crash'), 'off')
    })

    test('a parameter that waits for a restart is named with both values', async () => {
      const parameters = { ...SETTINGS.parameters, shared_buffers: '24MB', max_connections: '120' }
      await amber.engine.writeConfiguration({ ...SETTINGS, parameters }, null, null, 'primary')
      await amber.engine.reload()
      const pending = await waitFor('both wait', LIMIT_MS, async () => {
        const status = await amber.primary()
        return Object.keys(status.pendingRestart).length >= 2 ? status.pendingRestart : null
      })
      assert.deepEqual(pending, {
        shared_buffers: { oldValue: '16MB', newValue: '24MB' },
        max_connections: { oldValue: '100', newValue: '120' },
      })
      await amber.engine.writeConfiguration(SETTINGS, null, null, 'primary')
      await amber.engine.reload()
      await waitFor(
        'none waits',
        LIMIT_MS,
        async () => Object.keys((await amber.primary()).pendingRestart).length === 0,
      )
    })

    test('what ALTER SYSTEM set against us is removed with a warning, other settings stay', async () => {
      await birch.sql(`alter system set primary_conninfo = 'host=elsewhere'`)
      await birch.sql(`alter system set synchronous_standby_names = ''`)
      await birch.sql(`alter system set work_mem = '5MB'`)
      assert.equal(
        await birch.engine.writeConfiguration(SETTINGS, amber.upstream, 'vigil_birch', 'standby'),
        true,
      )
      await birch.engine.reload()
      const auto = readFileSync(join(birch.options.dataDirectory, 'postgresql.auto.conf'), 'utf8')
      assert.doesNotMatch(auto, /primary_conninfo|synchronous_standby_names/)
      assert.match(auto, /work_mem = '5MB'/)
      assert.ok(lab.warnings.length > 0)
    })

    test('a parameter that this version does not know is left out with a warning', async () => {
      const parameters = {
        ...SETTINGS.parameters,
        wal_keep_segments_of_old: '8',
        zero_damaged_pages: 'off',
        'my.own': 'x',
      }
      await birch.engine.writeConfiguration(
        { ...SETTINGS, parameters },
        amber.upstream,
        'vigil_birch',
        'standby',
      )
      const file = readFileSync(join(birch.options.dataDirectory, 'postgresql.conf'), 'utf8')
      assert.doesNotMatch(file, /wal_keep_segments_of_old/)
      assert.match(file, /^zero_damaged_pages = 'off'$/m)
      assert.match(file, /^my\.own = 'x'$/m)
      assert.ok(lab.warnings.length > 0)
      await birch.engine.writeConfiguration(SETTINGS, amber.upstream, 'vigil_birch', 'standby')
    })

    test('values with line breaks or control characters are refused before anything is written', async () => {
      const file = join(birch.options.dataDirectory, 'postgresql.conf')
      const before = readFileSync(file, 'utf8')
      const parameters = { ...SETTINGS.parameters, log_line_prefix: "x'\nlisten_addresses='*" }
      for (const bad of [
        { ...SETTINGS, parameters },
        { ...SETTINGS, parameters: { 'work_mem = 1\nx': '1' } },
        { ...SETTINGS, hba: ['local all all peer\nhost all all all trust'] },
        { ...SETTINGS, ident: ['a b c\u0000'] },
      ]) {
        await assert.rejects(birch.engine.writeConfiguration(bad, amber.upstream, null, 'standby'), error =>
          isVigilError(error, 'CONFIG_INVALID'),
        )
      }
      assert.equal(readFileSync(file, 'utf8'), before)
      await assert.rejects(amber.engine.ensureSlots(["x'; drop"], [], within()), error =>
        isVigilError(error, 'REQUEST_REFUSED'),
      )
    })
  })
}
