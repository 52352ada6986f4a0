// A primary that was left behind comes back: rewound in place, and never half done without a mark.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isVigilError } from '../../src/kernel/errors.ts'
import { comparePositions } from '../../src/kernel/lsn.ts'
import { waitFor } from '../lab/wait.ts'
import {
  asDatabaseUser,
  type Lab,
  LIMIT_MS,
  type Member,
  newCluster,
  openLab,
  recordingProgram,
  secretsIn,
  within,
} from './engine-lab.ts'

if (asDatabaseUser(import.meta.filename)) {
  describe('a rewind', { timeout: 10 * 60_000 }, () => {
    let lab: Lab
    let amber: Member
    let birch: Member
    let systemIdentifier: string
    before(async () => {
      lab = openLab()
      const record = join(lab.directory, 'seen-by-pg_rewind')
      const programNames = { pg_rewind: recordingProgram(lab, 'pg_rewind', record) }
      amber = await lab.member('amber', { programNames })
      birch = await lab.member('birch', { programNames })
      systemIdentifier = await newCluster(amber)
      await amber.sql('create table t(who text)')
      await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      await birch.start(amber.upstream)
      await streaming(birch)
    })
    after(() => lab.close())

    /** `to` is promoted while `from` goes on and writes what nobody else gets. */
    const diverge = async (from: Member, to: Member, timeline: number) => {
      const goal = (await from.primary()).position
      await waitFor(
        'nothing is missing',
        LIMIT_MS,
        async () => comparePositions((await to.standby()).position, goal) >= 0,
      )
      await to.engine.reserveTimelines(goal.timeline, timeline)
      await to.promote()
      await to.engine.checkpoint(within())
      await from.sql(`insert into t values ('lost')`)
      await to.sql(`insert into t values ('kept ${timeline}')`)
    }
    const rejoins = async (member: Member, from: Member) => {
      await member.start(from.upstream)
      await streaming(member)
      const goal = (await from.primary()).position
      await waitFor(
        'caught up',
        LIMIT_MS,
        async () => comparePositions((await member.standby()).position, goal) >= 0,
      )
      assert.equal(await member.sql(`select count(*) from t where who = 'lost'`), '0')
      assert.equal(await member.sql('select count(*) from t'), await from.sql('select count(*) from t'))
    }

    test('brings back a primary that was stopped cleanly after it had diverged, with its seat', async () => {
      await diverge(amber, birch, 5)
      await amber.stop()
      const seat = 'seat-of-amber'
      await amber.engine.setSeat(seat)
      await amber.engine.rewind(birch.upstream, systemIdentifier, within())
      assert.equal(await amber.engine.seat(), seat)
      assert.ok(existsSync(join(amber.options.dataDirectory, 'standby.signal')))
      assert.equal((await amber.engine.dataDirectory(within())).kind, 'present')
      await rejoins(amber, birch)
      assert.equal((await amber.standby()).position.timeline, 5)
    })

    test('brings back a primary that crashed', async () => {
      await diverge(birch, amber, 8)
      await birch.crash()
      await birch.engine.rewind(amber.upstream, systemIdentifier, within())
      await rejoins(birch, amber)
    })

    test('shows no password on a command line or in an environment, and leaves none behind', () => {
      const record = readFileSync(join(lab.directory, 'seen-by-pg_rewind'), 'latin1')
      assert.match(record, /--source-server/)
      assert.deepEqual(secretsIn(record), [])
      assert.deepEqual(readdirSync(amber.options.stateDirectory), ['pgpass'])
    })

    test('that ends midway marks the directory, so that a clone replaces it', async () => {
      const casper = await lab.member('casper', { programNames: { pg_rewind: '/bin/false' } })
      await casper.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      const failing = casper.engine.rewind(amber.upstream, systemIdentifier, within())
      await assert.rejects(failing, error => isVigilError(error, 'REWIND_FAILED'))
      assert.deepEqual(await casper.engine.dataDirectory(within()), { kind: 'unfinished', what: 'rewind' })
      assert.ok(existsSync(join(casper.options.dataDirectory, 'standby.signal')))
      await assert.rejects(casper.engine.removeUnfinished(), error => isVigilError(error, 'DATA_DIRECTORY'))
      await casper.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      assert.equal((await casper.engine.dataDirectory(within())).kind, 'present')
      await casper.start(amber.upstream)
      await casper.stop()
    })

    test('is refused for a running instance and for a source of another cluster, and changes nothing', async () => {
      await assert.rejects(birch.engine.rewind(amber.upstream, systemIdentifier, within()), error =>
        isVigilError(error, 'REWIND_FAILED'),
      )
      await birch.stop()
      await assert.rejects(birch.engine.rewind(amber.upstream, '7000000000000000001', within()), error =>
        isVigilError(error, 'FOREIGN_SOURCE'),
      )
      assert.equal((await birch.engine.dataDirectory(within())).kind, 'present')
      await birch.start(amber.upstream)
      await streaming(birch)
    })

    test('is not believed when the histories went apart under one number', async () => {
      await birch.engine.writeConfiguration({ parameters: {}, hba: null, ident: null }, null, null, 'standby')
      await birch.engine.reload()
      await waitFor('birch is alone', LIMIT_MS, async () => (await birch.standby()).replicationState === null)
      // Both have timeline 8; birch takes 9, then amber is crashed, comes back and takes 9 too.
      await birch.promote()
      await amber.crash()
      await amber.start()
      await amber.promote()
      assert.equal((await amber.primary()).position.timeline, (await birch.primary()).position.timeline)
      await birch.sql(`insert into t values ('lost')`)
      await birch.stop()
      await assert.rejects(birch.engine.rewind(amber.upstream, systemIdentifier, within()), error =>
        isVigilError(error, 'REWIND_FAILED'),
      )
      assert.deepEqual(await birch.engine.dataDirectory(within()), { kind: 'unfinished', what: 'rewind' })
    })
  })
}

async function streaming(member: Member): Promise<void> {
  await waitFor(
    `${member.name} streams`,
    LIMIT_MS,
    async () => (await member.standby()).replicationState === 'streaming',
  )
}
