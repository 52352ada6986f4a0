// What one agent learns from another over REST: the report that the other's newest view gives.
import type { Decision } from '../src/core/action.ts'
import { situationOf } from '../src/core/situation.ts'
import { localStatus } from '../src/core/status-local.ts'
import type { View } from '../src/core/view.ts'
import type { Instant } from '../src/kernel/time.ts'
import type { PeerReport, Peers } from '../src/ports/peers.ts'
import type { Process } from './process.ts'
import type { Host, World } from './world.ts'

export function openPeers(world: World, host: Host, agent: Process): Peers {
  const { network } = world
  return {
    report: (apiUrl, signal) =>
      new Promise<PeerReport>((resolve, reject) => {
        const gaveUp = () => reject(new Error('no answer in time'))
        if (signal.aborted) return gaveUp()
        signal.addEventListener('abort', gaveUp, { once: true })
        const back = (settle: () => void) => {
          network.send(target!.name, host.name, () =>
            agent.deliver(() => {
              signal.removeEventListener('abort', gaveUp)
              settle()
            }),
          )
        }
        const target = world.host(new URL(apiUrl).hostname)
        if (!target) return gaveUp()
        network.send(host.name, target.name, () => {
          if (!target.up()) return
          const run = target.agent
          if (!run?.process.alive()) return back(() => reject(new Error('connection refused')))
          run.process.deliver(() => {
            const latest = run.handle.latest()
            const report = latest && reportOf(latest, target.clock.now())
            back(report ? () => resolve(report) : () => reject(new Error('not ready')))
          })
        })
      }),
  }
}

/** As GET /patroni would say it, and the client would understand it. */
function reportOf(latest: { readonly view: View; readonly decision: Decision }, now: Instant): PeerReport {
  const { view, decision } = latest
  const local = localStatus(situationOf(view), { now, decision })
  return {
    name: local.name,
    install: local.install,
    role: local.role,
    position: local.position,
    pendingRestart: Object.keys(local.pendingRestart).length > 0,
    noFailover: view.settings.tags.nofailover,
    promotable: local.promotable,
    term: local.term,
  }
}
