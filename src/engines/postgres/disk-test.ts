// Whether the file systems that PostgreSQL and the agent write to can be written, and what room they have. The write is
// a program's: one that waits for a dead disk can't be ended, and must not be a thread of the agent.
import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { DiskPlace, PlaceName } from '../../core/health.ts'
import type { PostgresHost } from './host.ts'
import { run } from './run.ts'
import { readSeat } from './seat.ts'

/** PostgreSQL's prefix for temporary files: base backups and pg_rewind leave it out. */
const FILE = 'pgsql_tmp.vigil-disk-test'
const PROGRAM = 'dd'
/** The file takes the room that it had the last time: that it could be written says nothing about more. */
const ROOM_MIN_BYTES = 1024 * 1024

export async function testDisks(host: PostgresHost, signal: AbortSignal): Promise<readonly DiskPlace[]> {
  const { dataDirectory, stateDirectory } = host.options
  // Nothing is written into a directory that was not taken into use: it may be somebody else's, or a copy in the making.
  const ours = (await readSeat(dataDirectory)) !== null
  const directories: readonly (readonly [PlaceName, string])[] = [
    ...(ours
      ? ([
          ['data', dataDirectory],
          ['wal', join(dataDirectory, 'pg_wal')],
        ] as const)
      : []),
    ['state', stateDirectory],
  ]
  const byDevice = new Map<number, { readonly holds: PlaceName[]; readonly directory: string }>()
  for (const [name, directory] of directories) {
    const found = await stat(directory).catch(() => null)
    if (!found) continue
    const known = byDevice.get(found.dev)
    if (known) known.holds.push(name)
    else byDevice.set(found.dev, { holds: [name], directory })
  }
  return Promise.all([...byDevice.values()].map(place => testPlace(host, place, signal)))
}

async function testPlace(
  host: PostgresHost,
  { holds, directory }: { readonly holds: readonly PlaceName[]; readonly directory: string },
  signal: AbortSignal,
): Promise<DiskPlace> {
  const { bavail, blocks, bsize } = await statfs(directory)
  const file = join(directory, FILE)
  const args = ['if=/dev/zero', `of=${file}`, 'bs=4096', 'count=1', 'conv=fsync', 'status=none']
  const environment = host.environment({ LC_ALL: 'C' })
  // Without the program there is no test, and that is no fault of the disk.
  const result = await run(PROGRAM, args, { environment, signal }).catch(() => null)
  if (result?.stopped) throw new Error('the disk does not answer')
  const freeBytes = bavail * bsize
  const full = freeBytes < ROOM_MIN_BYTES ? 'No space left on device' : null
  const failure = result === null || result.code === 0 ? full : reasonIn(result.errors)
  return { holds, freeBytes, totalBytes: blocks * bsize, failure }
}

/** `dd: failed to open '/x': No space left on device` */
function reasonIn(errors: string): string {
  const line = errors.trim().split('\n').at(-1) ?? ''
  return line.slice(line.lastIndexOf(': ') + (line.includes(': ') ? 2 : 0)) || 'it could not be written'
}
