// Requests to this member: reload its files, replace its copy of the data.
import type { Ms } from '../kernel/time.ts'
import { type Plan, ready, refused } from './answer.ts'
import type { ReinitializeBody } from './bodies.ts'
import { type Desk, within } from './desk.ts'

/** A refusal comes within a tick; whatever takes longer has begun. */
const REFUSAL_WITHIN_MS: Ms = 3000

export async function planReload(desk: Desk): Promise<Plan> {
  return ready('would read the configuration file again and reload PostgreSQL', async () => {
    const asked = desk.agent.request({ kind: 'reload', id: desk.clock.randomId() })
    desk.agent.wake()
    const outcome = await within(desk.clock, REFUSAL_WITHIN_MS, asked)
    if (outcome?.kind === 'refused') return { status: 503, text: outcome.text }
    return { status: 202, text: 'reload scheduled' }
  })
}

export async function planReinitialize(desk: Desk, body: ReinitializeBody): Promise<Plan> {
  const status = desk.status()
  if (!status) return refused(503, 'This member has not looked at the cluster yet')
  const { local, leader } = status
  const force = body.force === true
  const fromLeader = body.from_leader === true || body['from-leader'] === true
  if (local.leads || leader === local.name)
    return refused(503, 'I am the leader, can not reinitialize: switch over first')
  if (leader === null) return refused(503, 'Cluster has no leader, can not reinitialize')
  const running = local.job?.state === 'running' ? local.job.kind : null
  if (running !== null && !force) return refused(503, `a ${running} is already in progress`)
  const would = `would make a new copy of the data for ${local.name}${fromLeader ? ` from the leader ${leader}` : ''}; the old one is replaced when the new one is complete`
  return ready(would, async () => {
    const asked = desk.agent.request({ kind: 'reinitialise', id: desk.clock.randomId(), force, fromLeader })
    desk.agent.wake()
    const outcome = await within(desk.clock, REFUSAL_WITHIN_MS, asked)
    if (outcome?.kind === 'refused') return { status: 503, text: outcome.text }
    return { status: 200, text: 'reinitialize started' }
  })
}
