// One agent's questions to others: a request and its answer, either of which may be lost on the way.
import type { Process } from './process.ts'
import type { AgentRun, Host, World } from './world.ts'

export type Question = <T>(
  apiUrl: string,
  signal: AbortSignal,
  ask: (run: AgentRun) => Promise<T>,
) => Promise<T>

export function questions({ network, host: find }: World, host: Host, agent: Process): Question {
  return (apiUrl, signal, ask) =>
    new Promise((resolve, reject) => {
      const gaveUp = () => reject(new Error('no answer in time'))
      const target = find(new URL(apiUrl).hostname)
      if (signal.aborted || !target) return gaveUp()
      signal.addEventListener('abort', gaveUp, { once: true })
      const back = (settle: () => void) => {
        network.send(target.name, host.name, () =>
          agent.deliver(() => {
            signal.removeEventListener('abort', gaveUp)
            settle()
          }),
        )
      }
      network.send(host.name, target.name, () => {
        if (!target.up()) return
        const run = target.agent
        if (!run?.process.alive()) return back(() => reject(new Error('connection refused')))
        run.process.deliver(() => {
          ask(run).then(
            // What a dead process has not said it will not say.
            answer => void (run.process.alive() && back(() => resolve(answer))),
            error => back(() => reject(error)),
          )
        })
      })
    })
}
