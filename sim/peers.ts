// What one agent learns from another over REST: the report that the other's newest view gives.
import type { Decision } from '../src/core/action.ts'
import { situationOf } from '../src/core/situation.ts'
import { localStatus } from '../src/core/status-local.ts'
import type { View } from '../src/core/view.ts'
import type { Instant } from '../src/kernel/time.ts'
import type { PeerReport, Peers } from '../src/ports/peers.ts'
import type { Process } from './process.ts'
import { questions } from './questions.ts'
import type { Host, World } from './world.ts'

export function openPeers(world: World, host: Host, agent: Process): Peers {
  const asking = questions(world, host, agent)
  return {
    report: (apiUrl, signal) =>
      asking(apiUrl, signal, async run => {
        const latest = run.handle.latest()
        const report = latest && reportOf(latest, world.host(new URL(apiUrl).hostname)!.clock.now())
        if (!report) throw new Error('not ready')
        return report
      }),
    seal: (apiUrl, request, signal) =>
      asking(apiUrl, signal, async run => {
        const id = world.random.hex()
        const outcome = await run.handle.request({
          kind: 'seal',
          id,
          request,
          filedAt: world.host(new URL(apiUrl).hostname)!.clock.now(),
        })
        if (outcome.kind === 'seal') {
          const { answer } = outcome
          if (answer.kind === 'sealed') world.observe.sealed(answer.name, answer.base)
          return answer
        }
        throw new Error(outcome.text)
      }),
    failsafe: (apiUrl, asked, signal) =>
      asking(apiUrl, signal, async run => {
        const id = world.random.hex()
        const outcome = await run.handle.request({ kind: 'failsafe', id, asked })
        if (outcome.kind !== 'done')
          return { kind: 'refused', reason: outcome.kind === 'refused' ? outcome.text : outcome.kind }
        world.observe.promised(new URL(apiUrl).hostname, asked)
        return { kind: 'accepted' }
      }),
    serverAnswers: (connUrl, signal) =>
      new Promise(resolve => {
        const target = world.host(new URL(connUrl).hostname)
        const no = () => resolve(false)
        if (!target || signal.aborted) return no()
        signal.addEventListener('abort', no, { once: true })
        world.network.send(host.name, target.name, () => {
          const { instance } = target.postgres
          if (!target.up() || (instance?.postmaster.alive() && !instance.postmaster.running())) return
          const answers = instance?.postmaster.running() ?? false
          world.network.send(target.name, host.name, () => agent.deliver(() => resolve(answers)))
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
    trouble: local.trouble,
    seat: view.remembered.seat,
    seatState: view.remembered.seatState,
    term: local.term,
  }
}
