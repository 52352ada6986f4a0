// A small file system of a host's own, in a file: it can be filled, made read-only and frozen without hurting anybody
// else. Root only. Whatever is mounted below a laboratory's directory is taken away with it.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { databaseUser, giveTo } from './database-user.ts'

export interface Disk {
  /** Where it is mounted. */
  readonly place: string
  /** Takes all room that there is. */
  fill(): void
  /** Gives it back. */
  empty(): void
  /** Every write waits, in the kernel, for `seconds` at most: whoever tests must not leave it so. */
  freeze(seconds: number): void
  thaw(): void
  /** As after an error of the disk: whatever is written fails. */
  failWrites(): void
  /** After that, when nobody uses it any more. */
  mend(): void
}

const FILLER = 'filler'
const CHUNK = Buffer.alloc(1024 * 1024)

/** Makes the file beside `place` and mounts it there. */
export function makeDisk(place: string, megabytes: number): Disk {
  const image = `${place}.image`
  const filler = join(place, FILLER)
  mkdirSync(place, { recursive: true })
  execFileSync('truncate', ['-s', `${megabytes}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image])
  const mount = () => execFileSync('mount', ['-o', 'loop', image, place])
  mount()
  giveTo(databaseUser(), place)
  let thawer: ReturnType<typeof spawn> | null = null
  const disk: Disk = {
    place,
    fill() {
      // Most of it without writing it.
      const { bavail, bsize } = statfsSync(place)
      spawnSync('fallocate', ['-l', String(Math.max(1, bavail * bsize - 4 * CHUNK.length)), filler])
      for (const size of [CHUNK.length, 4096, 1]) append(filler, CHUNK.subarray(0, size))
      if (statfsSync(place).bavail > 0) throw new Error(`${place} could not be filled`)
    },
    empty: () => rmSync(filler, { force: true }),
    freeze(seconds) {
      // Of its own, so that it comes to pass whatever becomes of this process.
      thawer = spawn('sh', ['-c', `sleep ${seconds}; fsfreeze --unfreeze "$1"`, 'thaw', place], {
        detached: true,
        stdio: 'ignore',
      })
      thawer.unref()
      execFileSync('fsfreeze', ['--freeze', place])
    },
    thaw() {
      thawer?.kill()
      spawnSync('fsfreeze', ['--unfreeze', place], { stdio: 'ignore' })
    },
    failWrites: () => execFileSync('mount', ['-o', 'remount,abort', place]),
    mend() {
      execFileSync('umount', [place])
      // 1: errors were corrected.
      const check = spawnSync('e2fsck', ['-fy', image], { encoding: 'utf8' })
      if ((check.status ?? 8) > 1) throw new Error(`e2fsck: ${check.stdout}`)
      mount()
    },
  }
  return disk
}

function append(file: string, chunk: Buffer): void {
  try {
    for (;;) writeFileSync(file, chunk, { flag: 'a' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
