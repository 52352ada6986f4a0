// What a clone leaves behind when it fails: the old directory as it was, and nothing that is not known to be ours.
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isVigilError, VigilError } from '../../src/kernel/errors.ts'
import { allProcesses, commandLine } from '../lab/processes.ts'
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

const SLOW = { basebackup: [{ 'max-rate': '8M' }] }

if (asDatabaseUser(import.meta.filename)) {
  describe('a clone', { timeout: 10 * 60_000 }, () => {
    let lab: Lab
    let amber: Member
    let systemIdentifier: string
    before(async () => {
      lab = openLab()
      amber = await lab.member('amber')
      systemIdentifier = await newCluster(amber)
      await amber.sql(`create table filler as select g, repeat('x', 500) t from generate_series(1, 10000) g`)
    })
    after(() => lab.close())

    const cloned = async (name: string, change = {}) => {
      const member = await lab.member(name, change)
      await member.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      return member
    }
    const siblings = (name: string) =>
      readdirSync(lab.directory).filter(entry => entry.startsWith(`${name}.`) && entry !== `${name}.log`)

    test('that is broken off leaves the old directory untouched, and the next attempt replaces it', async () => {
      const birch = await cloned('birch', SLOW)
      const seat = await birch.engine.seat()
      const stop = new AbortController()
      const running = birch.engine.clone(amber.upstream, systemIdentifier, () => stop.abort(), stop.signal)
      await assert.rejects(running, error => isVigilError(error, 'CLONE_FAILED'))
      assert.equal(await birch.engine.seat(), seat)
      assert.deepEqual(siblings('birch'), [])
      await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      assert.notEqual(await birch.engine.seat(), seat)
      const [replaced] = siblings('birch')
      assert.match(replaced!, /^birch\.replaced-/)
      await birch.start(amber.upstream)
      await birch.engine.discardReplaced()
      assert.deepEqual(siblings('birch'), [])
      await birch.stop()
    })

    test('whose program is killed fails with a reason, and the next attempt works', async () => {
      const casper = await cloned('casper', SLOW)
      const seat = await casper.engine.seat()
      const running = casper.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      running.catch(() => {})
      const pid = await waitFor('pg_basebackup runs', LIMIT_MS, () => copierOf('casper'))
      process.kill(pid, 'SIGKILL')
      await assert.rejects(running, error => isVigilError(error, 'CLONE_FAILED'))
      assert.equal(await casper.engine.seat(), seat)
      await casper.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
    })

    test('removes left-overs that carry the marker and nothing else', async () => {
      const dahlia = await cloned('dahlia')
      const ours = join(lab.directory, 'dahlia.clone-1')
      const theirs = join(lab.directory, 'dahlia.clone-2')
      const backup = join(lab.directory, 'dahlia.replaced-by-me')
      for (const directory of [ours, theirs, backup]) mkdirSync(directory)
      writeFileSync(join(ours, 'vigil.unfinished'), '{"what":"clone"}')
      writeFileSync(join(backup, 'keep'), '')
      await dahlia.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      await dahlia.engine.discardReplaced()
      assert.deepEqual(siblings('dahlia').sort(), ['dahlia.clone-2', 'dahlia.replaced-by-me'])
    })

    test('into an empty directory works where nothing may be written beside it, and again after a break', async () => {
      const parent = join(lab.directory, 'locked')
      const dataDirectory = join(parent, 'data')
      mkdirSync(dataDirectory, { recursive: true, mode: 0o700 })
      chmodSync(parent, 0o500)
      try {
        const elm = await lab.member('elm', { dataDirectory, ...SLOW })
        const stop = new AbortController()
        const running = elm.engine.clone(amber.upstream, systemIdentifier, () => stop.abort(), stop.signal)
        await assert.rejects(running, error => isVigilError(error, 'CLONE_FAILED'))
        assert.deepEqual(await elm.engine.dataDirectory(within()), { kind: 'empty' })
        // As a killed agent leaves it.
        mkdirSync(join(dataDirectory, 'vigil.new'))
        writeFileSync(join(dataDirectory, 'vigil.unfinished'), '{"what":"clone"}')
        assert.deepEqual(await elm.engine.dataDirectory(within()), { kind: 'empty' })
        await elm.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
        assert.equal((await elm.engine.dataDirectory(within())).kind, 'present')
        await elm.start(amber.upstream)
        await elm.stop()
        // There is data now, and no place for a copy beside it.
        await assert.rejects(
          elm.engine.clone(amber.upstream, systemIdentifier, () => {}, within()),
          error => isVigilError(error, 'CLONE_FAILED') && error.message.includes(parent),
        )
        assert.equal((await elm.engine.dataDirectory(within())).kind, 'present')
      } finally {
        chmodSync(parent, 0o700)
      }
    })

    test('through a link replaces the directory, not the link', async () => {
      const real = join(lab.directory, 'volume', 'data')
      mkdirSync(real, { recursive: true, mode: 0o700 })
      const link = join(lab.directory, 'linked')
      symlinkSync(real, link)
      const fir = await lab.member('fir', { dataDirectory: link })
      await fir.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      const first = await fir.engine.seat()
      await fir.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
      assert.equal(readFileSync(join(real, 'vigil.seat'), 'utf8').trim(), await fir.engine.seat())
      assert.notEqual(await fir.engine.seat(), first)
      assert.equal(readdirSync(join(lab.directory, 'volume')).length, 2)
    })

    test('from a server of another cluster is refused before anything is copied', async () => {
      const ginkgo = await cloned('ginkgo')
      const seat = await ginkgo.engine.seat()
      await assert.rejects(
        ginkgo.engine.clone(amber.upstream, '7000000000000000001', () => {}, within()),
        error => isVigilError(error, 'FOREIGN_SOURCE') && error.details['found'] === systemIdentifier,
      )
      assert.equal(await ginkgo.engine.seat(), seat)
      assert.deepEqual(siblings('ginkgo'), [])
    })

    test('from an address where nobody listens names the source and the reason', async () => {
      const hazel = await lab.member('hazel')
      const nobody = { name: 'nobody', host: '127.0.0.1', port: hazel.upstream.port }
      await assert.rejects(
        hazel.engine.clone(nobody, systemIdentifier, () => {}, within()),
        error => {
          assert.ok(error instanceof VigilError)
          assert.equal(error.code, 'CLONE_FAILED')
          assert.match(error.message, /nobody \(127\.0\.0\.1:\d+\).*ECONNREFUSED/)
          return true
        },
      )
      assert.deepEqual(await hazel.engine.dataDirectory(within()), { kind: 'empty' })
    })

    test('is refused while a tablespace of the source lies at a path in use here', async () => {
      const space = join(lab.directory, 'space')
      mkdirSync(space, { mode: 0o700 })
      await amber.sql(`create tablespace cold location '${space}'`)
      try {
        const iris = await lab.member('iris')
        await assert.rejects(
          iris.engine.clone(amber.upstream, systemIdentifier, () => {}, within()),
          error => isVigilError(error, 'CLONE_FAILED') && error.message.includes(space),
        )
        assert.ok(!existsSync(iris.options.dataDirectory))
      } finally {
        await amber.sql('drop tablespace cold')
        rmSync(space, { recursive: true })
      }
    })

    test('shows no password on a command line, in an environment or in what it leaves on disk', async () => {
      const record = join(lab.directory, 'seen-by-pg_basebackup')
      const juniper = await cloned('juniper', {
        programNames: { pg_basebackup: recordingProgram(lab, 'pg_basebackup', record) },
      })
      assert.match(readFileSync(record, 'latin1'), /--pgdata/)
      assert.deepEqual(secretsIn(readFileSync(record, 'latin1')), [])
      assert.deepEqual(readdirSync(juniper.options.stateDirectory), [])
    })
  })
}

function copierOf(name: string): number | null {
  const found = allProcesses().find(pid => {
    const [program, ...args] = commandLine(pid)
    return program?.endsWith('/pg_basebackup') && args.some(argument => argument.includes(`${name}.clone-`))
  })
  return found ?? null
}
