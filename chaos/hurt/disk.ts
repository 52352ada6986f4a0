// A file system of its own for a member's data: it can be filled, and it can stall. Root only.
import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { databaseUser, giveTo } from '../../test/lab/database-user.ts'
import type { Host } from '../../test/lab/host.ts'

/** Room for two copies: a clone is complete before it replaces what is there. */
const SIZE_BYTES = 3 * 1024 ** 3
const BALLAST = 'ballast'
const CHUNK_BYTES = 4 * 1024 ** 2

export function diskOf(host: Host): string {
  return join(host.directory, 'disk')
}

/** Mounts a sparse file there. It goes with the laboratory's directory. */
export function mountDisk(host: Host): void {
  const image = join(host.directory, 'disk.image')
  closeSync(openSync(image, 'w'))
  truncateSync(image, SIZE_BYTES)
  run('mkfs.ext4', ['-q', '-m', '0', '-E', 'lazy_itable_init=1,lazy_journal_init=1', image])
  const mount = diskOf(host)
  mkdirSync(mount)
  run('mount', ['-o', 'loop', image, mount])
  giveTo(databaseUser(), mount)
}

export function diskMounted(host: Host): boolean {
  return existsSync(diskOf(host))
}

/** Leaves nothing free, until `freeDisk`. */
export function fillDisk(host: Host): void {
  const target = openSync(join(diskOf(host), BALLAST), 'w')
  try {
    const { bavail, bsize } = statfsSync(diskOf(host))
    execFileSync(
      'fallocate',
      ['-l', String(Math.max(bavail * bsize - CHUNK_BYTES, bsize)), join(diskOf(host), BALLAST)],
      {
        stdio: 'ignore',
      },
    )
    // The rest, block by block: what PostgreSQL writes meanwhile is part of the race.
    const block = Buffer.alloc(bsize)
    let position = Math.max(bavail * bsize - CHUNK_BYTES, bsize)
    for (let written = 0; written < 2 * CHUNK_BYTES; written += bsize) {
      writeSync(target, block, 0, bsize, position)
      position += bsize
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(target)
  }
}

export function freeDisk(host: Host): void {
  rmSync(join(diskOf(host), BALLAST), { force: true })
}

/** Every write waits, until `thawDisk` or at the latest after so many seconds, even if this process is gone by then. */
export function freezeDisk(host: Host, seconds: number): void {
  const mount = diskOf(host)
  const rescue = spawn('sh', ['-c', `sleep ${seconds}; fsfreeze --unfreeze "$0"`, mount], {
    detached: true,
    stdio: 'ignore',
  })
  rescue.unref()
  run('fsfreeze', ['--freeze', mount])
}

/** Whether it was frozen. */
export function thawDisk(host: Host): boolean {
  try {
    run('fsfreeze', ['--unfreeze', diskOf(host)])
    return true
  } catch {
    return false
  }
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
}
