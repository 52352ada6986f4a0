// How full the store's database is, and how fast it fills: a renewal a second without compaction fills any etcd
// (protocol A12-8).
import * as z from 'zod'
import type { Ms } from '../../kernel/time.ts'
import type { Client, Reply } from './client.ts'

export interface StoreSpace {
  readonly version: string
  readonly bytes: number
  /** What compaction and defragmentation would leave; null in versions that do not say. */
  readonly bytesInUse: number | null
  readonly revision: bigint
}

const DAY_MS: Ms = 86_400_000

const Status = z
  .object({
    header: z.object({ revision: z.string().regex(/^\d{1,19}$/) }),
    version: z.string(),
    dbSize: z.string().regex(/^\d{1,15}$/),
    dbSizeInUse: z
      .string()
      .regex(/^\d{1,15}$/)
      .optional(),
  })
  .transform(
    (status): StoreSpace => ({
      version: status.version,
      bytes: Number(status.dbSize),
      bytesInUse: status.dbSizeInUse === undefined ? null : Number(status.dbSizeInUse),
      revision: BigInt(status.header.revision),
    }),
  )

/** One member's view: each has a database of its own. */
export async function readSpace(
  client: Client,
  signal: AbortSignal,
  read: (reply: Reply, schema: typeof Status) => StoreSpace,
): Promise<StoreSpace> {
  const request = { path: '/v3/maintenance/status', body: {}, repeat: 'anywhere' } as const
  return read(await client.call(request, signal), Status)
}

export interface SpaceGrowth {
  readonly bytesPerDay: number
  readonly revisionsPerDay: number
}

/** From two looks `elapsedMs` apart; null when they are too close to say anything. */
export function growthPerDay(before: StoreSpace, after: StoreSpace, elapsedMs: Ms): SpaceGrowth | null {
  if (elapsedMs < 1_000) return null
  const days = elapsedMs / DAY_MS
  return {
    // A database shrinks by defragmentation only; that is no negative growth.
    bytesPerDay: Math.max(0, Math.round((after.bytes - before.bytes) / days)),
    revisionsPerDay: Math.round(Number(after.revision - before.revision) / days),
  }
}
