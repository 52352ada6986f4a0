// What requests may carry: Patroni's fields.
import * as z from 'zod'
import { boolean } from '../core/setting-kind.ts'

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

export const ConfigBody = z.record(z.string(), z.unknown())

export type SwitchoverBody = z.infer<typeof SwitchoverBody>
export type RestartBody = z.infer<typeof RestartBody>
export type ReinitializeBody = z.infer<typeof ReinitializeBody>
export type ConfigBody = z.infer<typeof ConfigBody>
