// Whether this machine can write: what the agent's watch has found out, and when that stands against leading.
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'

export type PlaceName = 'data' | 'wal' | 'state'

/** One file system, and what of ours lies on it. */
export interface DiskPlace {
  readonly holds: readonly PlaceName[]
  readonly freeBytes: number
  readonly totalBytes: number
  /** Why a small file could not be written and synced there; null: it could. */
  readonly failure: string | null
}

export interface Health {
  /**
   * Since when the running primary has been asked to write a record into its WAL in vain. A probe that is under way
   * counts from its beginning. null: it writes, or no primary runs.
   */
  readonly writesFailing: { readonly since: Instant; readonly reason: string } | null
  /** The newest answer of the disks; empty until the first. */
  readonly places: readonly DiskPlace[]
  /** Since when each look has found a place of PostgreSQL's that can't be written. */
  readonly placesFailingSince: Instant | null
  /** The disks are being asked since; null: nothing is under way. */
  readonly diskAskedAt: Instant | null
}

export const UNKNOWN_HEALTH: Health = {
  writesFailing: null,
  places: [],
  placesFailingSince: null,
  diskAskedAt: null,
}

/** A checkpoint on a slow disk may hold up a commit for seconds; whoever allows a longer ttl allows a longer stall. */
const STALL_MIN_MS: Ms = 5000
const STALL_SHARE_OF_TTL = 0.5
/** Two looks in a row: a big sort may fill a disk, fail, and leave it empty. */
const PLACES_FAILING_MS: Ms = 8000
/** A test of the disks takes milliseconds; one that takes so long waits for a disk that stands still. */
const DISK_SILENT_MS: Ms = 5000
/** A promotion begins with a segment of its own, of the usual size. */
export const SEGMENT_BYTES = 16 * 1024 * 1024

export function stallLimit(ttl: Ms): Ms {
  return Math.max(STALL_MIN_MS, ttl * STALL_SHARE_OF_TTL)
}

/** What is wrong with a running primary, in words, when it has lasted long enough to act on; else null. */
export function cannotWrite(health: Health, now: Instant, ttl: Ms): string | null {
  const { writesFailing, placesFailingSince } = health
  if (writesFailing) {
    const forMs = elapsedAtMost(writesFailing.since, now)
    if (forMs >= stallLimit(ttl)) return `no record was written to the WAL: ${writesFailing.reason}`
  }
  if (placesFailingSince && elapsedAtMost(placesFailingSince, now) >= PLACES_FAILING_MS)
    return placeFailure(health, ['data', 'wal'])
  return null
}

/** Why PostgreSQL can't be started or promoted here, whatever it did before; null: nothing is known against it. */
export function diskTrouble(health: Health, now: Instant): string | null {
  return diskSilent(health, now) ?? placeFailure(health, ['data', 'wal']) ?? noRoom(health)
}

/** The same, and the agent's own directory: without it no new term can be taken. */
export function leadingTrouble(health: Health, now: Instant): string | null {
  return diskTrouble(health, now) ?? placeFailure(health, ['state'])
}

export function diskSilent({ diskAskedAt }: Health, now: Instant): string | null {
  const silent = diskAskedAt !== null && elapsedAtMost(diskAskedAt, now) >= DISK_SILENT_MS
  return silent ? 'the disk does not answer' : null
}

export function placeFailure({ places }: Health, names: readonly PlaceName[]): string | null {
  const bad = places.find(place => place.failure !== null && holdsAny(place, names))
  return bad ? `${bad.holds.join(', ')}: ${bad.failure}` : null
}

/** PostgreSQL needs a segment of WAL to start a timeline. */
function noRoom({ places }: Health): string | null {
  const full = places.find(place => place.freeBytes < SEGMENT_BYTES && holdsAny(place, ['wal']))
  return full ? `${full.holds.join(', ')}: less than a segment of WAL is free` : null
}

function holdsAny({ holds }: DiskPlace, names: readonly PlaceName[]): boolean {
  return holds.some(name => names.includes(name))
}
