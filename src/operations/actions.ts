// How each operation that changes something is planned; its body is checked here and nowhere else.
import type * as z from 'zod'
import { type Plan, refused } from './answer.ts'
import {
  ConfigBody,
  FailsafeBody,
  ReinitializeBody,
  ReseedBody,
  RestartBody,
  SealBody,
  SwitchoverBody,
} from './bodies.ts'
import { planPatchConfig, planPutConfig } from './configuration.ts'
import type { Desk } from './desk.ts'
import { planWithdrawal } from './failover-key.ts'
import { planFailsafe } from './failsafe.ts'
import { planReinitialize, planReload } from './member-requests.ts'
import { planReseed } from './reseed.ts'
import { planRestart, planUnscheduling } from './restart.ts'
import { planSeal } from './seal.ts'
import { planFailover, planSwitchover } from './switchover.ts'
import type { ActionName } from './table.ts'

export interface ActionInput {
  /** Parsed JSON; undefined: there was none. */
  readonly body: unknown
  /** Revision from If-Match. */
  readonly onlyRevision: bigint | null
}

type Planner = (desk: Desk, input: ActionInput) => Promise<Plan>

export const ACTION_PLANNERS: Readonly<Record<ActionName, Planner>> = {
  switchover: withBody(SwitchoverBody, planSwitchover),
  failover: withBody(SwitchoverBody, planFailover),
  'cancel-switchover': desk => planWithdrawal(desk),
  'patch-config': withBody(ConfigBody, (desk, body, input) =>
    planPatchConfig(desk, body, input.onlyRevision),
  ),
  'put-config': withBody(ConfigBody, (desk, body, input) => planPutConfig(desk, body, input.onlyRevision)),
  reload: desk => planReload(desk),
  restart: withBody(RestartBody, planRestart),
  'cancel-restart': desk => planUnscheduling(desk),
  seal: withBody(SealBody, planSeal),
  'ask-failsafe': withBody(FailsafeBody, planFailsafe),
  'reseed-store': withBody(ReseedBody, planReseed),
  reinitialize: withBody(ReinitializeBody, planReinitialize),
}

function withBody<T>(
  schema: z.ZodType<T>,
  plan: (desk: Desk, body: T, input: ActionInput) => Promise<Plan>,
): Planner {
  return async (desk, input) => {
    const parsed = schema.safeParse(input.body ?? {})
    if (parsed.success) return plan(desk, parsed.data, input)
    const issue = parsed.error.issues[0]!
    const where = issue.path.length === 0 ? 'the body' : issue.path.map(String).join('.')
    return refused(400, `${where}: ${issue.message}`)
  }
}
