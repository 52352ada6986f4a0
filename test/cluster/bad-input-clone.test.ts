// Copies that can't be finished: what was there before stays, and the next attempt needs no help.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { databaseUser, giveTo, isRoot } from '../lab/database-user.ts'
import { waitFor } from '../lab/wait.ts'
import {
  type BadInputLab,
  type Change,
  LIMIT_MS,
  openLab,
  passed,
  type Seat,
  status,
  waitForWarning,
} from './bad-input-lab.ts'

const SLOWLY = { postgresql: { basebackup: [{ 'max-rate': '15M' }] } }
const BIG_ROWS = 150_000
const INTERRUPT_AT_BYTES = 30 * 1024 * 1024
const DISK_MB = 900
/** Less than a copy needs, enough for a standby to live. */
const LEFT_MB = 60

let lab: BadInputLab
let amber: Seat
let birch: Seat
let disk: string
let mounted = false
let failed = false

before(async () => {
  lab = openLab(['amber', 'birch'])
  amber = lab.seat('amber')
  birch = lab.seat('birch')
  disk = join(birch.host.directory, 'disk')
  lab.etcd.startAll()
  await lab.etcd.waitUntilHealthy()
  amber.start()
  await waitFor('amber is primary', LIMIT_MS, () => amber.member.writable())
  // Not compressible into less: a row a page's eighth.
  const rows = `SELECT i, repeat(md5(i::text), 30) AS text FROM generate_series(1, ${BIG_ROWS}) i`
  await amber.member.query(`CREATE TABLE big AS ${rows}`, [], LIMIT_MS)
})
afterEach(context => {
  failed ||= !passed(context)
})
after(async () => {
  await birch.crash()
  unmount()
  lab.close(failed)
})

function streams(seat: Seat): Promise<unknown> {
  return waitFor(`${seat.name} streams and has everything`, 2 * LIMIT_MS, async () => {
    const rows = await seat.member.query<{ rows: number }>(
      `SELECT (SELECT count(*)::int FROM big) AS rows FROM pg_stat_wal_receiver WHERE status = 'streaming'`,
    )
    return rows[0]?.rows === BIG_ROWS
  })
}

interface CopyJob {
  readonly kind: string
  readonly state: string
  readonly bytes_done: number | null
}

/** Waits until a copy is well under way, and not through. */
function copyUnderWay(seat: Seat): Promise<CopyJob> {
  return waitFor(
    `${seat.name} is in the middle of a copy`,
    LIMIT_MS,
    async () => {
      const { job } = ((await status(seat))?.['member'] ?? {}) as { readonly job?: CopyJob | null }
      return job?.kind === 'clone' && job.state === 'running' && (job.bytes_done ?? 0) > INTERRUPT_AT_BYTES
        ? job
        : null
    },
    20,
  )
}

/** Identity of the copy that lies there now. */
function copyOf(directory: string): string {
  return readFileSync(join(directory, 'vigil.seat'), 'utf8')
}

/** Accepted as soon as nothing else is done there; answers when the new copy is there, or before if it takes long. */
async function reinitialise(seat: Seat): Promise<void> {
  await waitFor(`${seat.name} makes a new copy`, LIMIT_MS, async () => {
    const request = { method: 'POST', body: {}, limitMs: LIMIT_MS }
    const answer = await seat.member.rest('/reinitialize', request)
    if (/already in progress/.test(answer.body)) return false
    assert.ok(answer.status < 300, answer.body)
    return true
  })
}

