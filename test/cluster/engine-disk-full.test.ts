// A clone onto a file system that is too small: the reason is named, and the old copy is as it was.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { VigilError } from '../../src/kernel/errors.ts'
import { databaseUser, giveTo, isRoot } from '../lab/database-user.ts'
import { asDatabaseUser, newCluster, openLab, within } from './engine-lab.ts'

const SIZE_MB = 192
const PLACE = 'VIGIL_TEST_SMALL_DISK'

if (isRoot()) onSmallDisk(place => asDatabaseUser(import.meta.filename, { [PLACE]: place }))
else {
  const place = process.env[PLACE]
  const skip = place ? false : 'a small file system can be mounted by root only'
  describe('a clone onto a full disk', { skip, timeout: 10 * 60_000 }, () => {
    test('fails with the reason, and the old copy still starts', async () => {
      const lab = openLab()
      try {
        const amber = await lab.member('amber')
        const systemIdentifier = await newCluster(amber)
        const birch = await lab.member('birch', { dataDirectory: join(place!, 'birch') })
        await birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
        const seat = await birch.engine.seat()
        await amber.sql(
          `create table filler as select g, repeat('x', 500) t from generate_series(1, 300000) g`,
        )
        const failing = birch.engine.clone(amber.upstream, systemIdentifier, () => {}, within())
        await assert.rejects(failing, error => {
          assert.ok(error instanceof VigilError)
          assert.equal(error.code, 'CLONE_FAILED')
          assert.match(error.message, /No space left on device/)
          return true
        })
        assert.deepEqual(
          readdirSync(place!).filter(name => name !== 'lost+found'),
          ['birch'],
        )
        assert.equal(await birch.engine.seat(), seat)
        await birch.start()
        await birch.standby()
      } finally {
        await lab.close()
      }
    })
  })
}

function onSmallDisk(use: (place: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'vigil-small-disk-'))
  const image = join(directory, 'image')
  const place = join(directory, 'disk')
  mkdirSync(place)
  execFileSync('truncate', ['-s', `${SIZE_MB}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image])
  const mounted = spawnSync('mount', ['-o', 'loop', image, place]).status === 0
  try {
    execFileSync('chmod', ['755', directory])
    if (mounted) giveTo(databaseUser(), place)
    use(mounted ? place : '')
  } finally {
    if (mounted) execFileSync('umount', [place])
    rmSync(directory, { recursive: true, force: true })
  }
}
