// Finds out in the background whether this machine can write: a record into the WAL over a new connection, a small file
// on each disk. A look only tells what is known so far; nothing waits here, and of each kind one is under way at most.
import { type DiskPlace, type Health, placeFailure, UNKNOWN_HEALTH } from '../core/health.ts'
import type { InstanceStatus, PrimaryStatus } from '../core/instance.ts'
import type { Reading } from '../kernel/reading.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'
import type { WriteAnswer } from '../ports/engine.ts'
import type { Context } from './context.ts'

/** While records wait and nothing was flushed since the last look; a flush position that moves is proof enough. */
const WRITE_EVERY_MS: Ms = 900
/** While nobody writes: each probe is a record that standbys replay and archives keep. */
const IDLE_WRITE_EVERY_MS: Ms = 10_000
const DISK_EVERY_MS: Ms = 30_000
const TROUBLED_DISK_EVERY_MS: Ms = 4000
/** Long: what is given up may go on waiting for the disk, and the next one waits beside it. */
const GIVE_UP_MS: Ms = 600_000

export interface HealthWatch {
  /** `alive`: something of the instance runs. */
  look(instance: Reading<InstanceStatus>, alive: boolean): Health
}

export function createHealthWatch(context: Context): HealthWatch {
  const writes = watchWrites(context)
  const disks = watchDisks(context)
  return {
    look(instance, alive) {
      const primary = instance.kind === 'known' && instance.value.kind === 'primary' ? instance.value : null
      // An answer that is missing says nothing new: what is under way goes on.
      if (primary || instance.kind === 'known' || !alive) writes.see(primary)
      disks.see(alive)
      return { writesFailing: writes.failing(), ...disks.known() }
    },
  }
}

function watchWrites(context: Context) {
  const { clock, engine } = context.ports
  let run: string | null = null
  let flushed = 0n
  let provenAt: Instant | null = null
  let askedAt: Instant | null = null
  let lastAskedAt: Instant | null = null
  let refused: { readonly since: Instant; readonly reason: string } | null = null

  const answered = (of: string, at: Instant, answer: WriteAnswer) => {
    if (run !== of) return
    askedAt = null
    if (answer.kind === 'written') proven()
    if (answer.kind === 'failed') refused ??= { since: at, reason: answer.reason }
  }
  const proven = () => {
    provenAt = clock.now()
    refused = null
  }
  const ask = (of: string) => {
    const at = clock.now()
    askedAt = at
    lastAskedAt = at
    void engine.writes(clock.limit(GIVE_UP_MS)).then(answer => answered(of, at, answer))
  }
  return {
    see(primary: PrimaryStatus | null) {
      if (!primary || run !== primary.postmasterStartedAt) {
        run = primary?.postmasterStartedAt ?? null
        provenAt = null
        askedAt = null
        lastAskedAt = null
        refused = null
        flushed = primary?.position.lsn ?? 0n
      }
      if (!primary || run === null) return
      if (primary.position.lsn > flushed) proven()
      flushed = primary.position.lsn
      const everyMs = primary.inserted > flushed || refused ? WRITE_EVERY_MS : IDLE_WRITE_EVERY_MS
      const last = later(provenAt, lastAskedAt)
      if (askedAt === null && (!last || elapsedAtMost(last, clock.now()) >= everyMs)) ask(run)
    },
    failing(): Health['writesFailing'] {
      if (refused) return refused
      // It may have been flushed meanwhile by others' records: then the probe's own session is what hangs.
      if (!askedAt || (provenAt && provenAt.mono >= askedAt.mono)) return null
      return { since: askedAt, reason: 'no answer' }
    },
  }
}

function watchDisks(context: Context) {
  const { clock, engine } = context.ports
  let places: readonly DiskPlace[] = []
  let failingSince: Instant | null = null
  let askedAt: Instant | null = null
  let lastAskedAt: Instant | null = null
  let wasAlive = false
  let urgent = false
  let unanswered = false

  const answered = (at: Instant, found: readonly DiskPlace[]) => {
    places = found
    const failing = placeFailure({ ...UNKNOWN_HEALTH, places }, ['data', 'wal']) !== null
    failingSince = failing ? (failingSince ?? at) : null
    askedAt = null
    // A decision that waits for it is made at once.
    if (urgent) context.wake()
    urgent = false
  }
  const ask = () => {
    const at = clock.now()
    // A test that was given up has had no answer since it began.
    askedAt ??= at
    lastAskedAt = at
    void engine
      .disks(clock.limit(GIVE_UP_MS))
      .then(found => answered(at, found))
      .catch(() => {
        unanswered = true
      })
  }
  return {
    see(alive: boolean) {
      const died = wasAlive && !alive
      wasAlive = alive
      urgent ||= died
      if (askedAt !== null && !unanswered) return
      unanswered = false
      const everyMs = places.some(place => place.failure !== null) ? TROUBLED_DISK_EVERY_MS : DISK_EVERY_MS
      // What ended it may have been the disk, and whether it may start again depends on that.
      if (died || !lastAskedAt || elapsedAtMost(lastAskedAt, clock.now()) >= everyMs) ask()
    },
    known: () => ({ places, placesFailingSince: failingSince, diskAskedAt: askedAt }),
  }
}

function later(a: Instant | null, b: Instant | null): Instant | null {
  if (!a || !b) return a ?? b
  return a.mono > b.mono ? a : b
}
