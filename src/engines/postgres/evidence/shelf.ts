// Where evidence lies: which place has room, what is there already, what has to go for it.
import { mkdir, readdir, readFile, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Evidence, readEvidence } from '../../../core/evidence.ts'
import { reasonOf } from '../../../kernel/errors.ts'
import { syncDirectory } from '../durable.ts'
import type { EvidenceOptions, PostgresOptions } from '../options.ts'

export const MANIFEST = 'manifest.json'
const UNFINISHED = 'unfinished-'

/** Never taken from a file system: at most this, and not more than a tenth of a small one. */
const MARGIN_BYTES = 1024 ** 3
/** With less there is not even room for a list. */
const ROOM_MIN_BYTES = 1024 ** 2

/** The wanted place first; the others are for when it has no room, beside the data last. */
export function placesOf(options: PostgresOptions, wanted: EvidenceOptions | null): readonly string[] {
  const usual = join(options.stateDirectory, 'evidence')
  return [...new Set([wanted?.directory ?? usual, usual, `${options.dataDirectory}.evidence`])]
}

/** What is kept there, oldest first. A directory that is not ours is not looked at. */
export async function evidenceIn(place: string): Promise<readonly Evidence[]> {
  const names = await readdir(place).catch(() => [])
  const found = await Promise.all(names.sort().map(name => manifestOf(join(place, name))))
  return found.filter(evidence => evidence !== null)
}

async function manifestOf(path: string): Promise<Evidence | null> {
  try {
    const evidence = readEvidence(JSON.parse(await readFile(join(path, MANIFEST), 'utf8')))
    // Moved away by hand or copied, it is where it is found.
    return evidence && { ...evidence, path }
  } catch {
    return null
  }
}

export interface Place {
  readonly path: string
  readonly roomBytes: number
}

/** The first that takes all, else the one that takes most. @throws Error saying of each why not */
export async function placeFor(
  places: readonly string[],
  wantedBytes: number,
  limitBytes: number,
): Promise<Place> {
  const refusals: string[] = []
  const usable: Place[] = []
  for (const path of places) {
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      await removeUnfinished(path)
      const roomBytes = await roomIn(path, limitBytes)
      if (roomBytes < ROOM_MIN_BYTES)
        refusals.push(`${path}: ${Math.floor(roomBytes / 1024)} kB are left for it`)
      else if (roomBytes >= wantedBytes) return { path, roomBytes }
      else usable.push({ path, roomBytes })
    } catch (error) {
      refusals.push(`${path}: ${reasonOf(error)}`)
    }
  }
  const [best] = usable.sort((a, b) => b.roomBytes - a.roomBytes)
  if (best) return best
  throw new Error(refusals.join('; '))
}

/** Room that older evidence would give back counts: it goes first. */
async function roomIn(path: string, limitBytes: number): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(path)
  const older = (await evidenceIn(path)).reduce((sum, { bytes }) => sum + bytes, 0)
  const margin = Math.min(MARGIN_BYTES, (blocks * bsize) / 10)
  return Math.max(0, Math.min(limitBytes, bavail * bsize - margin + older))
}

/** The oldest go until there is room for so much under the limit and on the file system. */
export async function makeRoom({ path, roomBytes }: Place, limitBytes: number): Promise<void> {
  const kept = [...(await evidenceIn(path))]
  for (;;) {
    const total = kept.reduce((sum, { bytes }) => sum + bytes, 0)
    const { bavail, bsize } = await statfs(path)
    const fits = total + roomBytes <= limitBytes && bavail * bsize >= roomBytes
    const oldest = fits ? undefined : kept.shift()
    if (!oldest) return
    await rm(oldest.path, { recursive: true, force: true })
  }
}

/** A directory of evidence appears whole or not at all. */
export async function unfinishedIn(place: Place, name: string): Promise<string> {
  const path = join(place.path, `${UNFINISHED}${name}`)
  await rm(path, { recursive: true, force: true })
  await mkdir(join(path, 'wal'), { recursive: true, mode: 0o700 })
  return path
}

export async function finish(unfinished: string, path: string): Promise<void> {
  await syncDirectory(unfinished)
  await rename(unfinished, path)
  await syncDirectory(dirname(path))
}

async function removeUnfinished(place: string): Promise<void> {
  for (const name of await readdir(place)) {
    if (name.startsWith(UNFINISHED)) await rm(join(place, name), { recursive: true, force: true })
  }
}
