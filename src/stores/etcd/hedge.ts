// Asking one endpoint after the other without waiting for the end of a silent one: for questions only, whose repetition
// is harmless. What Dean and Barroso call hedged requests ("The Tail at Scale", 2013).
import type { Ms } from '../../kernel/time.ts'
import type { Timing } from './transport.ts'

export interface Hedge<Reply> {
  ask(endpoint: URL): Promise<Reply>
  /** The first such reply ends it. */
  isFinal(reply: Reply): boolean
  /** It was asked before the one that answered, and has said nothing yet. */
  overtaken(endpoint: URL): void
}

/**
 * The first final reply, or else the last one. The next endpoint is asked when the one before has failed, or has been
 * silent for `patienceMs`. Nobody is interrupted: who answers later shows that it is there. Never rejects if `ask` does
 * not; `endpoints` must not be empty.
 */
export function askInTurn<Reply>(
  endpoints: readonly URL[],
  patienceMs: Ms,
  timing: Timing,
  { ask, isFinal, overtaken }: Hedge<Reply>,
): Promise<Reply> {
  return new Promise(resolve => {
    const silent = new Set<URL>()
    let asked = 0
    let over = false
    let cancel = () => {}

    const next = () => {
      cancel()
      const endpoint = endpoints[asked]
      if (over || endpoint === undefined) return
      asked++
      silent.add(endpoint)
      if (asked < endpoints.length) cancel = timing.after(patienceMs, next)
      void ask(endpoint).then(reply => answered(endpoint, reply))
    }
    const answered = (endpoint: URL, reply: Reply) => {
      const before = [...silent].slice(0, [...silent].indexOf(endpoint))
      silent.delete(endpoint)
      if (over) return
      if (!isFinal(reply)) {
        if (asked < endpoints.length) return next()
        if (silent.size > 0) return
      } else before.forEach(overtaken)
      over = true
      cancel()
      resolve(reply)
    }
    next()
  })
}
