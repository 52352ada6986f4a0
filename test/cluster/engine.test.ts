// One cluster's life through the engine: bootstrap, clone, follow, switch of the timeline, slots, configuration.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openPostgres } from '../../src/engines/postgres/engine.ts'
import { isVigilError } from '../../src/kernel/errors.ts'
import { comparePositions } from '../../src/kernel/lsn.ts'
import type { CloneProgress } from '../../src/ports/engine.ts'
import { waitFor } from '../lab/wait.ts'
import {
  asDatabaseUser,
  type Lab,
  LIMIT_MS,
  type Member,
  newCluster,
  openLab,
  PASSWORDS,
  psql,
  SETTINGS,
  secretsIn,
  within,
} from './engine-lab.ts'

if (asDatabaseUser(import.meta.filename)) {
  describe('the engine on real PostgreSQL', { timeout: 10 * 60_000 }, () => {
    let lab: Lab
    let amber: Member
    let birch: Member
    let systemIdentifier: string
    before(async () => {
      lab = openLab()
      amber = await lab.member('amber')
      birch = await lab.member('birch')
    })
    after(() => lab.close())

    test('an absent directory is empty, and nothing answers on it', async () => {
      assert.deepEqual(await amber.engine.dataDirectory(within()), { kind: 'empty' })
      assert.equal(await amber.engine.accepts(within()), false)
      await assert.rejects(amber.engine.status(within()), error => isVigilError(error, 'POSTGRES_FAILED'))
    })

    test('a new cluster starts as a standby without a source, and is a primary after the promote file', async () => {
      await amber.engine.initialise(within())
      assert.deepEqual(await amber.engine.dataDirectory(within()), { kind: 'unfinished', what: 'bootstrap' })
      await amber.start()
      const standby = await amber.standby()
      assert.equal(standby.upstream, null)
      await waitFor(
        'the local WAL is replayed',
        LIMIT_MS,
        async () => (await amber.standby()).localWalReplayed,
      )
      const primary = await amber.promote()
      assert.equal(primary.position.timeline, 2)
      systemIdentifier = primary.systemIdentifier
      await amber.engine.prepareCluster(within())
      await amber.engine.prepareCluster(within())
      await amber.engine.markServed()
      const directory = await amber.engine.dataDirectory(within())
      assert.equal(directory.kind, 'present')
      assert.equal(directory.kind === 'present' && directory.control.systemIdentifier, systemIdentifier)
      assert.ok(statSync(join(amber.options.dataDirectory, 'standby.signal')))
    })

    test('roles have SCRAM verifiers, and no password reached the log', async () => {
      const roles = await amber.sql(
        `select string_agg(rolname || ':' || left(rolpassword, 13), ' ' order by rolname) from pg_authid where rolpassword is not null`,
      )
      assert.equal(roles, 'postgres:SCRAM-SHA-256 replicator:SCRAM-SHA-256 rewinder:SCRAM-SHA-256')
      assert.equal(
        await psql('127.0.0.1', amber.upstream.port, 'select 1', 'replicator', PASSWORDS.replication),
        '1',
      )
      const log = readFileSync(join(lab.directory, 'amber.log'), 'utf8')
      for (const secret of Object.values(PASSWORDS)) assert.ok(!log.includes(secret))
    })

    test('a new connection and a write are proven only while the postmaster can fork', async () => {
      assert.equal(await amber.engine.accepts(within()), true)
      assert.equal((await amber.engine.writes(within())).kind, 'written')
      amber.postmaster().kill('SIGSTOP')
      try {
        assert.equal(await amber.engine.accepts(within(500)), false)
        assert.notEqual((await amber.engine.writes(within(500))).kind, 'written')
        // The session that was kept still works, which is why it proves nothing.
        assert.equal((await amber.engine.status(within())).kind, 'primary')
      } finally {
        amber.postmaster().kill('SIGCONT')
      }
      assert.equal(await amber.engine.accepts(within()), true)
    })

    test('the write that proves a primary healthy waits for no standby, whatever is configured', async () => {
      await amber.sql(`alter system set synchronous_standby_names = 'nobody'`)
      await amber.sql('alter role postgres set synchronous_commit = remote_apply')
      await amber.sql('select pg_reload_conf()')
      try {
        assert.equal((await amber.engine.writes(within())).kind, 'written')
      } finally {
        await amber.sql('alter system reset synchronous_standby_names')
        await amber.sql('select pg_reload_conf()')
        // Only now: it would wait for nobody's answer itself.
        await amber.sql('alter role postgres reset synchronous_commit')
      }
    })

    test('the disks are told apart by device, with their room', async () => {
      assert.deepEqual(
        (await amber.engine.disks(within())).flatMap(({ holds }) => holds),
        ['state'],
        "nothing is written into a directory that is nobody's seat yet",
      )
      await amber.engine.setSeat('seat-of-amber')
      const places = await amber.engine.disks(within())
      assert.deepEqual(places.flatMap(({ holds }) => holds).sort(), ['data', 'state', 'wal'])
      for (const { failure, freeBytes, totalBytes } of places) {
        assert.equal(failure, null)
        assert.ok(freeBytes > 0 && freeBytes <= totalBytes)
      }
    })

    test('a clone reports progress, is a seat of its own, and streams through its slot', async () => {
      await amber.sql(`create table filler as select g, repeat('x', 200) t from generate_series(1, 100000) g`)
      await amber.engine.ensureSlots(['vigil_birch'], [], within())
      await amber.engine.ensureSlots(['vigil_birch'], [], within())
      const seen: CloneProgress[] = []
      await birch.engine.clone(
        amber.upstream,
        systemIdentifier,
        one => seen.push(one),
        within(),
        'vigil_birch',
      )
      assert.ok(seen.length > 0)
      assert.ok(seen.at(-1)!.bytesDone > 10_000_000)
      const seat = await birch.engine.seat()
      assert.ok(seat && seat !== 'seat-of-amber')
      assert.equal((await birch.engine.dataDirectory(within())).kind, 'present')
      await birch.start(amber.upstream, 'vigil_birch')
      const standby = await waitFor('birch streams', LIMIT_MS, async () => {
        const status = await birch.standby()
        return status.replicationState === 'streaming' ? status : null
      })
      assert.deepEqual(standby.upstream, { host: '127.0.0.1', port: amber.upstream.port })
      const primary = await amber.primary()
      assert.equal(primary.replication[0]?.applicationName, 'birch')
      assert.deepEqual(
        primary.slots.map(({ name, kind, active }) => ({ name, kind, active })),
        [{ name: 'vigil_birch', kind: 'physical', active: true }],
      )
    })

    test('a standby that catches up reports the position that the primary has flushed', async () => {
      await amber.sql('insert into filler select g from generate_series(1, 1000) g')
      const goal = (await amber.primary()).position
      const reached = await waitFor('birch has it', LIMIT_MS, async () => {
        const status = await birch.standby()
        return comparePositions(status.position, goal) >= 0 ? status : null
      })
      assert.equal(reached.position.timeline, goal.timeline)
    })

    test('received WAL counts while replay stands still', async () => {
      await birch.sql('select pg_wal_replay_pause()')
      await amber.sql('insert into filler select g from generate_series(1, 1000) g')
      const goal = (await amber.primary()).position
      const status = await waitFor('birch has received it', LIMIT_MS, async () => {
        const seen = await birch.standby()
        return comparePositions(seen.position, goal) >= 0 ? seen : null
      })
      assert.ok(status.replayed < goal.lsn)
      assert.equal(status.replayPaused, true)
      await birch.sql('select pg_wal_replay_resume()')
    })

    test('a change of the upstream takes effect by reload, without a restart', async () => {
      const before = await birch.standby()
      assert.equal(await birch.engine.writeConfiguration(SETTINGS, null, null, 'standby'), true)
      assert.equal(await birch.engine.writeConfiguration(SETTINGS, null, null, 'standby'), false)
      await birch.engine.reload()
      await waitFor('birch streams no more', LIMIT_MS, async () => {
        const status = await birch.standby()
        return status.replicationState === null && status.upstream === null
      })
      await birch.engine.writeConfiguration(SETTINGS, amber.upstream, 'vigil_birch', 'standby')
      await birch.engine.reload()
      await waitFor(
        'birch streams again',
        LIMIT_MS,
        async () => (await birch.standby()).replicationState === 'streaming',
      )
      assert.equal((await birch.standby()).postmasterStartedAt, before.postmasterStartedAt)
    })

    test('another engine on the same directory adopts what runs there', async () => {
      const next = await openPostgres({
        ...amber.options,
        listen: { addresses: '127.0.0.1', port: 1 },
        socketDirectory: null,
      })
      try {
        const status = await next.status(within())
        assert.equal(status.kind, 'primary')
        assert.equal(await next.accepts(within()), true)
      } finally {
        next.close()
      }
    })

    test('the next promotion takes exactly the reserved timeline, and positions follow over the switch', async () => {
      const [last] = [(await amber.primary()).position]
      await waitFor(
        'birch has everything',
        LIMIT_MS,
        async () => comparePositions((await birch.standby()).position, last) >= 0,
      )
      const casper = await lab.member('casper')
      await casper.engine.clone(birch.upstream, systemIdentifier, () => {}, within())
      await casper.start(birch.upstream)
      // What is remembered of a standby that streams must not outlive the switch.
      await waitFor(
        'casper streams',
        LIMIT_MS,
        async () => (await casper.standby()).replicationState === 'streaming',
      )
      assert.equal((await casper.standby()).position.timeline, 2)
      await amber.stop()
      await birch.engine.reserveTimelines(2, 7)
      const primary = await birch.promote()
      assert.equal(primary.position.timeline, 7)
      assert.deepEqual((await birch.engine.history(7))?.at(-1)?.timeline, 2)
      assert.deepEqual(
        await casper.engine.historyOf(birch.upstream, 7, within()),
        await birch.engine.history(7),
      )
      assert.equal(await casper.engine.historyOf(birch.upstream, 9, within()), null)
      await birch.sql('create table after_switch(i int)')
      const goal = (await birch.primary()).position
      const status = await waitFor('casper follows', LIMIT_MS, async () => {
        const seen = await casper.standby()
        return comparePositions(seen.position, goal) >= 0 ? seen : null
      })
      assert.equal(status.position.timeline, 7)
      await casper.stop()
    })

    test('the archive gets the numbers that a promotion passed over', async () => {
      const archive = join(lab.directory, 'archive')
      mkdirSync(archive)
      const gum = await lab.member('gum')
      await gum.engine.initialise(within())
      const archive_command = `test ! -f ${archive}/%f && cp %p ${archive}/%f`
      const parameters = { ...SETTINGS.parameters, archive_mode: 'on', archive_command }
      await gum.start(null, null, { ...SETTINGS, parameters })
      await gum.engine.reserveTimelines(1, 4)
      assert.equal((await gum.promote()).position.timeline, 4)
      // Otherwise the archiver looks once a minute.
      await gum.sql('create table wakes_the_archiver()')
      await gum.sql('select pg_switch_wal()')
      const wanted = ['00000002.history', '00000003.history', '00000004.history']
      await waitFor('all are archived', LIMIT_MS, () =>
        wanted.every(name => readdirSync(archive).includes(name)),
      )
      await gum.engine.ensureStandbySignal()
      await gum.stop()
    })

    test('a reserved number that was never used does not stop a start', async () => {
      const casper = await lab.member('dahlia')
      await casper.engine.clone(birch.upstream, systemIdentifier, () => {}, within())
      await casper.engine.reserveTimelines(7, 10)
      await casper.start(birch.upstream)
      assert.equal((await casper.standby()).position.timeline, 7)
      await casper.stop()
    })

    test('a standby knows that its WAL ends with the shutdown checkpoint, also when others held up the stop', async () => {
      const elder = await lab.member('elder')
      await elder.engine.clone(birch.upstream, systemIdentifier, () => {}, within())
      await elder.start(birch.upstream)
      const fern = await lab.member('fern')
      await fern.engine.clone(birch.upstream, systemIdentifier, () => {}, within())
      await fern.start(birch.upstream)
      await waitFor('both stream', LIMIT_MS, async () => (await birch.primary()).replication.length === 2)
      assert.equal(await elder.engine.endsWithShutdownCheckpoint(within()), false)
      // More than the sockets hold, to a receiver that takes nothing.
      const receiver = Number(await fern.sql(`select pid from pg_stat_wal_receiver`))
      process.kill(receiver, 'SIGSTOP')
      try {
        await birch.sql(`create table held as select g, repeat('x', 500) t from generate_series(1, 60000) g`)
        await birch.primary()
        const stopping = birch.stop()
        await birch.engine.terminateWalSenders(['fern'], within())
        await stopping
      } finally {
        process.kill(receiver, 'SIGCONT')
      }
      const { state, shutdownEnd } = await birch.engine.controlData(within())
      assert.equal(state, 'shut down')
      assert.ok(
        await waitFor('elder has it', LIMIT_MS, () => elder.engine.endsWithShutdownCheckpoint(within())),
      )
      assert.equal((await elder.standby()).position.lsn, shutdownEnd)
      await elder.stop()
      await fern.stop()
      await birch.start()
      await birch.engine.reserveTimelines(7, 9)
      await birch.promote()
    })

    test('the end of a cleanly stopped primary is the end of its shutdown checkpoint', async () => {
      await birch.sql('checkpoint')
      const position = (await birch.primary()).position
      const running = await birch.engine.controlData(within())
      assert.equal(running.shutdownEnd, null)
      await birch.stop()
      const stopped = await birch.engine.controlData(within())
      assert.equal(stopped.state, 'shut down')
      assert.equal(stopped.checkpoint.timeline, 9)
      assert.ok(stopped.shutdownEnd! > position.lsn)
      // A standby that starts on it replays to exactly there.
      await birch.start()
      const standby = await waitFor('replayed', LIMIT_MS, async () => {
        const seen = await birch.standby()
        return seen.localWalReplayed ? seen : null
      })
      assert.deepEqual(standby.position, { timeline: 9, lsn: stopped.shutdownEnd })
      await birch.stop()
    })

    test('an interrupted bootstrap is known as ours and can be begun again', async () => {
      const hornbeam = await lab.member('hornbeam', { initdb: ['no-such-option'] })
      await assert.rejects(hornbeam.engine.initialise(within()), error =>
        isVigilError(error, 'POSTGRES_FAILED'),
      )
      assert.deepEqual(await hornbeam.engine.dataDirectory(within()), {
        kind: 'unfinished',
        what: 'bootstrap',
      })
      // As one that was killed in the middle leaves it.
      mkdirSync(join(hornbeam.options.dataDirectory, 'vigil.new'))
      writeFileSync(join(hornbeam.options.dataDirectory, 'vigil.new', 'PG_VERSION'), '15')
      await hornbeam.engine.removeUnfinished()
      assert.deepEqual(await hornbeam.engine.dataDirectory(within()), { kind: 'empty' })
    })

    test('post_bootstrap runs once, with the connection string and no password in sight', async () => {
      const script = join(lab.directory, 'post bootstrap.sh')
      const record = join(lab.directory, 'post-bootstrap-record')
      const body = `cat /proc/$$/cmdline /proc/$$/environ >> '${record}'\nexec psql -Xq -v ON_ERROR_STOP=1 -d "$2" -c "create table made_by_$1(i int)"`
      writeFileSync(script, `#!/bin/sh\n${body}\n`, { mode: 0o700 })
      const juniper = await lab.member('juniper', { postBootstrap: `'${script}' hook` })
      await newCluster(juniper)
      await juniper.engine.prepareCluster(within())
      assert.equal(await juniper.sql('select count(*) from made_by_hook'), '0')
      assert.deepEqual(secretsIn(readFileSync(record, 'latin1')), [])
      await juniper.stop()
    })

    test('directories are told apart: foreign files, no right to read', async () => {
      const eiche = await lab.member('eiche')
      mkdirSync(eiche.options.dataDirectory)
      assert.deepEqual(await eiche.engine.dataDirectory(within()), { kind: 'empty' })
      writeFileSync(join(eiche.options.dataDirectory, 'thesis.txt'), 'precious')
      assert.equal((await eiche.engine.dataDirectory(within())).kind, 'unreadable')
      await assert.rejects(eiche.engine.initialise(within()), error => isVigilError(error, 'DATA_DIRECTORY'))
      await assert.rejects(eiche.engine.removeUnfinished(), error => isVigilError(error, 'DATA_DIRECTORY'))
      assert.deepEqual(readdirSync(eiche.options.dataDirectory), ['thesis.txt'])
    })

    test('missing programs are named with the place that was searched', async () => {
      const fir = await lab.member('fir', { binDirectory: '/nonexistent/bin' })
      await assert.rejects(fir.engine.initialise(within()), error =>
        isVigilError(error, 'BINARIES_NOT_FOUND'),
      )
    })
  })
}
