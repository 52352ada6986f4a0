// Answers the agent: remembers who asked what, and tells the connected agent how things stand.
import type { Instant } from '../kernel/time.ts'
import type { Protections } from './layers.ts'
import { type Answer, type GuardMessage, type GuardState, statusOf } from './model.ts'
import type { AgentConnection } from './server.ts'
import { PROTOCOL_VERSION, type Request } from './wire.ts'

export interface ReceptionOptions {
  readonly dataDirectory: string
  readonly now: () => Instant
  readonly state: () => GuardState
  readonly protections: () => Protections
  /** The agent that is connected now. */
  readonly agent: () => AgentConnection | null
  readonly ask: (id: number, message: GuardMessage) => void
}

export interface Reception {
  received(agent: AgentConnection, request: Request): void
  /** A request of nobody: the guard asks itself. */
  askOurselves(message: GuardMessage): void
  answer(answer: Answer): void
  /** The status as an echo, each tick. */
  push(): void
  /** The status if it changed since it was last pushed. */
  pushChange(): void
}

export function createReception(options: ReceptionOptions): Reception {
  const { dataDirectory, now, state, protections, agent, ask } = options
  const requests = new Map<number, { readonly from: AgentConnection; readonly id: number }>()
  let counter = 0
  let pushed = ''
  let pushedState: GuardState | null = null
  /** They change rarely, and the agent remembers them. */
  let told: Protections | null = null

  function push(): void {
    pushedState = state()
    const status = statusOf(pushedState)
    pushed = JSON.stringify(status)
    const news = protections()
    agent()?.send({ kind: 'status', now: now(), status: news === told ? status : { ...status, ...news } })
    told = news
  }

  return {
    received(from, { id, message }) {
      if (message.kind === 'hello') {
        const about = { version: PROTOCOL_VERSION, dataDirectory, pid: process.pid }
        told = protections()
        from.send({ kind: 'hello', ...about, now: now(), status: { ...statusOf(state()), ...told } })
        return
      }
      requests.set(++counter, { from, id })
      ask(counter, message)
    },
    askOurselves: message => ask(++counter, message),
    answer(answer) {
      const request = requests.get(answer.to)
      requests.delete(answer.to)
      request?.from.send({ ...answer, to: request.id, now: now(), status: statusOf(state()) })
    },
    push,
    pushChange() {
      if (state() !== pushedState && JSON.stringify(statusOf(state())) !== pushed) push()
    },
  }
}
