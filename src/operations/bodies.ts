// What requests may carry: Patroni's fields.
import * as z from 'zod'
import { boolean } from '../core/setting-kind.ts'
import type { SealAnswer, SealRequest } from '../core/synchronous/seal.ts'
import { type Lsn, parseLsn } from '../kernel/lsn.ts'

/** `true`, `"on"`, `1`: as Patroni's clients send it. */
const Flag = z.unknown().transform((raw, context): boolean => {
  const value = boolean.read(raw)
  if (value !== undefined) return value
  context.issues.push({ code: 'custom', message: 'expected true or false', input: raw })
  return z.NEVER
})

const Name = z.string().min(1).max(255)

export const SwitchoverBody = z.object({
  leader: Name.nullish(),
  candidate: Name.nullish(),
  member: Name.nullish(),
  scheduled_at: z.string().max(64).nullish(),
  accept_loss: Flag.optional(),
})

export const RestartBody = z.object({
  restart_pending: Flag.optional(),
  role: z.string().max(32).nullish(),
  postgres_version: z.union([z.string(), z.number()]).nullish(),
  timeout: z.union([z.string(), z.number()]).nullish(),
  schedule: z.string().max(64).nullish(),
})

export const ReinitializeBody = z.object({
  force: Flag.optional(),
  from_leader: Flag.optional(),
  // Patroni's documentation spells it so.
  'from-leader': Flag.optional(),
})

const Identifier = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\w.:-]+$/, 'not an identifier')
const Revision = z
  .string()
  .regex(/^\d{1,19}$/, 'not a revision')
  .transform(BigInt)
const PositionText = z.object({
  timeline: z.int().min(1).max(0xffffffff),
  lsn: z.string().transform((text, context): Lsn => {
    const value = parseLsn(text)
    if (value !== null) return value
    context.issues.push({ code: 'custom', message: 'not a position in the WAL', input: text })
    return z.NEVER
  }),
})

export const SealBody = z.strictObject({
  cluster: Identifier,
  scope: Name,
  base: Revision,
  term: z.int().min(2).max(Number.MAX_SAFE_INTEGER),
  candidate: z.strictObject({ name: Name, install: Identifier }),
}) satisfies z.ZodType<SealRequest & { readonly scope: string }>

/** Patroni's form; `vigil` is what only vigil's leaders say. */
export const FailsafeBody = z.object({
  name: Name,
  conn_url: z.string().max(1024).nullish(),
  api_url: z.string().max(1024).nullish(),
  vigil: z
    .strictObject({
      scope: Name,
      to: Identifier,
      install: Identifier,
      cluster: Identifier,
      term: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
      revision: Revision,
      nonces: z.array(Identifier).max(64),
      ttl: z.int().min(1).max(86_400_000),
    })
    .optional(),
})

/** What a member answers to a seal. */
export const SealReply = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('sealed'),
    name: Name,
    install: Identifier,
    seat: Identifier,
    seatState: z.enum(['ready', 'incomplete', 'diverged']),
    position: PositionText,
    base: Revision,
    isHolder: z.boolean(),
  }),
  z.object({ kind: z.literal('refused'), reason: z.string(), revision: Revision.nullable() }),
]) satisfies z.ZodType<SealAnswer>

/** `scope`: typed by whoever means it. */
export const ReseedBody = z.strictObject({ scope: Name })

export const ConfigBody = z.record(z.string(), z.unknown())

export type SwitchoverBody = z.infer<typeof SwitchoverBody>
export type RestartBody = z.infer<typeof RestartBody>
export type ReinitializeBody = z.infer<typeof ReinitializeBody>
export type FailsafeBody = z.infer<typeof FailsafeBody>
export type ReseedBody = z.infer<typeof ReseedBody>
export type SealBody = z.infer<typeof SealBody>
export type ConfigBody = z.infer<typeof ConfigBody>