/** A small file system of its own. False where this machine lets nobody mount one. */
function mount(): boolean {
  const image = join(lab.network.directory, 'disk.img')
  execFileSync('truncate', ['-s', `${DISK_MB}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image])
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-o', 'loop', image, disk], { stdio: 'ignore' })
  } catch {
    return false
  }
  mounted = true
  // Before the laboratory is removed, which would stumble over it.
  process.prependOnceListener('exit', unmount)
  giveTo(databaseUser(), disk)
  return true
}

function unmount(): void {
  if (!mounted) return
  mounted = false
  execFileSync('umount', ['-l', disk])
}

/** Takes the space of the small disk until `leftMb` are left. */
function fill(leftMb: number): void {
  const lines = execFileSync('df', ['--output=avail', '-m', disk], { encoding: 'utf8' }).split('\n')
  const takeMb = Number(lines[1]) - leftMb
  execFileSync('fallocate', ['-l', `${takeMb}M`, join(disk, 'filler')])
}

/** What was begun or replaced is removed; what somebody else put there is not. */
function onlyDecoysBeside(): Promise<unknown> {
  return waitFor('nothing of ours is left beside the data directory', LIMIT_MS, () => {
    const names = readdirSync(birch.host.directory).filter(name => /^data\.(clone|replaced)-/.test(name))
    return names.length === 2 && names.every(name => name.endsWith('-by-hand'))
  })
}

const onDisk = (): Change => ({ postgresql: { data_dir: join(disk, 'data') } })

test('a first copy that is interrupted is made again, and complete', async () => {
  birch.write(SLOWLY)
  birch.start()
  await copyUnderWay(birch)
  await birch.crash()
  assert.equal(existsSync(join(birch.dataDirectory, 'PG_VERSION')), false, 'half a copy looks like none')
  birch.write()
  birch.start()
  await streams(birch)
})

test('an interrupted replacement leaves the old copy in use, and only what is marked is removed', async () => {
  await birch.crash()
  const decoys = ['data.clone-by-hand', 'data.replaced-by-hand', 'data.old'].map(name =>
    join(birch.host.directory, name),
  )
  for (const decoy of decoys) {
    mkdirSync(decoy)
    writeFileSync(join(decoy, 'precious'), 'the only copy')
    giveTo(databaseUser(), decoy)
  }
  const old = copyOf(birch.dataDirectory)
  birch.write(SLOWLY)
  birch.start()
  await streams(birch)
  await reinitialise(birch)
  await copyUnderWay(birch)
  await birch.crash()
  assert.equal(copyOf(birch.dataDirectory), old)
  birch.write()
  birch.start()
  await streams(birch)
  assert.equal(copyOf(birch.dataDirectory), old, 'the old copy goes on')
  await onlyDecoysBeside()

  await reinitialise(birch)
  await waitFor('the new copy is in place', LIMIT_MS, () => copyOf(birch.dataDirectory) !== old)
  await streams(birch)
  await onlyDecoysBeside()
  for (const decoy of decoys) assert.equal(readFileSync(join(decoy, 'precious'), 'utf8'), 'the only copy')
})

test('a disk that fills up during the first copy is named, and tried again', {
  skip: !isRoot(),
}, async t => {
  await birch.crash()
  rmSync(birch.stateDirectory, { recursive: true })
  if (!mount()) return t.skip('no file system can be mounted here')
  fill(LEFT_MB)
  birch.write(onDisk())
  const agent = birch.start()
  console.log(`message: ${await waitForWarning(birch, /^job-failed: .*No space left on device/)}`)
  await waitFor('it has tried again', LIMIT_MS, () => birch.printed().split('No space left').length > 2)
  assert.equal(agent.alive(), true)
  assert.equal(existsSync(join(disk, 'data', 'PG_VERSION')), false)
  rmSync(join(disk, 'filler'))
  await streams(birch)
})

test('a disk that is too small for a second copy costs nothing of the first', {
  skip: !isRoot(),
}, async () => {
  const directory = join(disk, 'data')
  const old = copyOf(directory)
  fill(LEFT_MB)
  const failures = () => birch.printed().split('No space left').length
  const earlier = failures()
  const request = { method: 'POST', body: {}, limitMs: LIMIT_MS }
  console.log(`message: ${(await birch.member.rest('/reinitialize', request)).body}`)
  await waitFor('the attempt has failed', LIMIT_MS, () => failures() > earlier)
  await streams(birch)
  assert.equal(copyOf(directory), old)
  const about = (await status(birch))?.['member'] as {
    readonly seat_state: string
    readonly promotable: boolean
  }
  assert.equal(about.seat_state, 'ready')
  const left = readdirSync(disk).filter(name => name.startsWith('data.'))
  assert.deepEqual(left, [], 'half a copy does not keep the space')
})
