// Tells the service manager that the agent is ready, how things stand, and that its loop goes on.
import type { AgentHandle } from '../agent/handle.ts'
import { fencingOf } from '../core/fencing.ts'
import { situationOf } from '../core/situation.ts'
import type { ServiceManager } from '../host/service-manager.ts'
import { elapsedAtMost, type Instant, type Ms } from '../kernel/time.ts'

/** Without a watchdog of the manager's: how often the line of its status is brought up to date. */
const STATUS_MS: Ms = 10_000

/**
 * The proof is the last look, not this timer: an agent whose loop is stuck says nothing, and the manager kills it. The
 * next one adopts PostgreSQL within the deadline, or ends it when the guard is stuck too.
 */
export function tellManager(manager: ServiceManager, agent: AgentHandle, now: () => Instant): NodeJS.Timeout {
  const everyMs = manager.aliveEveryMs ?? STATUS_MS
  let [said, ready] = ['', false]

  function tell(): void {
    const latest = agent.latest()
    if (!latest || elapsedAtMost(latest.view.now, now()) > 2 * everyMs) return
    const text = statusLine(latest.view)
    const news = [ready ? '' : 'READY=1', text === said ? '' : `STATUS=${text}`].filter(Boolean)
    const words = manager.aliveEveryMs === null ? news : [...news, 'WATCHDOG=1']
    if (words.length > 0) manager.tell(...words)
    said = text
    ready = true
  }

  const first = setInterval(() => {
    tell()
    if (ready) clearInterval(first)
  }, 200)
  return setInterval(tell, everyMs)
}

function statusLine(view: NonNullable<ReturnType<AgentHandle['latest']>>['view']): string {
  const { running, record, guard } = situationOf(view)
  const term = record ? `, term ${record.term}` : ''
  return `${running.kind}${term}, fencing ${fencingOf(guard).grade}`
}
