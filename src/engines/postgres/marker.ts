// What we began in a directory and have not ended: written before the first byte, so that whatever follows is known
// to be ours.
import { join } from 'node:path'
import { readIfPresent, removeDurably, writeDurably } from './durable.ts'

export const MARKER_FILE = 'vigil.unfinished'

/** `replaced`: an old directory that a complete copy took the place of. */
export type MarkerKind = 'bootstrap' | 'clone' | 'replaced'

export interface Marker {
  readonly what: MarkerKind
  readonly postBootstrapDone?: boolean
}

const KINDS: readonly string[] = ['bootstrap', 'clone', 'replaced'] satisfies readonly MarkerKind[]

/** null: no marker, or one that we did not write. */
export async function readMarker(directory: string): Promise<Marker | null> {
  const text = await readIfPresent(join(directory, MARKER_FILE))
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('what' in value)) return null
    if (typeof value.what !== 'string' || !KINDS.includes(value.what)) return null
    return value as Marker
  } catch {
    return null
  }
}

export async function writeMarker(directory: string, marker: Marker): Promise<void> {
  await writeDurably(join(directory, MARKER_FILE), `${JSON.stringify(marker)}\n`)
}

export async function removeMarker(directory: string): Promise<void> {
  await removeDurably(join(directory, MARKER_FILE))
}

/**
 * A rewind is marked outside the data directory: pg_rewind removes what the source does not have, the marker too.
 * The file names the directory, so that a copy of the state elsewhere marks nothing.
 */
export function rewindMarker(stateDirectory: string, dataDirectory: string) {
  const path = join(stateDirectory, 'rewind-unfinished')
  return {
    present: async () => (await readIfPresent(path))?.trim() === dataDirectory,
    write: () => writeDurably(path, `${dataDirectory}\n`),
    remove: () => removeDurably(path),
  }
}
