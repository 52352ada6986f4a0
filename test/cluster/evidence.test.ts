// What only an old primary had is kept before a rewind or a clone destroys it: WAL, list and rows, within its limit.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Evidence } from '../../src/core/evidence.ts'
import { isVigilError } from '../../src/kernel/errors.ts'
import { comparePositions } from '../../src/kernel/lsn.ts'
import { databaseUser, giveTo, isRoot } from '../lab/database-user.ts'
import { makeDisk } from '../lab/disk.ts'
import { waitFor } from '../lab/wait.ts'
import { PROGRAMS } from './bad-input-lab.ts'
import { asDatabaseUser, type Lab, LIMIT_MS, type Member, newCluster, openLab, within } from './engine-lab.ts'

const PLACE = 'VIGIL_TEST_FULL_DISK'
const DISK_MB = 24
const MB = 1024 ** 2

if (isRoot()) onFullDisk(place => asDatabaseUser(import.meta.filename, { [PLACE]: place }))
else {
  describe('evidence of a diverged copy', { timeout: 10 * 60_000 }, () => {
    let lab: Lab
    let amber: Member
    let birch: Member
    let systemIdentifier: string
    const limits = { directory: null as string | null, limitBytes: 200 * MB }
    before(async () => {
      lab = openLab()
      // Read at each use: the tests change it.
      amber = await lab.member('amber', { evidence: limits })
      birch = await lab.member('birch', { evidence: limits })
      systemIdentifier = await newCluster(amber)
      await amber.sql(`create table t(who text, n int); create table other(j json)`)
      await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      await birch.start(amber.upstream)
    })
    after(() => lab.close())
    let failed = false
    /** Each begins where the one before it ended. */
    const step = (name: string, act: () => Promise<void>, skip: string | false = false) =>
      test(name, { skip }, async context => {
        if (failed) return context.skip('an earlier test failed')
        failed = true
        await act()
        failed = false
      })

    const keep = (member: Member, from: Member, suspect = true) =>
      member.engine.keepEvidence(
        { source: from.upstream, expected: systemIdentifier, suspect, term: 7 },
        within(120_000),
      )
    const follows = async (member: Member, from: Member) => {
      await waitFor(`${member.name} has everything`, LIMIT_MS, async () => {
        const goal = (await from.primary()).position
        return comparePositions((await member.standby()).position, goal) >= 0
      })
    }
    /** `to` is promoted while `from` goes on; `from` is then started as a standby without an upstream. */
    const diverge = async (from: Member, to: Member, timeline: number, lost: string) => {
      await follows(to, from)
      const { position } = await from.primary()
      await to.engine.reserveTimelines(position.timeline, timeline)
      await to.promote()
      await to.engine.checkpoint(within())
      await to.sql(`insert into t values ('kept ${timeline}', 0)`)
      await from.sql(lost)
      await from.crash()
      await from.start()
    }
    const rejoin = async (member: Member, from: Member) => {
      await member.stop()
      await member.engine.rewind(from.upstream, systemIdentifier, within())
      await member.start(from.upstream)
      await follows(member, from)
    }
    const rowsOf = ({ path }: Evidence) =>
      readFileSync(join(path, 'rows.jsonl'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(text => JSON.parse(text) as { readonly table: string; readonly row: Record<string, unknown> })

    step('holds every row and commit that only the old primary had, and not what both have', async () => {
      await amber.sql(`insert into t values ('common', 1)`)
      await diverge(
        amber,
        birch,
        5,
        `begin; insert into t select 'lost', g from generate_series(1, 500) g; commit;
         begin; savepoint a; update t set n = 2 where who = 'common'; release a;
         insert into other values ('{"a": [1]}'); commit;
         begin; insert into t values ('rolled back', 0); rollback;
         create table "New Table" as select 42 as answer`,
      )
      const kept = await keep(amber, birch)
      assert.ok(kept)
      assert.deepEqual(kept.leftOut, [])
      assert.equal(kept.commits, 3)
      const rows = rowsOf(kept)
      assert.equal(rows.length, 503)
      assert.equal(kept.rows, 503)
      const of = (table: string) => rows.filter(row => row.table === table).map(({ row }) => row)
      assert.equal(of('public.t').filter(row => row['who'] === 'lost').length, 500)
      assert.deepEqual(
        of('public.t').filter(row => row['who'] === 'common'),
        [{ who: 'common', n: 2 }],
      )
      assert.deepEqual(of('public.other'), [{ j: { a: [1] } }])
      assert.deepEqual(of('public."New Table"'), [{ answer: 42 }])
      const list = readFileSync(join(kept.path, 'transactions.txt'), 'utf8')
      assert.match(list, /^\d+ {2}\d{4}-\d\d-\d\d \S+ {2}[0-9A-F/]+ {2}INSERT postgres: public\.t x500$/m)
      assert.doesNotMatch(list, /rolled back/)
      assert.match(readFileSync(join(kept.path, 'records.txt'), 'utf8'), /COMMIT/)
    })

    step('its WAL can be read without the copy, and says the same', async () => {
      const [kept] = await amber.engine.evidence()
      assert.ok(kept)
      const wal = join(kept.path, 'wal')
      assert.deepEqual(
        kept.files.filter(file => file.startsWith('wal/')).sort(),
        readdirSync(wal)
          .map(file => `wal/${file}`)
          .sort(),
      )
      const { fork } = JSON.parse(readFileSync(join(kept.path, 'manifest.json'), 'utf8')) as { fork: string }
      const dumped = spawnSync(
        join(PROGRAMS, 'pg_waldump'),
        ['-p', wal, '-t', String(kept.timeline), '-s', fork],
        {
          encoding: 'utf8',
        },
      )
      assert.equal(
        dumped.stdout.split('\n').filter(text => / desc: COMMIT /.test(text)).length >= kept.commits,
        true,
      )
    })

    step('is kept once, outlives the rewind, and the rewound copy has nothing more to keep', async () => {
      assert.equal(await keep(amber, birch), null)
      await rejoin(amber, birch)
      assert.equal(await amber.sql(`select count(*) from t where who = 'lost'`), '0')
      const [kept] = await amber.engine.evidence()
      assert.equal(rowsOf(kept!).length, 503)
      assert.equal(await keep(amber, birch, false), null)
    })

    step(
      'of a copy that does not run holds WAL and list, and says that the rows are only there',
      async () => {
        await diverge(birch, amber, 8, `insert into t values ('stopped', 1)`)
        await birch.stop()
        const kept = await keep(birch, amber)
        assert.ok(kept)
        assert.equal(kept.commits, 1)
        assert.equal(kept.rows, 0)
        assert.match(kept.leftOut.join(), /only its WAL/)
        // What is replaced by a clone instead of a rewind is kept all the same.
        await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
        await birch.engine.discardReplaced()
        assert.ok(existsSync(join(kept.path, 'manifest.json')))
        await birch.start(amber.upstream)
        await follows(birch, amber)
      },
    )

    step('stays within its limit: the newest WAL is kept, and what is missing is said', async () => {
      limits.limitBytes = 40 * MB
      try {
        await diverge(
          amber,
          birch,
          11,
          `insert into t select repeat('x', 1000), g from generate_series(1, 60000) g; insert into t values ('last', 1)`,
        )
        const kept = await keep(amber, birch)
        assert.ok(kept)
        assert.equal(kept.commits, 1)
        assert.match(kept.leftOut.join(), /the oldest \d+ of \d+ WAL files/)
        assert.ok(kept.files.some(file => file.startsWith('wal/0')))
        const all = await amber.engine.evidence()
        assert.deepEqual(
          all.map(({ path }) => path),
          [kept.path],
          'older evidence went first',
        )
        assert.ok(bytesIn(kept.path) <= 40 * MB + MB, `${bytesIn(kept.path)} bytes`)
        await rejoin(amber, birch)
      } finally {
        limits.limitBytes = 200 * MB
      }
    })

    const place = process.env[PLACE]
    const skip = place ? false : 'a small file system can be mounted by root only'
    step(
      'goes elsewhere when its own place is full, and stops nothing',
      async () => {
        limits.directory = place!
        await diverge(birch, amber, 14, `insert into t values ('elsewhere', 1)`)
        const kept = await keep(birch, amber)
        assert.ok(kept)
        assert.ok(!kept.path.startsWith(place!))
        assert.deepEqual(kept.leftOut, [])
        assert.deepEqual(
          rowsOf(kept).map(({ row }) => row['who']),
          ['elsewhere'],
        )
        assert.ok((await birch.engine.evidence()).some(({ path }) => path === kept.path))
        await rejoin(birch, amber)
      },
      skip,
    )

    step('that can be kept nowhere is an error that says why, and the copy is as it was', async () => {
      await diverge(amber, birch, 17, `insert into t values ('nowhere', 1)`)
      limits.limitBytes = 1000
      await assert.rejects(keep(amber, birch), error => {
        assert.ok(isVigilError(error, 'EVIDENCE_NOT_KEPT'))
        assert.match(error.message, /vigil\.evidence_dir/)
        return true
      })
      limits.limitBytes = 200 * MB
      assert.equal(await amber.sql(`select n from t where who = 'nowhere'`), '1')
      assert.deepEqual(
        rowsOf((await keep(amber, birch))!).map(({ row }) => row['who']),
        ['nowhere'],
      )
    })
  })
}

function bytesIn(directory: string): number {
  return Number(execFileSync('du', ['-sb', directory], { encoding: 'utf8' }).split('\t')[0])
}

/** Hands on the place of a file system without room. */
function onFullDisk(use: (place: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'vigil-full-disk-'))
  giveTo(databaseUser(), directory)
  const place = join(directory, 'disk')
  mkdirSync(place)
  try {
    makeDisk(place, DISK_MB).fill()
    use(place)
  } finally {
    spawnSync('umount', [place], { stdio: 'ignore' })
    rmSync(directory, { recursive: true, force: true })
  }
}
